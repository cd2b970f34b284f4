"""Control steps of recorded episodes as batches for a model with a frozen vision tower.

What the arm did is not what is learned where noise was added or a policy drove: the label is the
answer that stands in the recording beside it. A frame is shown once to all the instructions that
are learned with it: pictures and texts of a batch are counted apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import FINISHED_TEXT, DeltaAction
from spatialbot_model.contracts.action_spec import NUM_BINS
from spatialbot_model.contracts.conversation import Message
from spatialbot_model.data.mirroring import mirror_y_m, mirrored_states
from spatialbot_model.data.prompts import answer_text
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.action_rows import GRIPPER, NO_BIN, action_rows
from spatialbot_model.training.contracts import Batch
from spatialbot_model.training.features import FeatureStore
from spatialbot_model.training.word_noise import with_unknown_word

_MEASURED_POSITION, _WIDTH, _CLOSED = slice(0, 3), 9, 10
"""Of `RobotState.vector`."""


@dataclass(frozen=True, slots=True)
class ActionDataOptions:
    """How steps are drawn and disturbed.

    Attributes:
        history: frames a prompt shows.
        instructions: most instructions that are learned with one frame: its own and, drawn
            anew every time, some of the others that it is annotated with.
        gripper_weight: how much likelier a step is drawn at which the gripper is told otherwise
            than before.
        finish_weight: the same of the last step.
        position_noise_m, width_noise_m: sigma of what is added to the robot's state, so that
            it is not trusted beyond what a robot can tell.
        feature_noise: sigma of what the features are multiplied by, around 1.
        mirrored: learn from the mirror images of the scenes too.
        word_noise: share of instructions in which a word is one that nobody knows.
    """

    history: int = 4
    instructions: int = 4
    gripper_weight: float = 4.0
    finish_weight: float = 2.0
    position_noise_m: float = 0.001
    width_noise_m: float = 0.001
    feature_noise: float = 0.0
    mirrored: bool = False
    word_noise: float = 0.0


class ActionData:
    """Steps of a dataset; implements `training.contracts.TrainingData`.

    Args:
        store: the features, of mirrored pictures with `mirrored`.
        episodes: numbers of those that are used; None = all.
        mirrored: the scenes' mirror images instead.

    Raises:
        RecordingError: features of an episode were not built.
        ConfigurationError: an episode's camera sees no mirrored scene.
    """

    def __init__(
        self,
        dataset: EpisodeDataset,
        processor: SpatialBotProcessor,
        store: FeatureStore,
        options: ActionDataOptions | None = None,
        *,
        episodes: Sequence[int] | None = None,
        mirrored: bool = False,
    ) -> None:
        self._processor, self._options = processor, options or ActionDataOptions()
        chosen = range(len(dataset.episodes)) if episodes is None else episodes
        self._episodes = [dataset.episodes[number] for number in chosen]
        self._store = store
        self._features = [store.open(episode) for episode in self._episodes]
        rows = [action_rows(episode, mirrored=mirrored) for episode in self._episodes]
        lengths = [len(episode) for episode in self._episodes]
        self._episode = np.repeat(np.arange(len(lengths)), lengths)
        self._step = np.concatenate([np.arange(length) for length in lengths])
        states = [episode.step_states for episode in self._episodes]
        if mirrored:
            mirrors_m = [mirror_y_m(episode.T_base_camera) for episode in self._episodes]
            states = [mirrored_states(*pair) for pair in zip(states, mirrors_m, strict=True)]
        self._states = np.concatenate(states)
        self._labels = np.concatenate([part.labels for part in rows])
        self._points = np.concatenate([part.waypoints for part in rows])
        self._known = np.concatenate([part.known for part in rows])
        self._instructions = [text for part in rows for text in part.instructions]
        per_step = [
            np.bincount(part.steps, minlength=n) for part, n in zip(rows, lengths, strict=True)
        ]
        ends = np.cumsum(np.concatenate(per_step))
        self._first_row = np.concatenate(([0], ends))
        self._prompts: dict[tuple[str, bool], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def __len__(self) -> int:
        return len(self._step)

    def weights(self) -> NDArray[np.float64]:
        """(n,) how likely each step is drawn, in proportion."""
        own = self._labels[self._first_row[:-1]]
        finished = own[:, 0] == NO_BIN
        told = own[:, GRIPPER] > NUM_BINS // 2
        switches = ~finished & (told != (self._states[:, _CLOSED] > 0.5))
        weights = np.ones(len(self))
        weights[switches] = self._options.gripper_weight
        weights[finished] = self._options.finish_weight
        return weights

    def batch(self, indices: Sequence[int], seed: int) -> Batch:
        """B steps with R rows of text, R >= B; deterministic in indices and seed.

        Returns:
            What `pictures` returns; rows_per_picture (B,) int64, whose sum is R; input_ids,
            targets, attention_mask (R, T) int64, padded on the right; action_bins (R, 7) int64,
            -1 where the instruction has ended; waypoint_bins (R, 2, 4) float32 and
            waypoint_known (R, 2) bool.
        """
        rng = np.random.default_rng([seed, 1])
        drawn = [self._draw_rows(index, rng) for index in indices]
        rows = np.concatenate(drawn)
        prompts = [
            self._prompt(self._disturbed(row, rng), bool(self._labels[row, 0] == NO_BIN))
            for row in rows.tolist()
        ]
        width = max(len(ids) for ids, _ in prompts)
        end = self._processor.layout.end
        return self.pictures(indices, seed) | {
            "rows_per_picture": torch.tensor([len(part) for part in drawn]),
            "input_ids": _padded([ids for ids, _ in prompts], width, end),
            "targets": _padded([targets for _, targets in prompts], width, -100),
            "attention_mask": _padded([np.ones_like(ids) for ids, _ in prompts], width, 0),
            "action_bins": torch.from_numpy(self._labels[rows]),
            "waypoint_bins": torch.from_numpy(self._points[rows]),
            "waypoint_known": torch.from_numpy(self._known[rows]),
        }

    def pictures(self, indices: Sequence[int], seed: int) -> Batch:
        """What B steps show, without any text.

        Returns:
            newest (B, 2, P, C) and older (B, H - 1, 2, C) float16 features; robot_state (B, 21)
            float32.
        """
        options, rng = self._options, np.random.default_rng(seed)
        chosen = np.asarray(indices, np.int64)
        newest, older = [], []
        for index in chosen.tolist():
            number, step = int(self._episode[index]), int(self._step[index])
            features = self._features[number]
            frames = self._episodes[number].step_frames[step][: options.history].tolist()
            newest.append(features.full.rows(frames[:1])[0])
            older.append(features.pooled.rows(frames[1:]))
        states = self._states[chosen].astype(np.float32)
        # the target is what the robot was told, and exact
        states[:, _MEASURED_POSITION] += rng.normal(0.0, options.position_noise_m, (len(chosen), 3))
        states[:, _WIDTH] += rng.normal(0.0, options.width_noise_m, len(chosen))
        full = torch.from_numpy(np.stack(newest))
        if options.feature_noise:
            scale = rng.normal(1.0, options.feature_noise, (len(chosen), 2, 1, full.shape[-1]))
            full = full * torch.from_numpy(scale.astype(np.float16))
        return {
            "newest": full,
            "older": torch.from_numpy(np.stack(older)),
            "robot_state": torch.from_numpy(states),
        }

    def _draw_rows(self, index: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Rows of a step: its own and some of the others, in order."""
        first, behind = int(self._first_row[index]), int(self._first_row[index + 1])
        most = self._options.instructions - 1
        others = np.arange(first + 1, behind)
        if len(others) > most:
            others = np.sort(rng.choice(others, most, replace=False))
        return np.concatenate(([first], others))

    def _disturbed(self, row: int, rng: np.random.Generator) -> str:
        instruction, noise = self._instructions[row], self._options.word_noise
        disturbed = noise > 0.0 and rng.random() < noise
        return with_unknown_word(instruction, rng) if disturbed else instruction

    def _prompt(
        self, instruction: str, finished: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        key = (instruction, finished)
        if key not in self._prompts:
            if len(self._prompts) >= _MAX_PROMPTS:
                self._prompts.clear()
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


_MAX_PROMPTS = 20_000
"""That are kept tokenised."""
_STILL = DeltaAction((NUM_BINS // 2,) * 7)


def _padded(rows: Sequence[NDArray[np.int64]], width: int, fill: int) -> torch.Tensor:
    out = np.full((len(rows), width), fill, np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(out)
