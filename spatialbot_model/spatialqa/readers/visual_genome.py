"""Visual Genome's objects or attributes as scenes: many names, never all instances."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.spatialqa.readers.boxes import (
    BoxAnnotation,
    BoxSource,
    PictureAnnotations,
    read_json,
)


@dataclass(frozen=True, slots=True)
class VisualGenomeRecipe:
    """Pictures of one ``objects.json`` or ``attributes.json``; may be pickled.

    Attributes:
        images: folder of ``<image_id>.jpg``.
        annotations: the JSON.
        depth: folder of depth files named as the pictures.
        limit: at most so many pictures; 0 = all.
    """

    images: Path
    annotations: Path
    depth: Path | None = None
    limit: int = 0

    def open(self) -> BoxSource:
        """Read the annotations.

        Raises:
            ConfigurationError: no such file, or not of Visual Genome's layout.
        """
        data = read_json(self.annotations)
        try:
            entries = sorted(data, key=lambda entry: int(entry["image_id"]))
            pictures = [_picture(entry) for entry in entries[: self.limit or None]]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ConfigurationError(
                f"{self.annotations} is not as Visual Genome's objects are ({error!r}); expected a"
                " list of image_id with objects (or attributes), each with names, x, y, w, h"
            ) from error
        return BoxSource(pictures, self.images, self.depth)

    def describe(self) -> dict[str, object]:
        """What decides about the scenes."""
        return {
            "name": "vg",
            "annotations": self.annotations.name,
            "depth": "" if self.depth is None else self.depth.name,
            "limit": self.limit,
        }


def _picture(entry: Any) -> PictureAnnotations:
    image_id = int(entry["image_id"])
    things = entry["objects"] if "objects" in entry else entry["attributes"]
    return PictureAnnotations(
        f"vg_{image_id:07d}", f"{image_id}.jpg", None, [_annotation(thing) for thing in things]
    )


def _annotation(thing: Any) -> BoxAnnotation:
    category = str(thing["names"][0]).strip().lower()
    attributes = [str(word).strip().lower() for word in thing.get("attributes") or []]
    name = f"{attributes[0]} {category}" if attributes else category
    box = tuple(float(thing[key]) for key in ("x", "y", "w", "h"))
    return BoxAnnotation(name, category, (box[0], box[1], box[2], box[3]))
