"""A new model for a training to start from."""

from pathlib import Path

from spatialbot_model.contracts.action_spec import ActionSpec


def make_start(
    preset: str, folder: Path, seed: int, spec: ActionSpec | None, tokenizer: Path | None
) -> None:
    """Write an untrained checkpoint; vision weights are pretrained where they can be had.

    Raises:
        SpatialBotError: see `create_checkpoint`.
    """
    from spatialbot_model.inference.checkpoints import create_checkpoint

    create_checkpoint(preset, folder, seed=seed, action_spec=spec, tokenizer=tokenizer)
