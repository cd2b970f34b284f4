"""Reads SpatialBench as it is released.

A folder with ``<category>.json``, each a list of ``{image, question, answer, id}``; ``image`` is
a path, or several, below the folder, and the depth of ``size/x.jpg`` is ``size_d/x.png``
(16-bit, millimetres). ``depth.json`` has the same form with depths in millimetres as answers; the
release has no such file. ``grounding.json`` has no scoring in the release and is not read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.path_names import path_below
from spatialbot_model.contracts.prompt_templates import MAX_IMAGES
from spatialbot_model.evaluation.answers_folder import read_json
from spatialbot_model.evaluation.questions import ImageSource, Question, check_keys

Category = Literal["depth", "positional", "existence", "counting", "reach", "size"]
Inputs = Literal["rgb", "rgbd"]

CATEGORIES: tuple[Category, ...] = (
    "depth",
    "positional",
    "existence",
    "counting",
    "reach",
    "size",
)
"""In the order of the paper's Table I."""

PAIRED: tuple[Category, ...] = ("existence", "reach", "size")
"""Questions come in pairs of a positive and a negative one."""


def read_spatialbench(folder: Path, inputs: Inputs) -> dict[Category, list[Question]]:
    """All questions of a folder, by category, in the order of their files.

    Colour images come first and depth images after them, as the release shows them.

    Args:
        inputs: whether depth images are shown.

    Raises:
        ConfigurationError: no category is there, a record is not as described, or an image is
            missing.
    """
    found: dict[Category, list[Question]] = {}
    for category in CATEGORIES:
        path = folder / f"{category}.json"
        if path.is_file():
            records = read_json(path)
            if not isinstance(records, list):
                raise ConfigurationError(f"{path} is no list of records")
            questions = [
                _question(folder, category, index, record, inputs)
                for index, record in enumerate(records)
            ]
            found[category] = check_keys(questions, path)
    if not found:
        raise ConfigurationError(
            f"{folder} holds none of {', '.join(f'{name}.json' for name in CATEGORIES)}; give the"
            " folder of SpatialBench"
        )
    return found


def all_questions(categories: dict[Category, list[Question]]) -> list[Question]:
    """The questions of all categories."""
    return [question for questions in categories.values() for question in questions]


def _question(
    folder: Path, category: Category, index: int, record: Any, inputs: Inputs
) -> Question:
    name = f"{category}.json, record {index}"
    if not isinstance(record, dict) or not {"image", "question", "answer"} <= set(record):
        raise ConfigurationError(f"{name}: expected an object with image, question and answer")
    paths = record["image"] if isinstance(record["image"], list) else [record["image"]]
    if category in PAIRED or category == "positional":
        expected: Any = record["answer"]
        if not isinstance(expected, str):
            raise ConfigurationError(f"{name}: the answer is {expected!r}, expected a text")
    else:
        try:
            expected = int(record["answer"])
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{name}: the answer is {record['answer']!r}, expected a whole number"
            ) from error
        if category == "depth" and expected <= 0:
            raise ConfigurationError(f"{name}: the depth is {expected} mm, expected more than 0")
    return Question(
        key=f"{category}/{index:04d}",
        text=str(record["question"]),
        images=_images(folder, [str(path) for path in paths], inputs, name),
        expected=expected,
        tags={"id": str(record.get("id", index)), "category": category},
    )


def _images(
    folder: Path, paths: Sequence[str], inputs: Inputs, name: str
) -> tuple[ImageSource, ...]:
    images = [ImageSource("rgb", path_below(folder, path, f"an image of {name}")) for path in paths]
    if inputs == "rgbd":
        # by the first part of the path and the name up to its first dot, as the release does
        images += [
            ImageSource(
                "depth",
                folder / f"{path.split('/')[0]}_d" / f"{path.split('/')[-1].split('.')[0]}.png",
            )
            for path in paths
        ]
    for image in images:
        if image.path is None or not image.path.is_file():
            raise ConfigurationError(f"{name}: the {image.role} image {image.path} is missing")
    if len(images) > MAX_IMAGES:
        raise ConfigurationError(f"{name} has {len(images)} images, expected {MAX_IMAGES} or fewer")
    return tuple(images)
