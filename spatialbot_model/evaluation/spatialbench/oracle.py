"""Answers SpatialBench-Sim from what is known about its pictures: annotations and depth images.

It reads a question's words, looks things up in `annotations.json`, and asks the depth tool about
the depth images for every question of depth, as a model would. It never sees the expected answer.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.depth_tool import answer_depth_calls, format_call
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answers_folder import read_json
from spatialbot_model.evaluation.questions import Question
from spatialbot_model.processing.image_files import read_depth_mm

ANNOTATIONS_NAME = "annotations.json"

_NUMBER_ENDINGS = ("ies", "es", "s", "")


class Oracle:
    """What is known about the pictures of one folder. Made by `open`."""

    def __init__(self, folder: Path, pictures: dict[str, Any]) -> None:
        self._folder, self._pictures = folder, pictures

    @classmethod
    def open(cls, folder: Path) -> "Oracle":
        """Read the annotations.

        Raises:
            ConfigurationError: there are none.
        """
        path = folder / ANNOTATIONS_NAME
        if not path.is_file():
            raise ConfigurationError(
                f"{folder} has no {ANNOTATIONS_NAME}; the oracle answers SpatialBench-Sim and what"
                " `spatialbot qa make-benchmark` makes"
            )
        pictures = read_json(path)
        if not isinstance(pictures, dict):
            raise ConfigurationError(f"{path} is no mapping of pictures")
        return cls(folder, pictures)

    def answer(self, question: Question) -> str:
        """The answer to a question.

        Raises:
            ConfigurationError: it speaks of something that is not known, or in other words.
        """
        path = question.images[0].path
        picture = None if path is None else self._pictures.get(path.stem)
        if path is None or picture is None:
            raise ConfigurationError(f"{question.key}: nothing is known about its picture")
        for pattern, find in _FORMS:
            match = re.match(pattern, question.text)
            if match:
                return find(_View(self._folder, path.stem, picture), *match.groups())
        raise ConfigurationError(f"{question.key}: cannot read the question {question.text!r}")


class _View:
    """One picture."""

    def __init__(self, folder: Path, name: str, picture: dict[str, Any]) -> None:
        self._depth_path = folder / "scenes_d" / f"{name}.png"
        self.name, self.picture = name, picture

    def index(self, name: str) -> int:
        """Number of the only object of this name."""
        found = [k for k, thing in enumerate(self.picture["objects"]) if thing["name"] == name]
        if len(found) != 1:
            raise ConfigurationError(f"{self.name} shows {len(found)} things called {name!r}")
        return found[0]

    def thing(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.picture["objects"][self.index(name)]
        return found

    def depth_mm(self, x: float, y: float) -> int:
        """What the depth tool answers for a point."""
        _, answers = answer_depth_calls(format_call(x, y), read_depth_mm(self._depth_path))
        depth_mm = answers[0].depth_mm
        if depth_mm is None:
            raise ConfigurationError(f"{self.name} has no depth at ({x}, {y})")
        return depth_mm

    def depth_of(self, name: str) -> int:
        return self.depth_mm(*self.thing(name)["point"])

    def categories(self) -> list[str]:
        return [thing["category"] for thing in self.picture["objects"]]


def _side(view: _View, a: str, b: str) -> str:
    boxes = [view.thing(name)["box_px"] for name in (a, b)]
    return "left" if boxes[0][0] + boxes[0][2] < boxes[1][0] + boxes[1][2] else "right"


def _front(view: _View, a: str, b: str) -> str:
    return "in front" if view.depth_of(a) < view.depth_of(b) else "behind"


def _closer(view: _View, a: str, b: str) -> str:
    return min((a, b), key=view.depth_of)


def _exists(view: _View, category: str) -> str:
    return _yes(category in view.categories())


def _count(view: _View, categories: str) -> str:
    singular = [categories.removesuffix(e) for e in _NUMBER_ENDINGS if categories.endswith(e)]
    known = [name for name in view.categories() if name in singular]
    return str(len(known))


def _touching(view: _View, a: str, b: str) -> str:
    return _yes(sorted((view.index(a), view.index(b))) in view.picture["contacts"])


def _larger(view: _View, a: str, word: str, b: str) -> str:
    axis = {"wider": 0, "taller": 1}[word]
    first, second = (view.thing(name)["size_mm"][axis] for name in (a, b))
    return _yes(first > second)


def _point_depth(view: _View, x: str, y: str) -> str:
    return str(view.depth_mm(float(x), float(y)))


def _object_depth(view: _View, name: str) -> str:
    return str(view.depth_of(name))


def _yes(true: bool) -> str:
    return "Yes" if true else "No"


_FORMS: tuple[tuple[str, Callable[..., str]], ...] = (
    (r"Is the (.+) to the left or to the right of the (.+)\? ", _side),
    (r"Seen from the camera, is the (.+) in front of the (.+) or behind it\? ", _front),
    (r"Which is closer to the camera, the (.+) or the (.+)\? ", _closer),
    (r"Is there an? (.+) in the picture\? ", _exists),
    (r"How many (.+) are in the picture\? ", _count),
    (r"Is the (.+) touching the (.+)\? ", _touching),
    (r"Is the (.+) (taller|wider) than the (.+)\? ", _larger),
    (r"What is the depth of the point <([\d.]+),([\d.]+)>\? ", _point_depth),
    (r"What is the depth of the (.+)\? ", _object_depth),
)
