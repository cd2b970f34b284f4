"""Who has the arm: a person's actions push everybody else's aside for a while.

Pure; on the robot's clock.
"""

from spatialbot_ros.safety_records import TELEOP, ActionRequest, SafetyRecord, Severity


class Intervention:
    """An intervention begins with a person's action and ends a hold-off time after the last.

    Args:
        hold_off_s: robot time that must pass without a person's action.
    """

    def __init__(self, hold_off_s: float) -> None:
        self._hold_off_s = hold_off_s
        self._last_action_s: float | None = None

    @property
    def active(self) -> bool:
        """Whether a person has the arm."""
        return self._last_action_s is not None

    def prolong(self, robot_time_s: float, sequence: int) -> tuple[SafetyRecord, ...]:
        """Note a person's action; the record of the beginning when it is the first."""
        began = self._last_action_s is None
        self._last_action_s = robot_time_s
        if not began:
            return ()
        detail = "a person has taken over; actions of others are refused"
        return (
            SafetyRecord("intervention_begin", Severity.NOTE, detail, (), (), TELEOP, sequence),
        )

    def is_over(self, robot_time_s: float) -> bool:
        """Whether the hold-off time has passed; the caller then ends it."""
        last_s = self._last_action_s
        return last_s is not None and robot_time_s - last_s >= self._hold_off_s

    def end(self, reason: str) -> tuple[SafetyRecord, ...]:
        """Give the arm back; the record of the end, none when nobody had it."""
        if self._last_action_s is None:
            return ()
        self._last_action_s = None
        return (SafetyRecord("intervention_end", Severity.NOTE, reason, source=TELEOP),)

    @staticmethod
    def refusal(request: ActionRequest) -> SafetyRecord:
        """What somebody else is told meanwhile."""
        return SafetyRecord(
            "overridden",
            Severity.REFUSED,
            f"action {request.sequence} of {request.source!r} is not followed: a person has the"
            " arm",
            source=request.source,
            sequence=request.sequence,
        )
