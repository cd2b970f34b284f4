"""Which grasp the expert takes: the one that turns the hand least and whose fingers find room."""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import rpy_to_matrix
from spatialbot_sim.objects import Grasp
from spatialbot_sim.privileged import Box, PrivilegedState

R_DOWN = rpy_to_matrix([np.pi, 0.0, 0.0])
"""Tool pointing down as at home: its x axis is the base's, the fingers close along y."""

FINGER_REACH_M = 0.010
"""How far the fingertips reach below the tool centre point."""

_MAX_YAW_RAD = 1.65
"""Further turned, the last joint comes near its limit."""
_ANY_YAWS_RAD = [float(v) for v in np.linspace(-1.5, 1.5, 13)]
_FINGER_OUTSIDE_M = (0.052, 0.012)
"""Half of what the open fingers take: along the closing direction and across."""


def choose_grasp(
    state: PrivilegedState, name: str, grasps: tuple[Grasp, ...]
) -> tuple[NDArray[np.float64], Grasp]:
    """Tool pose (4, 4) in the base frame at which to close on a thing, and the grasp behind it.

    Args:
        name: body of the thing.
        grasps: the ways to take it.
    """
    T_thing = state.poses[name]
    thing_yaw_rad = heading_rad(T_thing)
    others = [box for other, box in state.boxes.items() if other != name]
    candidates = []
    for grasp in grasps:
        point_m = T_thing[:3, :3] @ grasp.point_m + T_thing[:3, 3]
        yaws_rad = [_wrap(thing_yaw_rad + yaw) for yaw in grasp.yaws_rad] or _ANY_YAWS_RAD
        for yaw_rad in yaws_rad:
            if abs(yaw_rad) > _MAX_YAW_RAD:
                continue
            cost = abs(yaw_rad) + 10.0 * _crowded(point_m, yaw_rad, others)
            candidates.append((cost, yaw_rad, point_m, grasp))
    _, yaw_rad, point_m, grasp = min(candidates, key=lambda c: c[0])
    return downward(point_m, yaw_rad), grasp


def downward(position_m: NDArray[np.float64], yaw_rad: float) -> NDArray[np.float64]:
    """(4, 4) pose of a tool that points straight down, turned about the vertical."""
    T = np.eye(4)
    T[:3, :3] = rpy_to_matrix([0.0, 0.0, yaw_rad]) @ R_DOWN
    T[:3, 3] = position_m
    return T


def heading_rad(T: NDArray[np.float64]) -> float:
    """Direction of a pose's x axis in the base's xy plane."""
    return float(np.arctan2(T[1, 0], T[0, 0]))


def _crowded(point_m: NDArray[np.float64], yaw_rad: float, others: list[Box]) -> float:
    """How much of the open fingers, at most 1, would stand in something else."""
    across = np.array([-np.sin(yaw_rad), np.cos(yaw_rad)])
    hits, places_m = 0, np.linspace(-_FINGER_OUTSIDE_M[0], _FINGER_OUTSIDE_M[0], 9)
    for place_m in places_m:
        at_m = point_m[:2] + across * place_m
        for box in others:
            if box.high_m[2] < point_m[2] - FINGER_REACH_M:
                continue
            margin_m = _FINGER_OUTSIDE_M[1]
            if np.all(at_m > box.low_m[:2] - margin_m) and np.all(at_m < box.high_m[:2] + margin_m):
                hits += 1
                break
    return hits / len(places_m)


def _wrap(angle_rad: float) -> float:
    return float((angle_rad + np.pi) % (2 * np.pi) - np.pi)
