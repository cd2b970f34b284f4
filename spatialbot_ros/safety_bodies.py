"""Where the arm's body is: does a posture touch itself, the table or a keep-out box?

Pure. Links and hand are covered with capsules, the capsules with rows of balls, and distances
are those of the balls, so that one posture costs a few array operations. The cover is larger
than the arm, never smaller (a test compares it with the meshes). What is held is not known.
"""

from dataclasses import dataclass

import numpy as np

from spatialbot_ros.fr3_kinematics import ArmFrames
from spatialbot_ros.safety_limits import KeepOutBox

CAPSULES: tuple[tuple[str, tuple[float, float, float], tuple[float, float, float], float], ...] = (
    ("link0", (-0.072, 0.001, 0.051), (-0.005, 0.003, 0.055), 0.114),
    ("link1", (0.005, -0.001, -0.149), (-0.0, -0.053, -0.0), 0.079),
    ("link2", (0.002, -0.153, 0.009), (-0.0, 0.002, 0.054), 0.079),
    ("link3", (-0.002, 0.002, -0.085), (0.092, 0.046, 0.006), 0.072),
    ("link4", (-0.083, 0.083, 0.001), (-0.001, 0.0, 0.042), 0.072),
    ("link5", (-0.004, 0.07, -0.017), (-0.0, 0.065, 0.002), 0.071),
    ("link5", (-0.0, 0.045, -0.173), (0.001, -0.003, -0.246), 0.062),
    ("link5", (-0.002, 0.068, -0.008), (0.0, 0.045, -0.173), 0.066),
    ("link6", (0.046, 0.007, 0.014), (0.001, -0.0, 0.007), 0.058),
    ("link6", (0.081, 0.043, -0.003), (0.089, -0.039, -0.003), 0.052),
    ("link7", (-0.006, -0.005, 0.07), (0.034, 0.032, 0.084), 0.052),
    ("hand", (0.0, 0.08, -0.07), (0.0, 0.064, -0.098), 0.04),
    ("hand", (-0.005, -0.086, -0.08), (-0.002, -0.032, -0.099), 0.049),
    ("hand", (0.0, 0.064, -0.098), (-0.002, -0.032, -0.099), 0.047),
    ("hand", (0.0, 0.06, -0.068), (0.0, -0.07, -0.068), 0.036),
    # the fingers, up to the tool centre point
    ("fingers", (0.0, -0.035, -0.018), (0.0, 0.035, -0.018), 0.03),
)
"""Name of the part, both ends of the axis [m] in its own frame, radius [m]."""

_TIPS_M = np.array([[x, y, 0.008] for x in (-0.009, 0.009) for y in (-0.052, 0.052)])
"""Corners of the open fingers in the frame of the tool centre point."""
_TIPS_FREE_M = 0.012
"""By how much fingertips may come closer to the table than everything else: with the shipped margin
2 mm into it, for they have to reach what lies there. A tool that leans lands on one of them."""
_SPACING_M = 0.03
_FRAME_OF = {"link0": 0, **{f"link{i}": i for i in range(1, 8)}, "hand": 8, "fingers": 8}
"""Index into the frames: 0 base, 1 to 7 the joints, 8 the tool centre point."""
_ORDER = tuple(_FRAME_OF)
_NEXT_BUT_ONE = 2
_KEPT_APART = {("link5", "hand"), ("link5", "fingers"), ("link6", "fingers")}
"""By the range of joint 6 (25 mm at the least between the meshes); the cover is too coarse."""


@dataclass(frozen=True, slots=True)
class Clearance:
    """Nearest pair of bodies; the distance is negative where they would overlap."""

    distance_m: float
    first: str
    second: str


class ArmBodies:
    """Distances of the arm to itself, to the table and to keep-out boxes.

    Args:
        table_top_z_m: height of the table in the base frame. Base and first two links stand on
            it, and the fingertips may touch it.
        keep_out: boxes for every moving part.
    """

    def __init__(self, table_top_z_m: float, keep_out: tuple[KeepOutBox, ...] = ()) -> None:
        points, radii, owners = [], [], []
        for name, begin, end, radius_m in CAPSULES:
            a, b = np.array(begin), np.array(end)
            number = 1 + int(np.ceil(np.linalg.norm(b - a) / _SPACING_M))
            gap_m = float(np.linalg.norm(b - a)) / max(number - 1, 1)
            for share in np.linspace(0.0, 1.0, number):
                points.append(a + share * (b - a))
                # neighbouring balls cover the capsule between them, too
                radii.append(float(np.hypot(radius_m, 0.5 * gap_m)))
                owners.append(_ORDER.index(name))
        self._points_m = np.array(points)
        self._radii_m = np.array(radii)
        self._owners = np.array(owners)
        self._frames = np.array([_FRAME_OF[_ORDER[owner]] for owner in owners])
        apart = np.array([[_can_meet(a, b) for b in owners] for a in owners])
        self._first, self._second = np.nonzero(np.triu(apart, 1))
        self._reach_m = self._radii_m[self._first] + self._radii_m[self._second]
        names = np.array([_ORDER[owner] for owner in owners])
        self._above_table = np.flatnonzero(~np.isin(names, ("link0", "link1", "link2", "fingers")))
        self._moving = np.flatnonzero(names != "link0")
        self._table_top_z_m = table_top_z_m
        self._boxes = tuple(
            (box.name, np.array(box.min_m), np.array(box.max_m)) for box in keep_out
        )

    def clearance(self, frames: ArmFrames) -> Clearance:
        """The nearest pair in a posture."""
        T = np.concatenate([np.eye(4)[None], frames.T_base_link])[self._frames]
        balls_m = np.einsum("nij,nj->ni", T[:, :3, :3], self._points_m) + T[:, :3, 3]
        way_m = balls_m[self._first] - balls_m[self._second]
        between_m = np.sqrt(np.einsum("ni,ni->n", way_m, way_m)) - self._reach_m
        k = int(np.argmin(between_m))
        nearest = Clearance(
            float(between_m[k]), self._name(self._first[k]), self._name(self._second[k])
        )
        low = self._above_table
        heights_m = balls_m[low, 2] - self._radii_m[low] - self._table_top_z_m
        k = int(np.argmin(heights_m))
        if heights_m[k] < nearest.distance_m:
            nearest = Clearance(float(heights_m[k]), self._name(low[k]), "table")
        T_ee = frames.T_base_ee
        tips_m = float(np.min(_TIPS_M @ T_ee[2, :3])) + float(T_ee[2, 3])
        tips_m += _TIPS_FREE_M - self._table_top_z_m
        if tips_m < nearest.distance_m:
            nearest = Clearance(tips_m, "fingers", "table")
        for name, min_m, max_m in self._boxes:
            moving_m = balls_m[self._moving]
            outside_m = np.maximum(np.maximum(min_m - moving_m, moving_m - max_m), 0.0)
            boxed_m = np.linalg.norm(outside_m, axis=1) - self._radii_m[self._moving]
            k = int(np.argmin(boxed_m))
            if boxed_m[k] < nearest.distance_m:
                nearest = Clearance(float(boxed_m[k]), self._name(self._moving[k]), name)
        return nearest

    def _name(self, ball: int) -> str:
        return _ORDER[int(self._owners[ball])]


def _can_meet(a: int, b: int) -> bool:
    """Whether two parts can touch at all: neighbours in the chain overlap by design."""
    if (_ORDER[min(a, b)], _ORDER[max(a, b)]) in _KEPT_APART:
        return False
    return abs(a - b) > _NEXT_BUT_ONE
