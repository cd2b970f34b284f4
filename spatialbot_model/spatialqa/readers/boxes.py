"""Annotated pictures with boxes: what COCO and Visual Genome readers share."""

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.annotated_scene import (
    AnnotatedScene,
    SceneObject,
    mask_box_px,
)
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.path_names import path_below
from spatialbot_model.spatialqa.depth_sources import depth_files, read_depth
from spatialbot_model.spatialqa.masks import mask_from_coco
from spatialbot_model.spatialqa.readers.pictures import read_picture

_LEAST_SIDE_PX = 6
_MOST_COUNTED = 12
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class BoxAnnotation:
    """One annotated object, unchecked.

    Attributes:
        box: x, y, width, height in pixels.
        segmentation: as COCO has it; None = the box only.
        crowd: a group, whose members are not told apart.
    """

    name: str
    category: str
    box: tuple[float, float, float, float]
    segmentation: Any = None
    crowd: bool = False


@dataclass(frozen=True, slots=True)
class PictureAnnotations:
    """One picture and its annotations.

    Attributes:
        size_px: width and height that the annotations are meant for; None = not told.
        complete: categories of which every instance is annotated.
    """

    id: str
    file: str
    size_px: tuple[int, int] | None
    objects: list[BoxAnnotation] = field(default_factory=list)
    complete: frozenset[str] = frozenset()


class BoxSource:
    """Scenes of pictures with boxes.

    Args:
        pictures: in order.
        images: folder of the picture files.
        depth: folder of depth files named as the pictures; None = no depth.

    Raises:
        ConfigurationError: a folder of depth without depth.
    """

    def __init__(
        self, pictures: list[PictureAnnotations], images: Path, depth: Path | None
    ) -> None:
        self._pictures, self._images = pictures, images
        self._depths = None if depth is None else depth_files(depth)

    def __len__(self) -> int:
        return len(self._pictures)

    def load(self, index: int) -> AnnotatedScene:
        """One scene.

        Raises:
            ConfigurationError: picture or depth is missing, damaged or of another size.
        """
        picture = self._pictures[index]
        path = path_below(self._images, picture.file, "a picture")
        rgb = read_picture(path)
        height_px, width_px = rgb.shape[:2]
        if picture.size_px is not None and picture.size_px != (width_px, height_px):
            raise ConfigurationError(
                f"{path} has {width_px}x{height_px} pixels, its annotations are for"
                f" {picture.size_px[0]}x{picture.size_px[1]}"
            )
        depth_mm = None
        if self._depths is not None:
            stem = Path(picture.file).stem
            if stem not in self._depths:
                raise ConfigurationError(f"there is no depth for {picture.file}")
            depth_mm = read_depth(self._depths[stem])
        remarks: list[str] = []
        left_out: set[str] = set()
        objects = []
        for annotation in picture.objects:
            try:
                objects.append(_object(annotation, width_px, height_px))
            except ConfigurationError as error:
                remarks.append(str(error))
                left_out.add(annotation.category)
        present = {annotation.category for annotation in picture.objects}
        numbers = {name: sum(thing.category == name for thing in objects) for name in present}
        few = {name for name, number in numbers.items() if 0 < number <= _MOST_COUNTED}
        return AnnotatedScene(
            id=_UNSAFE.sub("-", picture.id),
            rgb=rgb,
            depth_mm=depth_mm,
            objects=tuple(objects),
            counted=frozenset(few - left_out) & picture.complete,
            absent=picture.complete - present,
            rgb_file=path,
            remarks=tuple(remarks),
        )

    def close(self) -> None:
        """Nothing is held open."""


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        ConfigurationError: no such file, or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read the annotations in {path}: {error}") from error


def _object(annotation: BoxAnnotation, width_px: int, height_px: int) -> SceneObject:
    x, y, width, height = annotation.box
    if annotation.crowd:
        raise ConfigurationError("a group of things that are not told apart")
    numbers_ok = all(math.isfinite(value) for value in annotation.box)
    # a rounding error of a pixel at the border is no mistake
    if not (
        numbers_ok
        and x >= -1
        and y >= -1
        and x + width <= width_px + 1
        and y + height <= height_px + 1
    ):
        raise ConfigurationError("a box that reaches beyond the picture")
    if width < _LEAST_SIDE_PX or height < _LEAST_SIDE_PX:
        raise ConfigurationError(f"a box narrower than {_LEAST_SIDE_PX} pixels")
    if not annotation.segmentation:
        box_px = (
            max(math.floor(x), 0),
            max(math.floor(y), 0),
            min(math.ceil(x + width), width_px) - 1,
            min(math.ceil(y + height), height_px) - 1,
        )
        return SceneObject(annotation.name, annotation.category, box_px)
    mask = mask_from_coco(annotation.segmentation, width_px, height_px)
    if not mask.any():
        raise ConfigurationError("a mask without a pixel")
    return SceneObject(annotation.name, annotation.category, mask_box_px(mask), mask)
