"""Conversations about images as batches; images are encoded as they come, nothing is cached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spatialbot_model.contracts.conversation import IGNORE_INDEX, Conversation
from spatialbot_model.contracts.types import ROBOT_STATE_WIDTH, PromptImage, RobotState
from spatialbot_model.data.prompts import sample_prompt
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.contracts import Batch, unit_weights


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A conversation that ends with an answer, and what it speaks of.

    Attributes:
        images: in the order of the conversation's roles.
        conversation: its answers are learned.
        robot: state beside the newest image; None where there is none.
    """

    images: tuple[PromptImage, ...]
    conversation: Conversation
    robot: RobotState | None = None


class Examples(Protocol):
    """Conversations by number."""

    def __len__(self) -> int: ...

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """One of them; what is random in it comes from `rng`."""
        ...


class EpisodeExamples:
    """Control steps of episodes, asked as the robot asks and answered as was recorded."""

    def __init__(self, dataset: EpisodeDataset, processor: SpatialBotProcessor) -> None:
        self._dataset = dataset
        self._processor = processor

    def __len__(self) -> int:
        return len(self._dataset)

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Step `index` of the dataset; nothing of it is random."""
        sample = self._dataset[index]
        images, conversation = sample_prompt(sample, self._processor, self._processor.frame_roles)
        return Example(images, conversation, sample.robot)


class ConversationData:
    """Examples as padded rows; implements `training.contracts.TrainingData`.

    Args:
        examples: the conversations.
        processor: of the model.
    """

    def __init__(self, examples: Examples, processor: SpatialBotProcessor) -> None:
        self._examples = examples
        self._processor = processor

    def __len__(self) -> int:
        return len(self._examples)

    def weights(self) -> NDArray[np.float64]:
        """(n,) ones."""
        return unit_weights(len(self))

    def batch(self, indices: Sequence[int], seed: int) -> Batch:
        """B conversations, padded on the right.

        Returns:
            input_ids, attention_mask, targets (B, T) int64; with images pixel_values
            (N, 3, S, S) float32, image_roles (N,), image_ages (N,) int64, all images row by
            row; robot_state (B, 21) float32, NaN where it is unknown.

        Raises:
            ConfigurationError, ContextLengthError, DepthCodecError: an example that the model
                cannot be shown; see the processor.
        """
        rows: list[Any] = []
        states = np.full((len(indices), ROBOT_STATE_WIDTH), np.nan, np.float32)
        for row, index in enumerate(indices):
            example = self._examples.example(index, np.random.default_rng([seed, row]))
            rows.append(self._processor(example.images, example.conversation, for_generation=False))
            if example.robot is not None:
                states[row] = example.robot.vector()
        batch = {
            name: pad_rows([row[name][0] for row in rows], fill)
            for name, fill in padding(self._processor).items()
        }
        for name in ("pixel_values", "image_roles", "image_ages"):
            parts = [row[name] for row in rows if name in row]
            if parts:
                batch[name] = torch.cat(parts)
        batch["robot_state"] = torch.from_numpy(states)
        return batch


def pad_rows(rows: Sequence[Tensor], fill: int) -> Tensor:
    """(T_i,) rows as (B, max T), filled up on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=fill)


def padding(processor: SpatialBotProcessor) -> dict[str, int]:
    """What rows of each tensor with a token axis are filled up with."""
    return {
        "input_ids": processor.layout.end,
        "attention_mask": 0,
        "targets": IGNORE_INDEX,
    }
