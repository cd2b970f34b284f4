"""Numbers of the first safety envelope, read from ``config/safety.yaml``.

A file may tighten the envelope freely and loosen it only up to `HARD_LIMITS`, which no
configuration can pass.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError

HARD_LIMITS: Mapping[str, tuple[float, float]] = {
    "max_step_translation_m": (0.001, 0.06),
    "max_step_rotation_rad": (0.005, 0.3),
    "max_speed_m_s": (0.01, 0.6),
    "max_speed_rad_s": (0.05, 2.5),
    "max_lead_m": (0.005, 0.10),
    "max_lead_rad": (0.02, 0.6),
    "max_observation_age_s": (0.05, 10.0),
    "max_future_s": (0.0, 1.0),
    "max_action_age_s": (0.05, 5.0),
    "max_acceleration_m_s2": (0.2, 8.1),
    "max_jerk_m_s3": (30.0, 4000.0),
    "joint_speed_share": (0.02, 0.95),
    "joint_acceleration_share": (0.02, 0.95),
    "joint_jerk_share": (0.02, 0.9),
    "joint_margin_rad": (0.02, 0.5),
    "singularity_slow": (0.03, 0.3),
    "singularity_stop": (0.01, 0.1),
    "collision_margin_m": (0.005, 0.2),
    "max_stop_s": (0.03, 0.4),
    "max_gripper_force_n": (1.0, 70.0),
    "max_gripper_speed_m_s": (0.005, 0.1),
}
"""Lowest and highest value that each limit may take."""


@dataclass(frozen=True, slots=True)
class KeepOutBox:
    """A box that no part of arm and hand may enter, base frame.

    Raises:
        ConfigurationError: no name, corners that are no finite numbers or no box.
    """

    name: str
    min_m: tuple[float, float, float]
    max_m: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ConfigurationError(f"a keep-out box has the name {self.name!r}, expected a text")
        for end in ("min_m", "max_m"):
            corner = getattr(self, end)
            numbers = tuple(map(_as_float, corner))
            if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
                raise ConfigurationError(
                    f"corner {corner!r} of the keep-out box {self.name!r} must be three numbers [m]"
                )
            # integers beyond 64 bit would become an array of objects
            object.__setattr__(self, end, numbers)
        if not all(low < high for low, high in zip(self.min_m, self.max_m, strict=True)):
            raise ConfigurationError(
                f"keep-out box {self.name!r}: each of min_m {self.min_m} must be below max_m"
                f" {self.max_m}"
            )

    @classmethod
    def from_mapping(cls, data: object) -> "KeepOutBox":
        """From the parsed YAML: name, min_m and max_m.

        Raises:
            ConfigurationError: other keys, or unusable values.
        """
        if not isinstance(data, Mapping) or set(data) != {"name", "min_m", "max_m"}:
            raise ConfigurationError(
                f"a keep-out box must be a mapping of name, min_m and max_m, got {data!r}"
            )
        corners = (data["min_m"], data["max_m"])
        if not all(isinstance(corner, list | tuple) for corner in corners):
            raise ConfigurationError(f"corners of a keep-out box must be lists, got {data!r}")
        return cls(data["name"], tuple(corners[0]), tuple(corners[1]))


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """Limits applied to every action before the arm sees it.

    Attributes:
        max_step_translation_m, max_step_rotation_rad: length of one delta and its rotation
            angle; longer ones are shortened along their direction.
        max_speed_m_s, max_speed_rad_s: speed of the streamed twist.
        max_lead_m, max_lead_rad: how far the target may run ahead of the measured pose.
        max_observation_age_s: oldest observation that may still move the arm, ROS time.
        max_future_s: how far an observation stamp may lie ahead of the node's clock.
        max_action_age_s: how long an action may be on its way, ROS time.
        max_acceleration_m_s2, max_jerk_m_s3: of each axis of the tool while it follows actions;
            of its rotation 1.2 times as much (`safety_pace.RADIANS_PER_METRE`). A stop may
            use more.
        joint_speed_share, joint_acceleration_share, joint_jerk_share: part of the FR3's own
            joint and tool limits (`fr3_limits`) that is used.
        joint_margin_rad: distance that a target keeps from the end of each joint's range.
        singularity_slow, singularity_stop: smallest singular value of the Jacobian below which
            the arm is slowed, and at which it stops.
        collision_margin_m: distance that the links keep from each other, from the table and from
            the keep-out boxes.
        max_stop_s: no joint goes faster than it can be stopped in this time.
        max_gripper_force_n, max_gripper_speed_m_s: of the fingers.
        keep_out: boxes that no part of arm and hand may enter.

    Raises:
        ConfigurationError: a value is no number or lies outside `HARD_LIMITS`.
    """

    max_step_translation_m: float = 0.035
    max_step_rotation_rad: float = 0.18
    max_speed_m_s: float = 0.35
    max_speed_rad_s: float = 1.8
    max_lead_m: float = 0.08
    max_lead_rad: float = 0.35
    max_observation_age_s: float = 1.0
    max_future_s: float = 0.2
    max_action_age_s: float = 0.5
    max_acceleration_m_s2: float = 6.5
    max_jerk_m_s3: float = 650.0
    joint_speed_share: float = 0.9
    joint_acceleration_share: float = 0.95
    joint_jerk_share: float = 0.7
    joint_margin_rad: float = 0.06
    singularity_slow: float = 0.09
    singularity_stop: float = 0.04
    collision_margin_m: float = 0.01
    max_stop_s: float = 0.18
    max_gripper_force_n: float = 30.0
    max_gripper_speed_m_s: float = 0.1
    keep_out: tuple[KeepOutBox, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in HARD_LIMITS.items():
            value = getattr(self, name)
            number = _as_float(value)
            if not low <= number <= high:
                raise ConfigurationError(
                    f"safety limit {name} is {value!r}, expected a value in [{low}, {high}];"
                    " a configuration cannot go beyond these"
                )
            object.__setattr__(self, name, number)
        if not self.singularity_stop < self.singularity_slow:
            raise ConfigurationError(
                f"singularity_stop is {self.singularity_stop}, expected less than singularity_slow"
                f" ({self.singularity_slow})"
            )
        if not all(isinstance(box, KeepOutBox) for box in self.keep_out):
            raise ConfigurationError(f"keep_out must hold KeepOutBoxes, got {self.keep_out!r}")

    def scaled(self, factor: float, acceleration_factor: float = 1.0) -> "SafetyLimits":
        """The same envelope with steps and speeds, and accelerations, times a factor in (0, 1].

        Raises:
            ConfigurationError: the factor lies outside (0, 1], or a limit becomes too small.
        """
        for name, value in (("speed", factor), ("acceleration", acceleration_factor)):
            if not 0.0 < value <= 1.0:
                raise ConfigurationError(
                    f"{name} factor is {value}, expected above 0 and at most 1"
                )
        return replace(
            self,
            max_step_translation_m=self.max_step_translation_m * factor,
            max_step_rotation_rad=self.max_step_rotation_rad * factor,
            max_speed_m_s=self.max_speed_m_s * factor,
            max_speed_rad_s=self.max_speed_rad_s * factor,
            max_acceleration_m_s2=self.max_acceleration_m_s2 * acceleration_factor,
        )

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "SafetyLimits":
        """Build from the parsed YAML; every limit must be there, none is assumed.

        Raises:
            ConfigurationError: not a mapping, missing or unknown keys, unusable values.
        """
        if not isinstance(data, Mapping):
            raise ConfigurationError(f"safety limits must be a mapping, got {data!r}")
        known = {field.name for field in fields(cls)}
        missing, unknown = known - set(data), set(data) - known
        if missing or unknown:
            raise ConfigurationError(
                f"safety limits lack {sorted(missing)} and have unknown"
                f" {sorted(map(str, unknown))}; expected exactly {sorted(known)}"
            )
        boxes = data["keep_out"]
        if not isinstance(boxes, list | tuple):
            raise ConfigurationError(f"keep_out must be a list of boxes, got {boxes!r}")
        numbers = {name: value for name, value in data.items() if name != "keep_out"}
        return cls(**numbers, keep_out=tuple(map(KeepOutBox.from_mapping, boxes)))


def _as_float(value: object) -> float:
    """The number; NaN for what is none, infinite for integers of more than 308 digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
