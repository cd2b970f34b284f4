"""Do the joints do what they are told? One that does not has met something.

Pure; on the robot's clock. A joint that follows is a little late and otherwise exact, so the
measured speed is compared with the commanded one as late as that. A real FR3 notices a contact
within milliseconds and answers with a reflex; this watch is for what its thresholds let pass,
and for robots that have none.
"""

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros.ports import ArmState

LAG_S = 0.015
"""How late a joint follows its command: about this in the simulation, less on the robot."""
NOTICEABLE_RAD_S = 0.15
"""Speed that may be missing of any command: friction, load, another lag. What is missing for as
long as `LASTS_S` is a third of this in pick and place, and 55 % of what is allowed when hostile
actions turn the arm round as fast as it may."""
MISSING_SHARE = 0.5
"""Share that may be missing of a fast one: lags count for more where speeds change more."""
LASTS_S = 0.1
"""How long it has to be missing."""
_PAUSE_S = 0.1
"""After a longer pause between two states the comparison begins again."""


class FollowingWatch:
    """Fed with every state while the arm is commanded; names the joints that are blocked."""

    def __init__(self) -> None:
        self._expected_rad_s: NDArray[np.float64] | None = None
        self._missing_s = np.zeros(7)
        self._time_s = 0.0

    def reset(self) -> None:
        """The arm comes to rest, or begins anew."""
        self._expected_rad_s = None

    def observe(self, measured: ArmState) -> tuple[int, ...]:
        """Numbers, 1 to 7, of the joints that have not followed their commands for `LASTS_S`.

        An arm that does not tell its commanded speeds is never blocked.
        """
        commanded = measured.dq_commanded_rad_s
        if commanded is None:
            return ()
        passed_s, self._time_s = measured.robot_time_s - self._time_s, measured.robot_time_s
        if self._expected_rad_s is None or not 0.0 <= passed_s <= _PAUSE_S:
            self._expected_rad_s = np.array(measured.dq_rad_s)
            self._missing_s = np.zeros(7)
            return ()
        share = 1.0 - np.exp(-passed_s / LAG_S)
        self._expected_rad_s = self._expected_rad_s + share * (commanded - self._expected_rad_s)
        missing = self.missing(self._expected_rad_s, measured.dq_rad_s)
        self._missing_s = np.where(missing > 1.0, self._missing_s + passed_s, 0.0)
        return tuple(int(k) + 1 for k in np.flatnonzero(self._missing_s >= LASTS_S - 1e-9))

    @staticmethod
    def missing(
        expected_rad_s: NDArray[np.float64], dq_rad_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(7,) what is missing of the expected speeds as a share of what may be missing."""
        allowed = np.maximum(NOTICEABLE_RAD_S, MISSING_SHARE * np.abs(expected_rad_s))
        return np.asarray(np.abs(expected_rad_s - dq_rad_s) / allowed)
