"""From readings of a hand device to delta actions. Pure: no device, no clock, no rclpy.

Nothing moves unless the dead-man switch is held. After a stop, a lost device or at the start it
must be seen released first: a switch that hangs moves nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import NUM_BINS, ZERO_BIN, ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.teleop.inputs import NUM_AXES, Button, DeviceInput

LEVEL_BINS = (2, 5, 10, 20, 35, 50)
"""Bins from the middle that full deflection means at each speed level; 50 is the whole range."""

_VIEWS = {"robot": (1.0, 1.0, 1.0), "camera": (-1.0, -1.0, 1.0)}
VIEWS = tuple(_VIEWS)
"""Where the person stands: behind the robot, or opposite to it, as the camera."""

_HALF = 3


@dataclass(frozen=True, slots=True)
class TeleopConfig:
    """How readings become actions.

    Attributes:
        view: one of `VIEWS`.
        start_level: index into `LEVEL_BINS`.
        max_input_age_s: a reading older than this counts as a released dead-man switch.

    Raises:
        ConfigurationError: a value that cannot be used.
    """

    view: str = "robot"
    start_level: int = 2
    max_input_age_s: float = 0.25

    def __post_init__(self) -> None:
        if self.view not in _VIEWS:
            raise UnknownNameError("view", self.view, _VIEWS)
        if not 0 <= self.start_level < len(LEVEL_BINS):
            raise ConfigurationError(
                f"start_level is {self.start_level}, expected 0 to {len(LEVEL_BINS) - 1}"
            )
        if not self.max_input_age_s > 0.0:
            raise ConfigurationError(
                f"max_input_age_s is {self.max_input_age_s}, expected more than 0"
            )


class TeleopCore:
    """Dead-man switch, speed levels, gripper and axes of one person."""

    def __init__(self, spec: ActionSpec, config: TeleopConfig | None = None) -> None:
        self._spec = spec
        self._config = TeleopConfig() if config is None else config
        self._axes: tuple[float, ...] = (0.0,) * NUM_AXES
        self._held = False
        self._armed = False
        self._read_s = -math.inf
        self._gripper_closed: bool | None = None
        self.level = self._config.start_level

    @property
    def gripper_closed(self) -> bool | None:
        """What the next action asks of the gripper; None while nobody knows its state."""
        return self._gripper_closed

    @property
    def step_limits(self) -> tuple[float, float]:
        """Full deflection at this speed level: [m] and [rad] per control step."""
        share = LEVEL_BINS[self.level] / ZERO_BIN
        return share * self._spec.translation_limit_m, share * self._spec.rotation_limit_rad

    def engaged(self, now_s: float) -> bool:
        """Whether the person has the arm now."""
        fresh = 0.0 <= now_s - self._read_s <= self._config.max_input_age_s
        return self._held and self._armed and fresh

    def feed(self, reading: DeviceInput, now_s: float) -> tuple[Button, ...]:
        """Take a reading; returns the buttons that are not the core's own, in order."""
        self._read_s = now_s
        self._axes = tuple(_unit(value) for value in reading.axes)
        if not reading.deadman:
            self._armed = True
        self._held = reading.deadman
        return self.press(reading.buttons, now_s)

    def press(self, buttons: Sequence[Button], now_s: float) -> tuple[Button, ...]:
        """Handle buttons without a reading of the axes; see `feed`."""
        others = []
        for button in buttons:
            if button is Button.FASTER:
                self.level = min(self.level + 1, len(LEVEL_BINS) - 1)
            elif button is Button.SLOWER:
                self.level = max(self.level - 1, 0)
            elif button is Button.GRIPPER:
                if self.engaged(now_s) and self._gripper_closed is not None:
                    self._gripper_closed = not self._gripper_closed
            else:
                if button is Button.STOP:
                    self.release()
                others.append(button)
        return tuple(others)

    def release(self) -> None:
        """Let go: after a stop, or when the device is gone."""
        self._held = self._armed = False

    def sync_gripper(self, closed: bool, now_s: float) -> None:
        """What the executor last asked of the gripper; taken over unless a person has the arm.

        So that taking over does not open the fingers around an object.
        """
        if not self.engaged(now_s) or self._gripper_closed is None:
            self._gripper_closed = closed

    def action(self, now_s: float) -> DeltaAction | None:
        """The action of one control step; None while the person does not have the arm."""
        if not self.engaged(now_s) or self._gripper_closed is None:
            return None
        mirror = _VIEWS[self._config.view]
        signs = (*mirror, *mirror)
        axes = [sign * value for sign, value in zip(signs, self._axes, strict=True)]
        reach = LEVEL_BINS[self.level]
        motion = (*_bins(axes[:_HALF], reach), *_bins(axes[_HALF:], reach))
        high = self._gripper_closed == (self._spec.gripper_closed_value == 1.0)
        return DeltaAction((*motion, NUM_BINS - 1 if high else 0), self._spec)


def _bins(axes: Sequence[float], reach: int) -> list[int]:
    """Bins of three axes; deflections together are no longer than one alone may be."""
    length = max(1.0, math.sqrt(sum(value * value for value in axes)))
    return [ZERO_BIN + round(value / length * reach) for value in axes]


def _unit(value: float) -> float:
    """A deflection in -1..1; what is no number is none."""
    return min(1.0, max(-1.0, value)) if math.isfinite(value) else 0.0
