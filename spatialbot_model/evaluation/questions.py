"""Questions of benchmarks: text, images by reference, and how they are loaded when asked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import ImageRole, PromptImage
from spatialbot_model.processing.image_files import read_depth_mm, read_rgb


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image that is read when it is needed.

    Attributes:
        role: rgb, or depth (16-bit PNG in millimetres).
        path: of its file; None for an image that a question file holds itself.
        data: that image as JPEG or PNG, colour only.
    """

    role: ImageRole
    path: Path | None = None
    data: bytes = field(default=b"", repr=False)

    def load(self) -> PromptImage:
        """Read it.

        Raises:
            ConfigurationError: it is missing, no image, or depth that is not 16-bit.
        """
        if self.path is not None:
            read = read_rgb if self.role == "rgb" else read_depth_mm
            return PromptImage(self.role, read(self.path))
        encoded = np.frombuffer(self.data, np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
        if image is None:
            raise ConfigurationError("a question file holds an image that is neither JPEG nor PNG")
        return PromptImage("rgb", np.ascontiguousarray(image[..., ::-1], dtype=np.uint8))


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked.

    Attributes:
        key: unique within its benchmark; answers are kept under it.
        text: without image placeholders.
        images: in the order of the prompt.
        expected: what the scoring needs; None where the answer is not public.
        tags: further figures of the record, such as its category.
    """

    key: str
    text: str
    images: tuple[ImageSource, ...]
    expected: Any = None
    tags: dict[str, Any] = field(default_factory=dict)


def depth_beside(path: Path) -> Path:
    """Where the release looks for the depth of a colour image: ``<folder>_d/<stem>.png``."""
    return path.parent.with_name(f"{path.parent.name}_d") / f"{path.name.split('.')[0]}.png"


def images_of(path: Path, with_depth: bool) -> tuple[ImageSource, ...]:
    """A colour image, and its depth image where there is one and it is wanted.

    Raises:
        ConfigurationError: the colour image is missing.
    """
    if not path.is_file():
        raise ConfigurationError(f"the image {path} is missing; give the folder that holds it")
    images: tuple[ImageSource, ...] = (ImageSource("rgb", path),)
    depth = depth_beside(path)
    if with_depth and depth.is_file():
        images += (ImageSource("depth", depth),)
    return images


def check_keys(questions: list[Question], source: object) -> list[Question]:
    """The questions, after it is certain that there are some and no key occurs twice.

    Raises:
        ConfigurationError: none, or a key that occurs twice.
    """
    if not questions:
        raise ConfigurationError(f"{source} holds no question")
    seen: set[str] = set()
    for question in questions:
        if question.key in seen:
            raise ConfigurationError(f"{source} holds the question {question.key} twice")
        seen.add(question.key)
    return questions
