"""The moving reference between two targets, and the twist that makes an arm follow it.

An action moves the target in a jump; the reference walks there in one control period, so a
steady stream of actions becomes a steady velocity. Feedback compares the arm with a copy of
the reference that is delayed as much as the arm answers late: following in time is then no
error, and the arm is not driven past the end of a move.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import compose, rotation_from_vector, rotation_vector


class TargetReference:
    """Reference pose on its own clock, which the caller advances.

    Args:
        response_lag_s: how late the arm answers a velocity command.
    """

    def __init__(self, response_lag_s: float) -> None:
        self._response_lag_s = response_lag_s
        self._T_reference = np.eye(4)
        self._T_target = np.eye(4)
        self._remaining_s = 0.0
        self._time_s = 0.0
        self._trail: deque[tuple[float, NDArray[np.float64]]] = deque([(0.0, np.eye(4))])

    @property
    def T_base_target(self) -> NDArray[np.float64]:
        """(4, 4) where the reference is going."""
        return self._T_target

    @property
    def arrived(self) -> bool:
        """Whether the reference stands at the target."""
        return self._remaining_s <= 0.0

    def reset(self, T_base_target: NDArray[np.float64]) -> None:
        """Stand still at a pose."""
        self._T_reference = self._T_target = T_base_target
        self._remaining_s = 0.0
        self._trail = deque([(self._time_s, T_base_target)])

    def go(self, T_base_target: NDArray[np.float64], duration_s: float) -> None:
        """Walk from where the reference is to a new target."""
        self._T_target = T_base_target
        self._remaining_s = duration_s

    def distance(self, T_base_target: NDArray[np.float64]) -> tuple[float, float]:
        """Way from the reference to a pose: [m] and [rad]."""
        position_m, rotation_rad = pose_error(T_base_target, self._T_reference)
        return float(np.linalg.norm(position_m)), float(np.linalg.norm(rotation_rad))

    def advance(self, dt_s: float) -> NDArray[np.float64]:
        """Move on by `dt_s` and return the reference twist (6,) in the base frame."""
        twist = np.zeros(6)
        if self._remaining_s > 0.0:
            position_m, rotation_rad = pose_error(self._T_target, self._T_reference)
            rate = 1.0 / max(self._remaining_s, dt_s)
            twist = np.concatenate([position_m, rotation_rad]) * rate
            self._remaining_s -= dt_s
            # a remainder of rounding errors would end in a full step at tiny speed
            if self._remaining_s < 1e-6:
                self._remaining_s = 0.0
                self._T_reference = self._T_target
            else:
                self._T_reference = _moved(self._T_reference, twist * dt_s)
        self._time_s += dt_s
        self._trail.append((self._time_s, self._T_reference))
        while len(self._trail) > 2 and self._trail[1][0] <= self._time_s - self._response_lag_s:
            self._trail.popleft()
        return twist

    def feedback_error(self, T_base_measured: NDArray[np.float64]) -> NDArray[np.float64]:
        """Delayed reference minus measured pose: (6,) [m] and [rad], base frame."""
        return np.concatenate(pose_error(self.delayed(), T_base_measured))

    def delayed(self) -> NDArray[np.float64]:
        """(4, 4) where the reference was `response_lag_s` ago: where the arm should be now."""
        wanted_s = self._time_s - self._response_lag_s
        (early_s, T_early), (late_s, T_late) = (
            self._trail[0],
            self._trail[min(1, len(self._trail) - 1)],
        )
        if late_s <= early_s:
            return T_late
        share = float(np.clip((wanted_s - early_s) / (late_s - early_s), 0.0, 1.0))
        return _moved(T_early, share * np.concatenate(pose_error(T_late, T_early)))


def pose_error(
    T_base_a: NDArray[np.float64], T_base_b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position and rotation vector, base frame, that lead from pose b to pose a."""
    return T_base_a[:3, 3] - T_base_b[:3, 3], rotation_vector(T_base_a[:3, :3] @ T_base_b[:3, :3].T)


def _moved(T: NDArray[np.float64], motion: NDArray[np.float64]) -> NDArray[np.float64]:
    return compose(rotation_from_vector(motion[3:]) @ T[:3, :3], T[:3, 3] + motion[:3])
