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
}
"""Lowest and highest value that each limit may take."""


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

    def __post_init__(self) -> None:
        for name, (low, high) in HARD_LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigurationError(f"safety limit {name} is {value!r}, expected a number")
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigurationError(
                    f"safety limit {name} is {value}, expected a value in [{low}, {high}];"
                    " a configuration cannot go beyond these"
                )
            object.__setattr__(self, name, float(value))

    def scaled(self, factor: float) -> "SafetyLimits":
        """The same envelope with steps and speeds times `factor`, in (0, 1].

        Raises:
            ConfigurationError: the factor lies outside (0, 1], or a limit becomes too small.
        """
        if not 0.0 < factor <= 1.0:
            raise ConfigurationError(f"speed factor is {factor}, expected above 0 and at most 1")
        return replace(
            self,
            max_step_translation_m=self.max_step_translation_m * factor,
            max_step_rotation_rad=self.max_step_rotation_rad * factor,
            max_speed_m_s=self.max_speed_m_s * factor,
            max_speed_rad_s=self.max_speed_rad_s * factor,
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
        return cls(**data)
