"""The named prompt layouts: what stands around a user's message and around the images.

The released code asks the model in five ways that disagree on the system sentence, on the
blanks round ``USER:``, on the newline after an image and on how an image becomes square
(`release-*`). Weights answer best in the way they were trained with; `compact` is our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError

Geometry = Literal["pad", "squash"]
"""How an image becomes square: by borders, or by stretching the shorter side."""

GEOMETRIES: tuple[Geometry, ...] = ("pad", "squash")

MAX_IMAGES = 8
"""Images of one conversation; the release has placeholders for no more."""

DEPTH_DIRECT_SUFFIX = "Answer directly from depth map."
"""Closes a question that shall be answered without the depth tool."""

_RELEASE_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """One way to write a conversation down.

    A conversation reads ``system`` and then by turns ``user_prefix`` + message +
    ``user_suffix`` and ``assistant_prefix`` + blank + answer + end token; nothing stands
    between an end token and the next turn. Answers of tools are user turns.

    Attributes:
        name: key in `PROMPT_TEMPLATES`.
        system: text before the first turn, with what separates it.
        newline_after_image: whether the newline behind an image placeholder is kept.
        geometry: how images of this variant are made square.
    """

    name: str
    system: str
    user_prefix: str
    user_suffix: str = " "
    assistant_prefix: str = "ASSISTANT:"
    newline_after_image: bool = True
    geometry: Geometry = "pad"


PROMPT_TEMPLATES: Mapping[str, PromptTemplate] = MappingProxyType(
    {
        template.name: template
        for template in (
            PromptTemplate("release-training", _RELEASE_SYSTEM + " ", "USER: "),
            # the published example drops the newlines together with the placeholders
            PromptTemplate(
                "release-quickstart", _RELEASE_SYSTEM + " ", "USER: ", newline_after_image=False
            ),
            PromptTemplate("release-cli", _RELEASE_SYSTEM + " ", "USER: ", geometry="squash"),
            # no blank before or after "USER:"
            PromptTemplate("release-spatialbench", _RELEASE_SYSTEM, "USER:", geometry="squash"),
            # the robot scripts (rtx and calvin): no system sentence
            PromptTemplate("release-rtx", "", "USER:", geometry="squash"),
            # stretching wastes no image tokens on borders
            PromptTemplate("compact", "", "USER: ", newline_after_image=False, geometry="squash"),
        )
    }
)


def prompt_template(name: str) -> PromptTemplate:
    """The template of this name.

    Raises:
        UnknownNameError: there is none; lists those that are.
    """
    if name not in PROMPT_TEMPLATES:
        raise UnknownNameError("prompt template", name, PROMPT_TEMPLATES)
    return PROMPT_TEMPLATES[name]


def image_user_text(text: str, num_images: int) -> str:
    """A user's message about `num_images` images: the placeholders, each on a line, then `text`.

    Templates without newlines behind images drop them when the conversation is rendered.

    Raises:
        ConfigurationError: fewer than 0 or more than eight images.
    """
    if not 0 <= num_images <= MAX_IMAGES:
        raise ConfigurationError(f"a message of {num_images} images; expected 0..{MAX_IMAGES}")
    return "".join(f"<image {k}>\n" for k in range(1, num_images + 1)) + text


def action_user_text(instruction: str, num_images: int) -> str:
    """The user's message that asks for one control step, as the release asks (CALVIN).

    Raises:
        ConfigurationError: an empty instruction or a bad number of images.
    """
    if not instruction.strip():
        raise ConfigurationError("the instruction is empty; say what the robot should do")
    return image_user_text(
        f"Instruct the robot to {instruction}\nAnswer with robot parameters.", num_images
    )
