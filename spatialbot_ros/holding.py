"""Judges from the finger opening whether the gripper holds something.

The gripper's own answer cannot be used: a grasp on air may be reported as success.
"""

from spatialbot_ros.safety_records import SafetyRecord, Severity

_EMPTY_M = 0.003
_OPEN_M = 0.078
_STILL_M = 0.0005
_STILL_S = 0.15
_REACTION_S = 0.3
_EMPTY_HANDED_S = 0.6


class HoldingCheck:
    """Fed with every state; `holding` changes only when the fingers have come to rest."""

    def __init__(self) -> None:
        self.holding = False
        self._closed = False
        self._closed_since_s = 0.0
        self._still_since_s = 0.0
        self._width_m = 0.0
        self._verified = True
        self._records: list[SafetyRecord] = []

    def take_records(self) -> tuple[SafetyRecord, ...]:
        """What happened to the grasp since the last call: `slip` or `grasp_empty`."""
        records, self._records = tuple(self._records), []
        return records

    def update(self, robot_time_s: float, closed_command: bool, width_m: float) -> bool:
        """Newest command and opening [m] at a robot time [s]; returns `holding`.

        Held is what stops closing fingers between fully closed and fully open. A held object
        counts until the fingers are asked to open or meet.
        """
        if closed_command and not self._closed:
            # fingers that have not begun to move look like fingers that were stopped
            self._closed_since_s = robot_time_s
            self._verified = False
        held = self.holding
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
        self._judge(robot_time_s, held, width_m)
        return self.holding

    def _judge(self, robot_time_s: float, held: bool, width_m: float) -> None:
        if self.holding or not self._closed:
            self._verified = True
        elif held:
            self._note("slip", f"what was held is gone: the fingers closed to {width_m:.4f} m")
        elif not self._verified and (
            width_m <= _EMPTY_M and robot_time_s - self._closed_since_s >= _EMPTY_HANDED_S
        ):
            self._verified = True
            self._note("grasp_empty", f"the fingers met at {width_m:.4f} m: nothing was grasped")

    def _note(self, name: str, detail: str) -> None:
        self._records.append(SafetyRecord(name, Severity.NOTE, detail, source="gripper"))
