"""The joint positions that the springs of the impedance backend pull to. Pure.

They move at the commanded speeds, change their speeds no faster than a pace allows, and stay near
the measured joints: the spring's force is bounded by how far its end may run ahead. Nobody
moves them between two commands, so the arm of a caller that stalls comes to rest.
"""

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros.fr3_limits import COMMAND_ACCELERATION_RAD_S2
from spatialbot_ros.ports import Pace

MAX_LEAD_RAD = 0.08
"""How far a spring may be stretched."""


class SpringReference:
    """Positions and speeds of the ends of seven springs.

    Args:
        q_rad: (7,) joints at the start, at rest.
        time_s: robot time of the start.
    """

    def __init__(self, q_rad: NDArray[np.float64], time_s: float) -> None:
        self.q_rad = np.array(q_rad, dtype=np.float64)
        self.dq_rad_s = np.zeros(7)
        self._time_s = time_s

    def advance(
        self,
        time_s: float,
        dq_wanted: NDArray[np.float64],
        hold_s: float,
        pace: Pace,
        q_measured: NDArray[np.float64],
    ) -> None:
        """Move on to `time_s` at the speeds so far, then turn to the wanted ones (7,).

        Args:
            hold_s: what passed beyond this since the last command was no motion.
            pace: its acceleration bounds the change of speeds.
            q_measured: (7,) where the joints are.
        """
        passed_s = min(max(time_s - self._time_s, 0.0), hold_s)
        self._time_s = time_s
        reach = pace.acceleration * COMMAND_ACCELERATION_RAD_S2 * passed_s
        change = dq_wanted - self.dq_rad_s
        # all joints keep in step, so that the tool keeps its direction
        share = min(1.0, float(np.min(reach / np.maximum(np.abs(change), 1e-9))))
        before = self.dq_rad_s
        self.dq_rad_s = before + share * change
        q_rad = self.q_rad + 0.5 * (before + self.dq_rad_s) * passed_s
        self.q_rad = np.clip(q_rad, q_measured - MAX_LEAD_RAD, q_measured + MAX_LEAD_RAD)
