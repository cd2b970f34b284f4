"""Question-answer files of the release as examples: `{id, image, conversations}` records."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.contracts.path_names import path_below
from spatialbot_model.contracts.types import IMAGE_ROLES, PromptImage
from spatialbot_model.processing.image_files import read_depth_mm, read_rgb
from spatialbot_model.training.conversation_data import Example

IMAGES_NAME = "images"

_SPEAKERS = {"human": "user", "gpt": "assistant", "tool": "tool"}


class QuestionFile:
    """Records of one JSON file; images lie in the folder `images` beside it.

    A record with one image shows colour. With several, they are colour and depth (16-bit
    millimetres) by turns, the newest frame first.

    Args:
        path: of the JSON file.

    Raises:
        RecordingError: not such a file; the first record that is wrong is named.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.parent / IMAGES_NAME
        try:
            data = path.read_bytes()
            records: Any = json.loads(data)
        except (OSError, ValueError) as error:
            raise RecordingError(f"cannot read the questions in {path}: {error}") from error
        if not isinstance(records, list) or not records:
            raise RecordingError(f"{path} holds no list of records")
        self.digest = hashlib.sha256(data).hexdigest()
        self._records = records
        for number, record in enumerate(records):
            try:
                self._conversation(record)
            except (KeyError, TypeError, ConfigurationError) as error:
                raise RecordingError(
                    f"record {number} of {path} is not as expected ({error!r}); each has image and"
                    " conversations, a list of {from: human | gpt, value}"
                ) from error

    def __len__(self) -> int:
        return len(self._records)

    def scene(self, index: int) -> str:
        """What the record is about: its first image, or its number where it has none."""
        names = _image_names(self._records[index])
        return names[0] if names else str(index)

    def subset(self, indices: list[int]) -> "QuestionFile":
        """Some of the records, as a file of its own."""
        part = object.__new__(QuestionFile)
        part._folder, part.digest = self._folder, self.digest
        part._records = [self._records[index] for index in indices]
        return part

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """One record with its images.

        Raises:
            ConfigurationError: an image cannot be read.
        """
        record = self._records[index]
        conversation = self._conversation(record)
        images = tuple(
            PromptImage(
                role,
                (read_rgb if role == "rgb" else read_depth_mm)(
                    path_below(self._folder, name, "an image")
                ),
                number // len(IMAGE_ROLES),
            )
            for number, (name, role) in enumerate(
                zip(_image_names(record), conversation.image_roles, strict=True)
            )
        )
        return Example(images, conversation)

    def _conversation(self, record: Any) -> Conversation:
        turns = record["conversations"]
        messages: list[Message] = []
        for turn in turns:
            role, text = _SPEAKERS[turn["from"]], str(turn["value"])
            if role == "user" and messages and text.lstrip().startswith("API:"):
                role = "tool"
            messages.append(Message(role, text))  # type: ignore[arg-type]  # of the three
        count = len(_image_names(record))
        roles = ("rgb",) if count == 1 else (IMAGE_ROLES * count)[:count]
        return Conversation(tuple(messages), roles)


def _image_names(record: Any) -> list[str]:
    images = record.get("image", [])
    return [images] if isinstance(images, str) else [str(name) for name in images]
