"""Folders of colour and depth without annotations: points and regions can be asked about."""

import bisect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.spatialqa.depth_sources import TUM, DepthScale, depth_files, read_depth
from spatialbot_model.spatialqa.readers.pictures import picture_files, read_picture

_NEAR_S = 0.02
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

Pairs = list[tuple[str, Path, Path]]
"""Id, colour file and depth file of each scene."""


@dataclass(frozen=True, slots=True)
class RgbdFolderRecipe:
    """A folder in one of the layouts of `LAYOUTS`; may be pickled.

    Attributes:
        limit: at most so many scenes; 0 = all.

    Raises:
        UnknownNameError: no such layout.
    """

    folder: Path
    layout: str = "folder"
    limit: int = 0

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise UnknownNameError("layout", self.layout, LAYOUTS)

    def open(self) -> "RgbdFolder":
        """Find the pairs.

        Raises:
            ConfigurationError: the folder is not of this layout.
        """
        find, scale = LAYOUTS[self.layout]
        pairs = find(self.folder)
        if not pairs:
            raise ConfigurationError(f"{self.folder} holds no pair of colour and depth")
        return RgbdFolder(pairs[: self.limit or None], scale)

    def describe(self) -> dict[str, object]:
        """What decides about the scenes."""
        return {"name": self.layout, "folder": self.folder.name, "limit": self.limit}


class RgbdFolder:
    """See `RgbdFolderRecipe`."""

    def __init__(self, pairs: Pairs, scale: DepthScale | None) -> None:
        self._pairs, self._scale = pairs, scale

    def __len__(self) -> int:
        return len(self._pairs)

    def load(self, index: int) -> AnnotatedScene:
        """One scene.

        Raises:
            ConfigurationError: a file is damaged, or colour and depth differ in size.
        """
        name, color, depth = self._pairs[index]
        return AnnotatedScene(
            _UNSAFE.sub("-", name),
            read_picture(color),
            read_depth(depth, self._scale),
            rgb_file=color,
        )

    def close(self) -> None:
        """Nothing is held open."""


def _plain(folder: Path) -> Pairs:
    """``rgb/NAME.png|jpg`` with ``depth/NAME.*``."""
    colors, depths = picture_files(folder / "rgb"), depth_files(folder / "depth")
    return [(name, path, depths[name]) for name, path in colors.items() if name in depths]


def _nyu(folder: Path) -> Pairs:
    """NYUv2 as unpacked for depth estimation: ``SCENE/rgb_NNNNN.jpg``, ``sync_depth_NNNNN.png``."""
    pairs = []
    for color in sorted([*folder.rglob("rgb_*.jpg"), *folder.rglob("rgb_*.png")]):
        number = color.stem.removeprefix("rgb_")
        depth = color.with_name(f"sync_depth_{number}.png")
        if depth.is_file():
            parent = "_".join(color.parent.relative_to(folder).parts)
            pairs.append((f"nyu_{parent}_{number}".replace("__", "_"), color, depth))
    return pairs


def _tum(folder: Path) -> Pairs:
    """TUM RGB-D: ``rgb.txt`` and ``depth.txt`` list stamps [s] and files; nearest stamps pair."""
    colors, depths = _listed(folder / "rgb.txt"), _listed(folder / "depth.txt")
    stamps = [stamp for stamp, _ in depths]
    pairs: Pairs = []
    for stamp, color in colors:
        at = bisect.bisect_left(stamps, stamp)
        beside = depths[max(at - 1, 0) : at + 1]
        near = min(((abs(other - stamp), file) for other, file in beside), default=None)
        if near is not None and near[0] <= _NEAR_S:
            pairs.append((f"tum_{stamp:.6f}", folder / color, folder / near[1]))
    return pairs


def _listed(path: Path) -> list[tuple[float, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        entries = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        return sorted((float(stamp), file) for stamp, file, *_ in entries)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot read {path}: {error}; expected lines of a stamp in seconds and a file"
        ) from error


LAYOUTS: dict[str, tuple[Callable[[Path], Pairs], DepthScale | None]] = {
    "folder": (_plain, None),
    "nyu": (_nyu, None),
    "tum": (_tum, TUM),
}
"""Registry of layouts: how pairs are found, and what depth numbers mean (None: see the file)."""
