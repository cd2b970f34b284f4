"""A training without a cache, to measure the real one against: images encoded in every step."""

import copy
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from spatialbot_model.contracts.types import IMAGE_ROLES
from spatialbot_model.data.prompts import sample_images
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.modeling.projector import pixel_shuffle
from spatialbot_model.modeling.vision import patch_features
from spatialbot_model.training.action_data import ActionData
from spatialbot_model.training.action_objective import ActionObjective
from spatialbot_model.training.contracts import Batch
from spatialbot_model.training.learner import Learner, parameter_names
from spatialbot_model.training.optimizer import make_optimizer
from spatialbot_model.training.prefetch import Prefetcher
from spatialbot_model.training.recipes import mini_rgbd
from spatialbot_model.training.sampling import WeightedDraws

_OBJECTIVE = ActionObjective()


class LiveFeatureData:
    """The batches of `ActionData`, their features made of the recorded frames every time.

    Args:
        dataset: the steps of `cached`.
        cached: gives everything but features.
        model: whose vision tower encodes.
        processor: of the model.
    """

    def __init__(
        self, dataset: EpisodeDataset, cached: ActionData, model: Any, processor: Any
    ) -> None:
        self._dataset, self._cached, self._processor = dataset, cached, processor
        self._config = model.config
        # in the precision that the features were made in
        self._tower: Any = copy.deepcopy(model.vision_tower).to(torch.bfloat16)

    def batch(self, indices: Sequence[int], seed: int) -> Batch:
        """As `ActionData.batch`.

        Raises:
            RecordingError: a frame cannot be read.
        """
        batch = self._cached.batch(indices, seed)
        features = [self._features(index) for index in indices]
        batch["newest"] = torch.stack([each[0] for each in features])
        batch["older"] = torch.stack([each[1:].float().mean(dim=2).half() for each in features])
        return batch

    @torch.inference_mode()
    def _features(self, index: int) -> Tensor:
        """(H, 2, P, C) of the frames of one sample."""
        frames = self._dataset[index].frames
        pixels = self._processor.pixel_values(sample_images(frames)).to(torch.bfloat16)
        found = pixel_shuffle(
            patch_features(self._tower, self._config, pixels), self._config.pixel_shuffle
        )
        return found.reshape(len(frames), len(IMAGE_ROLES), *found.shape[1:]).half()


class SpeedTest:
    """Optimisation steps of the mini recipe on a copy of a model, with a clock.

    Args:
        model: where the copy starts.
        data: `ActionData`, or what gives the same batches.
        batch_size: of a step.
        draws: which samples each step learns from.
    """

    def __init__(self, model: Any, data: Any, batch_size: int, draws: WeightedDraws) -> None:
        self._data, self._batch_size, self._draws = data, batch_size, draws
        self._model = copy.deepcopy(model).train()
        recipe = mini_rgbd()
        for name, parameter in self._model.named_parameters():
            parameter.requires_grad_(not name.startswith("vision_tower."))
        self._optimizer = make_optimizer(parameter_names(Learner(self._model, _OBJECTIVE)), recipe)

    def run(self, count: int) -> tuple[float, float, float]:
        """Samples a second, share of the time spent waiting for data, first loss."""
        jobs = (
            partial(self._data.batch, self._draws.indices(step, self._batch_size).tolist(), step)
            for step in range(count)
        )
        first_loss = float("nan")
        with Prefetcher(threads=1, ahead=4) as prefetcher:
            start_s = time.perf_counter()
            for step, batch in enumerate(prefetcher.stream(jobs)):
                with torch.autocast("cpu", torch.bfloat16):
                    loss, _ = _OBJECTIVE(self._model, batch)
                self._optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch
                self._optimizer.step()
                first_loss = float(loss.detach()) if step == 0 else first_loss
            seconds = time.perf_counter() - start_s
            return count * self._batch_size / seconds, prefetcher.waited_s / seconds, first_loss
