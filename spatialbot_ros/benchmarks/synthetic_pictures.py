"""Annotated pictures drawn as they are asked for: as many as a benchmark needs, no files."""

from dataclasses import dataclass

import cv2
import numpy as np

from spatialbot_model.contracts.annotated_scene import (
    AnnotatedScene,
    SceneObject,
    mask_box_px,
)

_CATEGORIES = ("cup", "box", "ball", "bottle", "can")
_COLORS = {
    "red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 70, 200), "white": (240, 240, 240),
}  # fmt: skip
_MOST_OBJECTS = 8
_LEAST_PX = 12


@dataclass(frozen=True, slots=True)
class SyntheticRecipe:
    """Pictures of a size, seed after seed; may be pickled."""

    num: int
    width_px: int = 640
    height_px: int = 480
    first_seed: int = 0

    def open(self) -> "SyntheticSource":
        """A source; nothing is held open."""
        return SyntheticSource(self)

    def describe(self) -> dict[str, object]:
        """What decides about the pictures."""
        return {"name": "synthetic", **{name: getattr(self, name) for name in self.__slots__}}


class SyntheticSource:
    """See `SyntheticRecipe`."""

    def __init__(self, recipe: SyntheticRecipe) -> None:
        self._recipe = recipe

    def __len__(self) -> int:
        return self._recipe.num

    def load(self, index: int) -> AnnotatedScene:
        """Ellipses that stand on a slanted table, with noise and holes in their depth."""
        seed = self._recipe.first_seed + index
        rng = np.random.default_rng(seed)
        size_px = (self._recipe.width_px, self._recipe.height_px)
        depth = np.linspace(1600, 700, size_px[1], dtype=np.float32)[:, None]
        depth = np.repeat(depth, size_px[0], axis=1)
        rgb = np.full((size_px[1], size_px[0], 3), 170, np.uint8)
        # so that no two pictures are the same
        rgb[:4, :4] = np.frombuffer(seed.to_bytes(48, "little"), np.uint8).reshape(4, 4, 3)
        owner = np.full(depth.shape, -1, np.int16)
        names = []
        for number in range(int(rng.integers(3, _MOST_OBJECTS + 1))):
            center = [int(rng.integers(0.1 * size, 0.9 * size)) for size in size_px]
            axes = [int(rng.integers(0.03 * size_px[0], 0.12 * size_px[0])) for _ in range(2)]
            shape = np.zeros(depth.shape, np.uint8)
            cv2.ellipse(shape, center, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
            color = tuple(_COLORS)[int(rng.integers(len(_COLORS)))]
            names.append((color, _CATEGORIES[int(rng.integers(len(_CATEGORIES) - 1))]))
            owner[shape > 0] = number
            rgb[shape > 0] = _COLORS[color]
            depth[shape > 0] = depth[min(center[1], size_px[1] - 1), 0] - rng.uniform(20, 200)
        depth += rng.normal(0, 2, depth.shape).astype(np.float32)
        holes = rng.random(depth.shape, np.float32) < 0.05
        depth_mm = np.where(holes, 0, np.round(depth)).astype(np.uint16)
        objects = []
        for number, (color, category) in enumerate(names):
            mask = owner == number
            if np.count_nonzero(mask) >= _LEAST_PX:
                size_m, position_m = rng.uniform(0.02, 0.2, 2), rng.uniform(0.1, 1.0, 3)
                objects.append(
                    SceneObject(
                        f"{color} {category}", category, mask_box_px(mask), mask, position_m, size_m
                    )
                )
        present = frozenset(thing.category for thing in objects)
        return AnnotatedScene(
            id=f"synthetic_{seed:07d}",
            rgb=rgb,
            depth_mm=depth_mm,
            objects=tuple(objects),
            counted=present,
            absent=frozenset(_CATEGORIES) - present,
            contacts=frozenset((k, k + 1) for k in range(0, len(objects) - 1, 3)),
        )

    def close(self) -> None:
        """Nothing is open."""
