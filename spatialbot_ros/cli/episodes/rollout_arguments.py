"""From the arguments of a collection to the policy that drives it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell

if TYPE_CHECKING:
    from spatialbot_sim.rollout import RolloutOptions

_PATIENCE_S = 60.0
"""What a busy machine may need for an answer; episodes must not depend on how busy it is."""


@dataclass(frozen=True, slots=True)
class RolloutArguments:
    """What a user says about the policy.

    Attributes:
        policy: name in the registry.
        checkpoint: folder or name of its weights.
        round_number: of the aggregation, from 1.
        policy_share: of the steps, in (0, 1].
        device: of the weights.
        url: of a policy server.
    """

    policy: str
    checkpoint: str = ""
    round_number: int = 1
    policy_share: float = 0.6
    device: str = "auto"
    url: str = ""

    def options(self, cell: Cell, spec: ActionSpec) -> "RolloutOptions":
        """The options of the collector.

        Raises:
            ConfigurationError: a share or round that cannot be used.
        """
        from spatialbot_model.policies.base import PolicyConfig
        from spatialbot_sim.rollout import RolloutOptions
        from spatialbot_sim.takeover import TakeoverOptions

        config = PolicyConfig(
            action_spec=spec,
            cell=cell,
            checkpoint=self.checkpoint,
            device=self.device,
            num_threads=1,
            timeout_s=_PATIENCE_S,
            url=self.url,
        )
        takeover = TakeoverOptions(policy_share=self.policy_share)
        return RolloutOptions(self.policy, config, self.round_number, takeover)

    def provenance(self) -> dict[str, str | int | float]:
        """What to write into the episodes: the weights by content, for the folder may change."""
        return {
            "policy": self.policy,
            "checkpoint": Path(self.checkpoint).name if self.checkpoint else self.url,
            "checkpoint_sha256": _digest(self.checkpoint),
            "round": self.round_number,
            "policy_share": self.policy_share,
        }


def _digest(checkpoint: str) -> str:
    """Of the names and contents of a checkpoint's files, "" when it is no folder."""
    folder = Path(checkpoint).expanduser()
    if not checkpoint or not folder.is_dir():
        return ""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        # weights, and what says how they are used; cards and curves may be edited
        if path.suffix in (".safetensors", ".json"):
            digest.update(path.name.encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
