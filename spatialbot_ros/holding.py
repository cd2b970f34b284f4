"""Judges from the finger opening whether the gripper holds something.

The gripper's own answer cannot be used: a grasp on air may be reported as success.
"""

_EMPTY_M = 0.003
_OPEN_M = 0.078
_STILL_M = 0.0005
_STILL_S = 0.15
_REACTION_S = 0.3


class HoldingCheck:
    """Fed with every state; `holding` changes only when the fingers have come to rest."""

    def __init__(self) -> None:
        self.holding = False
        self._closed = False
        self._closed_since_s = 0.0
        self._still_since_s = 0.0
        self._width_m = 0.0

    def update(self, robot_time_s: float, closed_command: bool, width_m: float) -> bool:
        """Newest command and opening [m] at a robot time [s]; returns `holding`.

        Held is what stops closing fingers between fully closed and fully open. A held object
        counts until the fingers are asked to open or meet.
        """
        if closed_command and not self._closed:
            # fingers that have not begun to move look like fingers that were stopped
            self._closed_since_s = robot_time_s
        self._closed = closed_command
        if abs(width_m - self._width_m) > _STILL_M:
            self._width_m = width_m
            self._still_since_s = robot_time_s
        between = _EMPTY_M < width_m < _OPEN_M
        if not closed_command or not between:
            self.holding = False
        elif (
            robot_time_s - self._closed_since_s >= _REACTION_S
            and robot_time_s - self._still_since_s >= _STILL_S
        ):
            self.holding = True
        return self.holding
