"""A test double of a task: a curve to fit, in microseconds a step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.training.contracts import Batch, TrainingTask
from spatialbot_model.training.loop import Progress, Trainer, TrainingResult
from spatialbot_model.training.recipe import Recipe
from spatialbot_model.training.signals import StopRequest

WEIGHTS_NAME = "weights.safetensors"


class CurveData:
    """Points of a parabola, with noise from the batch's seed."""

    def __init__(self, count: int = 64, noise: float = 0.05) -> None:
        self._count, self._noise = count, noise

    def __len__(self) -> int:
        return self._count

    def weights(self) -> np.ndarray:
        return np.linspace(1.0, 2.0, self._count)

    def batch(self, indices: Sequence[int], seed: int) -> Batch:
        x = torch.tensor(indices, dtype=torch.float32)[:, None] / self._count
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
        return {"x": x, "y": x**2 + self._noise * noise}


def curve_objective(model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Any]]:
    loss = ((model(batch["x"]) - batch["y"]) ** 2).mean()
    return loss, {"bin_error/dx": loss.detach().sqrt()}


def save_weights(model: nn.Module, folder: Path) -> None:
    save_file(dict(model.state_dict()), folder / WEIGHTS_NAME)


def make_net(dropout: float = 0.2) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))


def toy_recipe(**values: Any) -> Recipe:
    chosen: dict[str, Any] = {
        "name": "toy",
        "task": "toy",
        "preset": "none",
        "steps": 6,
        "batch_size": 8,
        "micro_batch_size": 4,
        "learning_rate": 1e-2,
        "ema": 0.9,
        "save_every": 3,
        "evaluate_every": 2,
        "log_every": 1,
    }
    return Recipe(**chosen | values)


def toy_task(
    model: nn.Module | None = None, data: Any = None, digest: str = "toy", objective: Any = None
) -> TrainingTask:
    return TrainingTask(
        model=make_net() if model is None else model,
        objective=objective or curve_objective,
        train=data or CurveData(),
        validation=CurveData(16, 0.0),
        save=save_weights,
        data_digest=digest,
        action_spec=ActionSpec().to_mapping(),
    )


def train(
    folder: Path,
    recipe: Recipe | None = None,
    task: TrainingTask | None = None,
    *,
    resume: bool = False,
    stop: StopRequest | None = None,
    observer: Any = None,
) -> tuple[TrainingResult, list[Progress]]:
    """Run to the end, collecting what the observer is told."""
    seen: list[Progress] = []

    def observe(progress: Progress) -> None:
        seen.append(progress)
        if observer is not None:
            observer(progress)

    trainer = Trainer(
        recipe or toy_recipe(), task or toy_task(), folder, stop=stop, observer=observe
    )
    return trainer.run(resume=resume), seen


def files_of(folder: Path) -> dict[str, bytes]:
    """Every tensor file of a state or checkpoint."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}
