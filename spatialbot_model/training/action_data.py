"""Control steps of recorded episodes as batches for a model with a frozen vision tower.

What the arm did is not what is learned where noise was added or a policy drove: the label is the
answer that stands in the recording beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import FINISHED_TEXT, DeltaAction
from spatialbot_model.contracts.action_spec import NUM_BINS
from spatialbot_model.contracts.conversation import Message
from spatialbot_model.data.episode_index import EpisodeIndex
from spatialbot_model.data.prompts import answer_text
from spatialbot_model.data.samples import EpisodeDataset, answer_of
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.features import FeatureStore
from spatialbot_model.training.waypoints import hindsight_waypoints, to_bins

GRIPPER = 6
_NO_BIN = -1


@dataclass(frozen=True, slots=True)
class ActionDataOptions:
    """How steps are drawn and disturbed.

    Attributes:
        history: frames a prompt shows.
        gripper_weight: how much likelier a step is drawn at which the gripper is told otherwise
            than before.
        finish_weight: the same of the last step.
        position_noise_m, width_noise_m: sigma of what is added to the robot's state, so that
            it is not trusted beyond what a robot can tell.
        feature_noise: sigma of what the features are multiplied by, around 1.
    """

    history: int = 4
    gripper_weight: float = 4.0
    finish_weight: float = 2.0
    position_noise_m: float = 0.001
    width_noise_m: float = 0.001
    feature_noise: float = 0.0


class ActionData:
    """Steps of a dataset; implements `training.contracts.TrainingData`.

    Raises:
        RecordingError: features of an episode were not built.
    """

    def __init__(
        self,
        dataset: EpisodeDataset,
        processor: SpatialBotProcessor,
        store: FeatureStore,
        options: ActionDataOptions | None = None,
        *,
        episodes: Sequence[int] | None = None,
    ) -> None:
        self._processor, self._options = processor, options or ActionDataOptions()
        chosen = range(len(dataset.episodes)) if episodes is None else episodes
        self._episodes = [dataset.episodes[number] for number in chosen]
        self._store = store
        self._features = [store.open(episode) for episode in self._episodes]
        parts = [self._steps(number, episode) for number, episode in enumerate(self._episodes)]
        self._episode, self._step, self._labels, self._states, self._points, self._known = (
            np.concatenate(columns) for columns in zip(*parts, strict=True)
        )
        self._prompts: dict[tuple[str, bool], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def __len__(self) -> int:
        return len(self._step)

    def weights(self) -> NDArray[np.float64]:
        """(n,) how likely each step is drawn, in proportion."""
        finished = self._labels[:, 0] == _NO_BIN
        told = self._labels[:, GRIPPER] > NUM_BINS // 2
        switches = ~finished & (told != (self._states[:, 10] > 0.5))
        weights = np.ones(len(self))
        weights[switches] = self._options.gripper_weight
        weights[finished] = self._options.finish_weight
        return weights

    def batch(self, indices: Sequence[int], seed: int) -> dict[str, torch.Tensor]:
        """B steps; deterministic in indices and seed.

        Returns:
            input_ids, targets, attention_mask (B, T) int64, padded on the right; newest
            (B, 2, P, C) and older (B, H - 1, 2, C) float16 features; robot_state (B, 20) float32;
            action_bins (B, 7) int64, -1 where the instruction has ended; waypoint_bins (B, 2, 4)
            float32 and waypoint_known (B, 2) bool.
        """
        options, rng = self._options, np.random.default_rng(seed)
        chosen = np.asarray(indices, np.int64)
        newest, older, prompts = [], [], []
        for index in chosen.tolist():
            number, step = int(self._episode[index]), int(self._step[index])
            episode, features = self._episodes[number], self._features[number]
            frames = episode.step_frames[step][: options.history].tolist()
            newest.append(features.full[frames[0]])
            older.append(features.pooled[frames[1:]])
            finished = bool(self._labels[index, 0] == _NO_BIN)
            prompts.append(self._prompt(episode.instructions[step], finished))
        states = self._states[chosen].copy()
        states[:, :3] += rng.normal(0.0, options.position_noise_m, (len(chosen), 3))
        states[:, 9] += rng.normal(0.0, options.width_noise_m, len(chosen))
        full = torch.from_numpy(np.stack(newest))
        if options.feature_noise:
            scale = rng.normal(1.0, options.feature_noise, (len(chosen), 2, 1, full.shape[-1]))
            full = full * torch.from_numpy(scale.astype(np.float16))
        width = max(len(ids) for ids, _ in prompts)
        end = self._processor.layout.end
        return {
            "input_ids": _padded([ids for ids, _ in prompts], width, end),
            "targets": _padded([targets for _, targets in prompts], width, -100),
            "attention_mask": _padded([np.ones_like(ids) for ids, _ in prompts], width, 0),
            "newest": full,
            "older": torch.from_numpy(np.stack(older)),
            "robot_state": torch.from_numpy(states),
            "action_bins": torch.from_numpy(self._labels[chosen]),
            "waypoint_bins": torch.from_numpy(self._points[chosen]),
            "waypoint_known": torch.from_numpy(self._known[chosen]),
        }

    def _steps(self, number: int, episode: EpisodeIndex) -> tuple[NDArray[np.generic], ...]:
        count = len(episode)
        labels = np.full((count, 7), _NO_BIN, np.int64)
        for step in range(count):
            answer = answer_of(episode, step)
            if isinstance(answer, DeltaAction):
                labels[step] = answer.bins
        waypoints = hindsight_waypoints(episode.step_states, labels[:, GRIPPER] > NUM_BINS // 2)
        return (
            np.full(count, number),
            np.arange(count),
            labels,
            episode.step_states.astype(np.float32),
            to_bins(waypoints.poses),
            waypoints.known,
        )

    def _prompt(
        self, instruction: str, finished: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        key = (instruction, finished)
        if key not in self._prompts:
            processor, history = self._processor, self._options.history
            roles = processor.frame_roles
            asked = processor.action_conversation(instruction, roles * history)
            # the numbers themselves are learned from `action_bins`
            text = FINISHED_TEXT if finished else answer_text(_STILL, processor.action_form)
            conversation = type(asked)(
                (*asked.messages, Message("assistant", text)), asked.image_roles
            )
            ages = [age for age in range(history) for _ in roles]
            self._prompts[key] = processor.training_ids(conversation, ages)
        return self._prompts[key]


_STILL = DeltaAction((NUM_BINS // 2,) * 7)

OnEpisode = Callable[[Path], None]


def _padded(rows: Sequence[NDArray[np.int64]], width: int, fill: int) -> torch.Tensor:
    out = np.full((len(rows), width), fill, np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(out)
