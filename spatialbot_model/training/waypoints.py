"""Where an episode grasped and where it let go: labels that a recording holds without being told.

Nothing privileged is needed. A run of steps with a closed, filled hand is a hold; its first
pose is where the thing was taken and its last where it was put. So every step before knows the
grasp that is to come, and every step until the release knows where the thing will go. A grasp or
a release that the recorded answers did not want (noise, or a policy that drove) is none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.waypoints import AXES, NUM_WAYPOINTS, PICK, PLACE

_SHORTEST_HOLD = 4
_EMPTY_WIDTH_M = 0.004


@dataclass(frozen=True, slots=True, eq=False)
class Waypoints:
    """Of N steps.

    Attributes:
        poses: (N, 2, 4) float32, x, y, z [m] and heading [rad] of the tool at the pick and at the
            place.
        known: (N, 2) bool.
    """

    poses: NDArray[np.float32]
    known: NDArray[np.bool_]


def hindsight_waypoints(states: NDArray[np.float32], wants_closed: NDArray[np.bool_]) -> Waypoints:
    """The waypoints of one episode's steps.

    Args:
        states: (N, 21) of `RobotState.vector`; NaN where unknown.
        wants_closed: (N,) whether the answer to learn closes the gripper.
    """
    num_steps = len(states)
    poses = np.zeros((num_steps, NUM_WAYPOINTS, len(AXES)), np.float32)
    known = np.zeros((num_steps, NUM_WAYPOINTS), np.bool_)
    here = np.column_stack([states[:, :3], headings_rad(states)])
    for first, last in reversed(holds(states)):
        if not wants_closed[first : first + _SHORTEST_HOLD].all():
            continue
        # the answer that opens is carried out one step later, or two
        if not wants_closed[max(first, last - 2) : last + 1].all():
            poses[: last + 1, PLACE] = here[last]
            known[: last + 1, PLACE] = True
        poses[: first + 1, PICK] = here[first]
        known[: first + 1, PICK] = True
        known[first + 1 : last + 1, PICK] = False
    return Waypoints(poses, known)


def holds(states: NDArray[np.float32]) -> list[tuple[int, int]]:
    """First and last step of every run of steps with something in the closed hand.

    The last is the one at which the hand is told to open: fingers move only after it.
    """
    width_m, closed = states[:, 9], states[:, 10] > 0.5
    # fingers that still move have not met anything yet, and empty ones meet each other
    still = np.abs(np.diff(width_m, append=width_m[-1:])) < 0.002
    filled = closed & still & (width_m > _EMPTY_WIDTH_M)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], filled.astype(np.int8), [0]))))
    runs = zip(edges[0::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)
    return [
        (first, last + 1 if closed[last + 1 : last + 2].any() else last)
        for first, last in runs
        if last - first + 1 >= _SHORTEST_HOLD
    ]


def headings_rad(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) heading of the tool: of its x axis in the base's xy plane."""
    heading: NDArray[np.float32] = np.arctan2(states[:, 4], states[:, 3])
    return heading
