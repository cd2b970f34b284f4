"""Joint positions for a tool pose, as the arm would have them had it come there from home."""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.target_reference import pose_error
from spatialbot_sim.ik import ArmIk

_PERIOD_S = 0.25
"""One stride of the search: as long as the joints' speed limits let it take few."""
_MAX_STRIDES = 40
_CLOSE_M = 0.0005
_CLOSE_RAD = 0.002


class PostureFinder:
    """Finds postures from home on; every search is for itself.

    Args:
        home_joints_rad: (7,).
    """

    def __init__(self, home_joints_rad: NDArray[np.float64]) -> None:
        self._home_joints_rad = home_joints_rad
        self._ik = ArmIk(_PERIOD_S)

    def find(self, T_base_tcp: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """(7,) [rad] within half a millimetre of a tool pose, None where the arm gets nowhere."""
        ik = self._ik
        ik.reset(self._home_joints_rad)
        for _ in range(_MAX_STRIDES):
            q_rad = ik.follow(T_base_tcp)
            position_m, rotation_rad = pose_error(T_base_tcp, ik.T_base_tcp)
            near = np.linalg.norm(position_m) < _CLOSE_M
            if near and np.linalg.norm(rotation_rad) < _CLOSE_RAD:
                return q_rad
        return None
