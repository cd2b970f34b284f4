"""One picture with depth and what is known about the objects in it: where questions come from.

Whatever a reader does not know stays None or empty, and no question about it is asked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import CameraIntrinsics


@dataclass(frozen=True, slots=True, eq=False)
class SceneObject:
    """One annotated object.

    Attributes:
        name: as people would say it, without an article: ``red cup``.
        category: what it counts as: ``cup``.
        box_px: u_min, v_min, u_max, v_max, both borders included.
        mask: (H, W) bool, the pixels that show it; None when only the box is known.
        position_m: (3,) centre of the whole thing in the colour camera's optical frame.
        size_m: (2,) larger horizontal extent and height of the whole thing.
    """

    name: str
    category: str
    box_px: tuple[int, int, int, int]
    mask: NDArray[np.bool_] | None = None
    position_m: NDArray[np.float64] | None = None
    size_m: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedScene:
    """See the module docstring.

    Attributes:
        id: unique in its source and usable as a file name.
        rgb: (H, W, 3) uint8.
        depth_mm: (H, W) uint16, aligned with `rgb`, 0 = no return; None = no depth.
        objects: what is annotated.
        counted: categories every instance of which is among `objects`.
        absent: categories of which the picture shows nothing.
        contacts: pairs of indices into `objects` (smaller first) that touch; None = unknown.
        hand: index of the robot's hand among `objects`.
        intrinsics: of the picture.
        rgb_file: what `rgb` was read from, kept as it is when it is a PNG or JPEG.
        remarks: what was left out, and why.

    Raises:
        ConfigurationError: sizes or types that do not go together, or a box outside.
    """

    id: str
    rgb: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16] | None = None
    objects: tuple[SceneObject, ...] = ()
    counted: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    contacts: frozenset[tuple[int, int]] | None = None
    hand: int | None = None
    intrinsics: CameraIntrinsics | None = None
    rgb_file: Path | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rgb.ndim != 3 or self.rgb.shape[2] != 3 or self.rgb.dtype != np.uint8:
            raise ConfigurationError(
                f"{self.id}: the picture is {self.rgb.dtype} {self.rgb.shape}, expected uint8"
                " (H, W, 3)"
            )
        depth_mm = self.depth_mm
        if depth_mm is not None and depth_mm.dtype != np.uint16:
            raise ConfigurationError(
                f"{self.id}: depth is {depth_mm.dtype}, expected uint16 millimetres"
            )
        if depth_mm is not None and depth_mm.shape != self.rgb.shape[:2]:
            raise ConfigurationError(
                f"{self.id}: depth is {depth_mm.shape} and the picture {self.rgb.shape[:2]};"
                " depth has to be aligned with the picture"
            )
        for thing in self.objects:
            self._check_object(thing)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def _check_object(self, thing: SceneObject) -> None:
        u_min, v_min, u_max, v_max = thing.box_px
        width_px, height_px = self.size_px
        if not (0 <= u_min <= u_max < width_px and 0 <= v_min <= v_max < height_px):
            raise ConfigurationError(
                f"{self.id}: the box {thing.box_px} of {thing.name!r} lies outside the"
                f" {width_px}x{height_px} picture"
            )
        mask = thing.mask
        if mask is None:
            return
        if mask.shape != (height_px, width_px) or mask.dtype != np.bool_ or not mask.any():
            raise ConfigurationError(
                f"{self.id}: the mask of {thing.name!r} is {mask.dtype} {mask.shape} with"
                f" {int(np.count_nonzero(mask))} pixels, expected bool ({height_px}, {width_px})"
                " with at least one"
            )


class SceneSource(Protocol):
    """Scenes by number; the same number always gives the same scene."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> AnnotatedScene:
        """One scene.

        Raises:
            SpatialBotError: it cannot be used; says why.
        """
        ...

    def close(self) -> None:
        """Release what loading opened; allowed more than once."""
        ...


class SourceRecipe(Protocol):
    """What a worker opens its source from; may be pickled."""

    def open(self) -> SceneSource:
        """A source for the calling process.

        Raises:
            SpatialBotError: the data is not there, or not as expected.
        """
        ...

    def describe(self) -> dict[str, object]:
        """What decides about the scenes, as JSON; a run is not continued with another."""
        ...


def mask_box_px(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The smallest box round a mask that has a pixel: u_min, v_min, u_max, v_max."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
