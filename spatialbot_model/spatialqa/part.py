"""A part of a run: some scenes worked on by one worker, stored as one file or not at all."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.annotated_scene import (
    AnnotatedScene,
    SceneSource,
    SourceRecipe,
)
from spatialbot_model.contracts.errors import ConfigurationError, RecordingError, SpatialBotError
from spatialbot_model.contracts.prompt_templates import image_user_text
from spatialbot_model.spatialqa.generate import KINDS, GenerateOptions, Item, generate_items
from spatialbot_model.spatialqa.rewriter import Rewriter, RewriterOptions
from spatialbot_model.spatialqa.templates import TemplateSet, load_templates

IMAGES_NAME = "images"
PARTS_NAME = "parts"
SCENES_PER_PART = 8

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_KEPT_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class WorkerRecipe:
    """Everything that a worker makes itself from; may be pickled.

    Attributes:
        folder: of the run.
        templates: folder of the words; None = the shipped ones.
        rewriter: None = high-level questions stay as the templates have them.
    """

    source: SourceRecipe
    options: GenerateOptions
    folder: Path
    templates: Path | None = None
    rewriter: RewriterOptions | None = None

    def make(self) -> "PartWorker":
        """A worker for the calling process.

        Raises:
            SpatialBotError: source or templates cannot be used.
        """
        kinds = [kind for kind in KINDS.values() if kind.level in self.options.levels]
        return PartWorker(self, self.source.open(), load_templates(kinds, self.templates))


class PartWorker:
    """Works on parts, one after the other."""

    def __init__(self, recipe: WorkerRecipe, source: SceneSource, templates: TemplateSet) -> None:
        self._options, self._folder = recipe.options, recipe.folder
        self._source, self._templates = source, templates
        self._rewriter = None if recipe.rewriter is None else Rewriter(recipe.rewriter)

    def run(self, part: int) -> int:
        """Make one part; its file appears when everything in it is there.

        Returns:
            The number of the part.

        Raises:
            RecordingError: the disk does not take it.
        """
        first = part * SCENES_PER_PART
        last = min(first + SCENES_PER_PART, len(self._source))
        lines = [json.dumps(self._scene(index), ensure_ascii=False) for index in range(first, last)]
        write_whole(self._folder, part_path(self._folder, part), "\n".join(lines).encode())
        return part

    def close(self) -> None:
        """Release the source."""
        self._source.close()

    def _scene(self, index: int) -> dict[str, Any]:
        """One scene as a line of the part's file."""
        try:
            scene = self._source.load(index)
            if not _SAFE_ID.fullmatch(scene.id):
                raise ConfigurationError(f"the id {scene.id!r} is no file name")
        except SpatialBotError as error:
            if isinstance(error, ImportError):
                raise
            return {"scene": str(index), "skipped": str(error)}
        items = generate_items(scene, self._templates, self._options)
        if self._rewriter is not None:
            items = [self._rewriter.rewrite(item) for item in items]
        images = self._write_images(scene) if items else []
        return {
            "scene": scene.id,
            "digest": _digest(scene),
            "image": images if len(images) != 1 else images[0],
            "objects": _objects(scene),
            "remarks": list(scene.remarks),
            "items": [_line(scene.id, number, item, images) for number, item in enumerate(items)],
        }

    def _write_images(self, scene: AnnotatedScene) -> list[str]:
        file = scene.rgb_file
        kept = file is not None and file.suffix.lower() in _KEPT_SUFFIXES
        suffix = file.suffix.lower() if kept and file is not None else ".png"
        names = [f"rgb/{scene.id}{suffix}"]
        data = file.read_bytes() if kept and file is not None else _png(scene.rgb[..., ::-1])
        write_whole(self._folder, self._folder / IMAGES_NAME / names[0], data)
        if scene.depth_mm is not None:
            names.append(f"depth/{scene.id}.png")
            write_whole(self._folder, self._folder / IMAGES_NAME / names[1], _png(scene.depth_mm))
        return names


def part_path(folder: Path, part: int) -> Path:
    """Where a part's file is."""
    return folder / PARTS_NAME / f"{part:07d}.jsonl"


def write_whole(folder: Path, path: Path, data: bytes) -> None:
    """Write a file that is either there as a whole or not at all.

    Raises:
        RecordingError: the disk does not take it.
    """
    temporary = folder / PARTS_NAME / f".{path.name}.tmp"
    try:
        for parent in (temporary.parent, path.parent):
            parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror or error}") from error


def _line(scene: str, number: int, item: Item, images: list[str]) -> dict[str, Any]:
    turns = [{"from": speaker, "value": text} for speaker, text in item.turns]
    turns[0]["value"] = image_user_text(turns[0]["value"], len(images))
    return {
        "id": f"{scene}_{number:03d}",
        "conversations": turns,
        "kind": item.kind,
        "level": item.level,
        "mode": item.mode,
        "facts": item.facts,
    }


def _objects(scene: AnnotatedScene) -> list[dict[str, Any]]:
    return [{"name": thing.name, "box_px": list(thing.box_px)} for thing in scene.objects]


def _digest(scene: AnnotatedScene) -> str:
    return hashlib.sha256(np.ascontiguousarray(scene.rgb).data).hexdigest()[:20]


def _png(pixels: NDArray[Any]) -> bytes:
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise RecordingError(f"an image of {pixels.dtype} {pixels.shape} is no PNG")
    return data.tobytes()
