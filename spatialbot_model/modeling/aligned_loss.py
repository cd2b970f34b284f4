"""The loss over positions that are supervised, and which those are."""

from torch import Tensor
from torch.nn import functional as F

IGNORED_TARGET = -100
"""Where nothing is to be predicted, in `labels` and `targets`."""


def aligned_loss(logits: Tensor, targets: Tensor, num_items: Tensor | int | None = None) -> Tensor:
    """Cross entropy of (B, T, V) logits against (B, T) targets in fp32, -100 ignored.

    The mean over supervised positions, or their sum over `num_items` when that is given. Zero
    when nothing is supervised.
    """
    targets = targets.to(logits.device)
    total = F.cross_entropy(
        logits.flatten(0, -2).float(),
        targets.flatten(),
        ignore_index=IGNORED_TARGET,
        reduction="sum",
    )
    count = (targets != IGNORED_TARGET).sum().clamp(min=1) if num_items is None else num_items
    return total / count


def supervised_positions(targets: Tensor) -> Tensor:
    """(K,) positions that are supervised in any row of aligned (B, T) targets.

    As `logits_to_keep`, they spare the head the rest: most of a prompt is images.
    """
    return (targets != IGNORED_TARGET).any(dim=0).nonzero().flatten()


def kept_targets(targets: Tensor, logits_to_keep: int | Tensor) -> Tensor:
    """The targets of those positions whose logits the language model was told to keep."""
    if isinstance(logits_to_keep, int):
        return targets[:, -logits_to_keep:] if logits_to_keep else targets
    return targets[:, logits_to_keep]
