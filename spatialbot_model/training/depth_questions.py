"""Questions about the depth of points in the frames that the robot acts on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ACTION_NAMES
from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.depth_tool import format_answers, format_call, lookup_depth
from spatialbot_model.contracts.prompt_templates import DEPTH_DIRECT_SUFFIX, image_user_text
from spatialbot_model.data.annotations import WAYPOINT_NUMBERS
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.action_data import ActionData
from spatialbot_model.training.action_rows import NO_BIN
from spatialbot_model.training.contracts import Batch, unit_weights
from spatialbot_model.training.conversation_data import pad_rows, padding

_GRID = 100
_TRIES = 8


class DepthQuestionData:
    """One question a control step, in place of the action; implements `TrainingData`.

    Half of the questions are answered through the depth tool, half directly.

    Args:
        dataset: the steps; their depth images are read at full size.
        actions: the same steps as actions, which give the features.
        processor: of the model.
        history: frames of a prompt.
    """

    def __init__(
        self,
        dataset: EpisodeDataset,
        actions: ActionData,
        processor: SpatialBotProcessor,
        history: int,
    ) -> None:
        self._dataset, self._actions, self._processor = dataset, actions, processor
        self._roles = processor.frame_roles * history
        self._ages = [age for age in range(history) for _ in processor.frame_roles]

    def __len__(self) -> int:
        return len(self._actions)

    def weights(self) -> NDArray[np.float64]:
        """(n,) ones."""
        return unit_weights(len(self))

    def batch(self, indices: Sequence[int], seed: int) -> Batch:
        """B questions, one a picture; the tensors of `ActionData.batch`, without any action.

        Raises:
            RecordingError: a frame cannot be read.
        """
        batch = self._actions.pictures(indices, seed)
        rows = []
        for row, index in enumerate(indices):
            depth_mm = self._dataset.newest_frame(index).depth_mm
            rng = np.random.default_rng([seed, row])
            conversation = self._conversation(depth_mm, rng)
            rows.append(self._processor.training_ids(conversation, self._ages))
        fills = padding(self._processor)
        ids = [torch.from_numpy(ids) for ids, _ in rows]
        made = {
            "input_ids": ids,
            "attention_mask": [torch.ones_like(each) for each in ids],
            "targets": [torch.from_numpy(targets) for _, targets in rows],
        }
        batch |= {name: pad_rows(parts, fills[name]) for name, parts in made.items()}
        count = len(rows)
        batch["rows_per_picture"] = torch.ones(count, dtype=torch.int64)
        batch["action_bins"] = torch.full((count, len(ACTION_NAMES)), NO_BIN)
        batch["waypoint_bins"] = torch.zeros(count, *WAYPOINT_NUMBERS)
        batch["waypoint_known"] = torch.zeros(count, WAYPOINT_NUMBERS[0], dtype=torch.bool)
        return batch

    def _conversation(self, depth_mm: NDArray[np.uint16], rng: np.random.Generator) -> Conversation:
        messages = depth_dialogue(depth_mm, rng)
        asked = image_user_text(messages[0].text, len(self._roles))
        return Conversation((Message("user", asked), *messages[1:]), tuple(self._roles))


def depth_dialogue(depth_mm: NDArray[Any], rng: np.random.Generator) -> tuple[Message, ...]:
    """A question about a point with a return, and its answer, with the depth tool or without."""
    for _ in range(_TRIES):
        x, y = (rng.integers(0, _GRID + 1, 2) / _GRID).tolist()
        answer = lookup_depth(depth_mm, x, y)
        if answer.depth_mm is not None:
            break
    question = f"What is the depth value of point <{x:.2f},{y:.2f}>?"
    value = "invalid" if answer.depth_mm is None else str(answer.depth_mm)
    if rng.random() < 0.5:
        return (
            Message("user", f"{question} {DEPTH_DIRECT_SUFFIX}"),
            Message("assistant", value),
        )
    call = format_call(x, y)
    return (
        Message("user", question),
        Message("assistant", f"The depth value of point({call[6:-1]}) is {call}."),
        Message("tool", format_answers([answer])),
        Message("assistant", value),
    )
