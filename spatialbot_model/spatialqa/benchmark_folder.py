"""Makes a benchmark in the layout of SpatialBench from annotated pictures.

Written are ``<category>.json``, pictures in ``scenes/`` and ``scenes_d/``, `annotations.json` (what
is known about each picture, from which every answer can be derived again), `unbalanced.json` (some
of all questions that could have been asked, from which a guesser learns what words give away) and
`made.json`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene, SourceRecipe
from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.spatialqa.benchmark_candidates import (
    BenchCategory,
    Candidate,
    candidates_of,
)
from spatialbot_model.spatialqa.benchmark_choice import choose
from spatialbot_model.spatialqa.geometry import depths_of_named
from spatialbot_model.spatialqa.small_picture import shrink

FORMAT = 1
ANNOTATIONS_NAME, MADE_NAME = "annotations.json", "made.json"
UNBALANCED_NAME = "unbalanced.json"
PICTURES = "scenes"
PAIRED: tuple[BenchCategory, ...] = ("existence", "reach", "size")

# reaching first: it says which pictures the others may take
_ORDER: tuple[BenchCategory, ...] = (
    "reach", "depth", "positional", "existence", "counting", "size",
)  # fmt: skip
_JPEG_QUALITY = 92
_UNBALANCED = 300


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """What a benchmark holds.

    Attributes:
        questions: of each category; pairs count as two.
        real_depth: of the depth questions, how many are about the real picture.
        shrink: pictures of sources are reduced by this factor, the real one is not.

    Raises:
        ConfigurationError: a number below 2.
    """

    questions: int = 60
    real_depth: int = 24
    seed: int = 0
    shrink: int = 2

    def __post_init__(self) -> None:
        if self.questions < 2 or self.real_depth < 0 or self.shrink < 1:
            raise ConfigurationError(
                f"{self.questions} questions a category, {self.real_depth} of a real picture,"
                f" reduced by {self.shrink}; expected at least 2, 0 and 1"
            )


def make_benchmark(
    source: SourceRecipe,
    reaching: SourceRecipe | None,
    real: AnnotatedScene | None,
    folder: Path,
    options: BenchmarkOptions,
    on_scene: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Make a benchmark; the same sources, options and software give the same files.

    Args:
        reaching: more pictures for questions about what touches; the other categories take those
            of them that are part of the benchmark then.
        real: a picture for depth questions; None leaves them to the sources.
        folder: empty, or not there yet.
        on_scene: called with the number of pictures looked at and of all.

    Returns:
        Number of questions by category.

    Raises:
        ConfigurationError: the folder holds something, or the sources do not give a question.
        RecordingError: the disk does not take it.
        SpatialBotError: of a source.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; choose another folder")
    rng = np.random.default_rng(options.seed)
    found: list[Candidate] = []
    sources = [source] if reaching is None else [source, reaching]
    pictures, num_first = _pictures(sources, options.shrink, on_scene)
    for scene in pictures.values():
        found += candidates_of(scene, rng)
    allowed = set(pictures)
    chosen: dict[BenchCategory, list[Candidate]] = {}
    for category in _ORDER:
        matching = [c for c in found if c.category == category and c.picture in allowed]
        num = options.questions // 2 if category in PAIRED else options.questions
        of_real: list[Candidate] = []
        if category == "depth" and real is not None:
            pictures[real.id] = real
            of_real = [
                candidate
                for _ in range(options.real_depth)
                for candidate in candidates_of(real, rng)
            ]
            of_real = choose(of_real, options.real_depth, rng)
        chosen[category] = choose(matching, num - len(of_real), rng) + of_real
        if not chosen[category]:
            raise ConfigurationError(f"the pictures do not answer any question of {category}")
        if category == "reach":
            allowed = {*list(pictures)[:num_first], *(c.picture for c in chosen[category])}
    made = {
        "format": FORMAT,
        "sources": [one.describe() for one in sources],
        "real": None if real is None else real.id,
        "options": {name: getattr(options, name) for name in options.__slots__},
    }
    counts = _write(folder, chosen, pictures, made)
    _write_json(folder / UNBALANCED_NAME, _unbalanced(found, rng))
    return counts


def _pictures(
    sources: Sequence[SourceRecipe], factor: int, on_scene: Callable[[int, int], None] | None
) -> tuple[dict[str, AnnotatedScene], int]:
    """All pictures by id, and how many of them are of the first source."""
    opened = [recipe.open() for recipe in sources]
    total = sum(len(source) for source in opened)
    pictures: dict[str, AnnotatedScene] = {}
    try:
        for source in opened:
            for index in range(len(source)):
                scene = shrink(source.load(index), factor)
                if scene.id in pictures:
                    raise ConfigurationError(f"two pictures have the id {scene.id}")
                pictures[scene.id] = scene
                if on_scene is not None:
                    on_scene(len(pictures), total)
            source.close()
    finally:
        for source in opened:
            source.close()
    return pictures, len(opened[0])


def _write(
    folder: Path,
    chosen: dict[BenchCategory, list[Candidate]],
    pictures: dict[str, AnnotatedScene],
    made: dict[str, Any],
) -> dict[str, int]:
    used = sorted({candidate.picture for found in chosen.values() for candidate in found})
    counts: dict[str, int] = {}
    try:
        for name in used:
            _write_picture(folder, pictures[name])
        for category, found in chosen.items():
            records = _records(category, found)
            counts[category] = len(records)
            _write_json(folder / f"{category}.json", records)
        _write_json(folder / ANNOTATIONS_NAME, {name: _annotation(pictures[name]) for name in used})
        _write_json(folder / MADE_NAME, {**made, "questions": counts, "pictures": len(used)})
    except OSError as error:
        raise RecordingError(f"cannot write {folder}: {error.strerror or error}") from error
    return counts


def _unbalanced(
    found: list[Candidate], rng: np.random.Generator
) -> dict[BenchCategory, list[list[str]]]:
    """Records [picture, question, answer] of each category as they come, chosen or not."""
    drawn: dict[BenchCategory, list[list[str]]] = {}
    for category in _ORDER:
        records = sorted(
            {
                (candidate.picture, *record)
                for candidate in found
                if candidate.category == category
                for record in candidate.records
            }
        )
        order = rng.permutation(len(records))[:_UNBALANCED]
        drawn[category] = [list(records[index]) for index in order]
    return drawn


def _records(category: BenchCategory, found: list[Candidate]) -> list[dict[str, Any]]:
    records = []
    for number, candidate in enumerate(found):
        endings = ("_pos", "_neg") if len(candidate.records) == 2 else ("",)
        for (question, answer), ending in zip(candidate.records, endings, strict=True):
            records.append(
                {
                    "image": f"{PICTURES}/{candidate.picture}.jpg",
                    "question": question,
                    "answer": int(answer) if answer.isdigit() else answer,
                    "id": f"{category}_sim_{number:03d}{ending}",
                }
            )
    return records


def _write_picture(folder: Path, scene: AnnotatedScene) -> None:
    assert scene.depth_mm is not None
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    # filters of this level take a third off depth with noise
    effort = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    for name, pixels, flags in (
        (f"{PICTURES}/{scene.id}.jpg", scene.rgb[..., ::-1], quality),
        (f"{PICTURES}_d/{scene.id}.png", scene.depth_mm, effort),
    ):
        done, data = cv2.imencode(Path(name).suffix, np.ascontiguousarray(pixels), flags)
        if not done:
            raise RecordingError(f"{name} cannot be encoded")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())


def _annotation(scene: AnnotatedScene) -> dict[str, Any]:
    points = {item.index: item.point for item in depths_of_named(scene)}
    objects = []
    for index, thing in enumerate(scene.objects):
        size_m = thing.size_m
        objects.append(
            {
                "name": thing.name,
                "category": thing.category,
                "box_px": list(thing.box_px),
                "point": points.get(index),
                "size_mm": None if size_m is None else [round(1000 * float(v), 1) for v in size_m],
            }
        )
    return {
        "size_px": list(scene.size_px),
        "objects": objects,
        "counted": sorted(scene.counted),
        "absent": sorted(scene.absent),
        "contacts": None if scene.contacts is None else sorted(map(list, scene.contacts)),
        "hand": scene.hand,
    }


def _write_json(path: Path, data: Any) -> None:
    """One entry a line, so that changes can be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, dict):
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in data.items()]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
    else:
        text = "[\n" + ",\n".join(json.dumps(entry) for entry in data) + "\n]\n"
    path.write_text(text, encoding="utf-8")
