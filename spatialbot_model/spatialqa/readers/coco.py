"""COCO's instances as scenes: 80 categories, every instance of which is annotated."""

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
class CocoRecipe:
    """Pictures of one ``instances_*.json``; may be pickled.

    Attributes:
        images: folder of the pictures.
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
            ConfigurationError: no such file, or not of COCO's layout.
        """
        data = read_json(self.annotations)
        try:
            pictures = _pictures(data, self.limit)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{self.annotations} is not as COCO's instances are ({error!r}); expected images,"
                " annotations and categories"
            ) from error
        return BoxSource(pictures, self.images, self.depth)

    def describe(self) -> dict[str, object]:
        """What decides about the scenes."""
        return {
            "name": "coco",
            "annotations": self.annotations.name,
            "depth": "" if self.depth is None else self.depth.name,
            "limit": self.limit,
        }


def _pictures(data: Any, limit: int) -> list[PictureAnnotations]:
    categories = {entry["id"]: str(entry["name"]) for entry in data["categories"]}
    images = sorted(data["images"], key=lambda image: int(image["id"]))
    by_id = {
        image["id"]: PictureAnnotations(
            id=f"coco_{int(image['id']):012d}",
            file=str(image["file_name"]),
            size_px=(int(image["width"]), int(image["height"])),
            complete=frozenset(categories.values()),
        )
        for image in (images[:limit] if limit else images)
    }
    for entry in data["annotations"]:
        if entry["image_id"] not in by_id:
            continue
        name = categories[entry["category_id"]]
        x, y, width, height = (float(value) for value in entry["bbox"])
        by_id[entry["image_id"]].objects.append(
            BoxAnnotation(
                name,
                name,
                (x, y, width, height),
                entry.get("segmentation"),
                bool(entry.get("iscrowd", 0)),
            )
        )
    return list(by_id.values())
