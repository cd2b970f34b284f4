"""A test double of a source: random rectangles on a random depth map, with everything known."""

from dataclasses import dataclass

import numpy as np

from spatialbot_model.contracts.annotated_scene import (
    AnnotatedScene,
    SceneObject,
    mask_box_px,
)
from spatialbot_model.contracts.errors import ConfigurationError

SIZE_PX = (96, 72)
CATEGORIES = ("cup", "box", "ball", "knife")
COLORS = ("red", "green", "blue")


def draw_scene(seed: int, *, masks: bool = True) -> AnnotatedScene:
    """A scene of up to eight things; some names occur twice, some pixels have no return."""
    rng = np.random.default_rng(seed)
    width_px, height_px = SIZE_PX
    slope = np.linspace(500, 500 + rng.integers(0, 2500), height_px)[::-1, None]
    depth = np.broadcast_to(slope, (height_px, width_px)).copy()
    owner = np.full((height_px, width_px), -1)
    number = int(rng.integers(0, 9))
    for index in range(number):
        u, v = (int(rng.integers(0, size - 12)) for size in SIZE_PX)
        wide, high = (int(value) for value in rng.integers(6, 30, 2))
        owner[v : v + high, u : u + wide] = index
        depth[v : v + high, u : u + wide] -= rng.integers(0, 400)
    depth += rng.normal(0, 3, depth.shape)
    depth[rng.random(depth.shape) < 0.1] = 0
    hole = int(rng.integers(0, width_px - 12))
    depth[:14, hole : hole + 12] = 0
    objects = []
    for index in range(number):
        mask = owner == index
        if mask.sum() < 4:
            continue
        category = CATEGORIES[int(rng.integers(len(CATEGORIES) - 1))]
        name = f"{COLORS[int(rng.integers(len(COLORS)))]} {category}"
        position_m = rng.uniform(0.1, 1.0, 3) if rng.random() < 0.8 else None
        size_m = rng.uniform(0.02, 0.2, 2) if rng.random() < 0.8 else None
        bare = not masks or rng.random() < 0.2
        objects.append(
            SceneObject(
                name, category, mask_box_px(mask), None if bare else mask, position_m, size_m
            )
        )
    pairs = [(a, b) for a in range(len(objects)) for b in range(a + 1, len(objects))]
    present = {thing.category for thing in objects}
    return AnnotatedScene(
        id=f"drawn_{seed:06d}",
        rgb=rng.integers(0, 256, (height_px, width_px, 3), np.uint8),
        depth_mm=np.clip(np.round(depth), 0, 65535).astype(np.uint16),
        objects=tuple(objects),
        counted=frozenset(present),
        absent=frozenset(CATEGORIES) - present,
        contacts=frozenset(pair for pair in pairs if rng.random() < 0.3),
        hand=0 if objects and rng.random() < 0.5 else None,
        remarks=("something that was left out",) if seed % 5 == 0 else (),
    )


@dataclass(frozen=True)
class DrawnRecipe:
    """Scenes of consecutive seeds; every seventh cannot be loaded, one picture occurs twice."""

    num: int
    first_seed: int = 0

    def open(self) -> "DrawnSource":
        return DrawnSource(self)

    def describe(self) -> dict[str, object]:
        return {"name": "drawn", "num": self.num, "first_seed": self.first_seed}


class DrawnSource:
    """See `DrawnRecipe`."""

    def __init__(self, recipe: DrawnRecipe) -> None:
        self._recipe = recipe

    def __len__(self) -> int:
        return self._recipe.num

    def load(self, index: int) -> AnnotatedScene:
        if index % 7 == 3:
            raise ConfigurationError(f"/pictures/{index}.png is damaged")
        scene = draw_scene(self._recipe.first_seed + index)
        if index == 9:
            first = draw_scene(self._recipe.first_seed)
            object.__setattr__(scene, "rgb", first.rgb)
        return scene

    def close(self) -> None:
        pass
