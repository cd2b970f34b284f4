"""Low level: what a depth map says at points and as a whole."""

from functools import lru_cache

import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.depth_stats import describe_depth
from spatialbot_model.contracts.depth_tool import lookup_depth
from spatialbot_model.spatialqa.draft import Draft, Kind, Mode
from spatialbot_model.spatialqa.geometry import clearly_apart, point_text, valid_point

_TOOL_OR_MAP: tuple[Mode, ...] = ("tool", "direct")
_SIDES = ("left third", "middle third", "right third")


def _ask_point(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    found = valid_point(scene, rng)
    if found is None:
        return None
    x, y, depth_mm = found
    return Draft(
        {"point": point_text(x, y), "depth": str(depth_mm)},
        {"points": [[x, y]], "depth_mm": depth_mm},
        calls=((x, y),),
    )


def _ask_no_return(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    assert scene.depth_mm is not None
    if rng.random() < 0.5 or scene.depth_mm.all():
        return None
    for _ in range(20):
        x, y = (int(value) / 100 for value in rng.integers(2, 99, 2))
        if lookup_depth(scene.depth_mm, x, y).depth_mm is None:
            return Draft({"point": point_text(x, y)}, {"points": [[x, y]]}, calls=((x, y),))
    return None


def _ask_map(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    return _map(scene)


# there is one answer, whichever time it is asked
@lru_cache(maxsize=1)
def _map(scene: AnnotatedScene) -> Draft | None:
    assert scene.depth_mm is not None
    whole = describe_depth(scene.depth_mm, np.ones(scene.depth_mm.shape, np.bool_))
    if whole is None:
        return None
    means = []
    for columns in np.array_split(np.arange(scene.size_px[0]), len(_SIDES)):
        values = scene.depth_mm[:, columns[0] : columns[-1] + 1]
        if np.count_nonzero(values) * 2 < values.size:
            return None
        means.append(float(values[values > 0].mean(dtype=np.float64)))
    nearest, farthest = int(np.argmin(means)), int(np.argmax(means))
    if not clearly_apart(means[nearest], means[farthest]):
        return None
    share = 100 * np.count_nonzero(scene.depth_mm) / scene.depth_mm.size
    return Draft(
        {
            "min": str(whole.min_mm),
            "max": str(whole.max_mm),
            "mean": str(round(whole.mean_mm)),
            "share": f"{share:.0f}",
            "near_side": _SIDES[nearest],
            "far_side": _SIDES[farthest],
        },
        {
            "min_mm": whole.min_mm,
            "max_mm": whole.max_mm,
            "mean_mm": whole.mean_mm,
            "share_percent": share,
            "near_side": _SIDES[nearest],
            "far_side": _SIDES[farthest],
        },
    )


LOW_KINDS = (
    Kind("depth_point", "low", _ask_point, frozenset({"point", "depth"}), modes=_TOOL_OR_MAP),
    Kind("depth_no_return", "low", _ask_no_return, frozenset({"point"}), modes=_TOOL_OR_MAP),
    Kind(
        "depth_map",
        "low",
        _ask_map,
        frozenset({"min", "max", "mean", "share", "near_side", "far_side"}),
        modes=("plain", "direct"),
    ),
)
