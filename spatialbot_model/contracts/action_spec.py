"""What an action bin means: ranges, rate, frame and gripper sense of a robot or a dataset.

Stored with every dataset and checkpoint, so that two sides which disagree find out before
anything moves.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ActionSpecMismatchError, ConfigurationError
from spatialbot_model.contracts.types import BASE_FRAME

NUM_BINS = 101
"""Values 0.00, 0.01, .. 1.00 of every action dimension."""

ZERO_BIN = 50
"""The bin that is exactly no motion, because all ranges are symmetric."""

ACTION_NAMES = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper")


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """Meaning of the seven action numbers (dx, dy, dz, droll, dpitch, dyaw, gripper).

    Bin k of a motion dimension means ``low + k / 100 * (high - low)`` with ``low = -high``.

    Attributes:
        translation_limit_m: largest motion per step along each axis [m].
        rotation_limit_rad: largest rotation per step about each axis [rad].
        rate_hz: control steps per second of robot time.
        frame: frame in which both deltas are expressed.
        rotation: rotation convention; ``extrinsic_rpy`` is fixed-axis roll, pitch, yaw.
        gripper_closed_value: which end of the gripper number means closed, 1.0 or 0.0.

    Raises:
        ConfigurationError: a value of the wrong type, not finite or not positive.
    """

    translation_limit_m: float = 0.03
    rotation_limit_rad: float = 0.15
    rate_hz: float = 10.0
    frame: str = BASE_FRAME
    rotation: str = "extrinsic_rpy"
    gripper_closed_value: float = 1.0

    def __post_init__(self) -> None:
        for name in ("translation_limit_m", "rotation_limit_rad", "rate_hz"):
            value = _number(name, getattr(self, name))
            if value <= 0.0:
                raise ConfigurationError(f"action spec: {name} is {value}, expected above 0")
            object.__setattr__(self, name, value)
        for name in ("frame", "rotation"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text:
                raise ConfigurationError(f"action spec: {name} is {text!r}, expected a name")
        closed = _number("gripper_closed_value", self.gripper_closed_value)
        if closed not in (0.0, 1.0):
            raise ConfigurationError(
                f"action spec: gripper_closed_value is {closed}, expected 1.0 (or 0.0)"
            )
        object.__setattr__(self, "gripper_closed_value", closed)

    @property
    def low(self) -> NDArray[np.float64]:
        """(7,) what bin 0 means: [m] x 3, [rad] x 3, gripper number."""
        return np.array([-self.translation_limit_m] * 3 + [-self.rotation_limit_rad] * 3 + [0.0])

    @property
    def high(self) -> NDArray[np.float64]:
        """(7,) what bin 100 means: [m] x 3, [rad] x 3, gripper number."""
        return np.array([self.translation_limit_m] * 3 + [self.rotation_limit_rad] * 3 + [1.0])

    @property
    def id(self) -> str:
        """Short fingerprint of the canonical JSON, equal on every machine (12 hex digits)."""
        canonical = json.dumps(self.to_mapping(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def to_mapping(self) -> dict[str, float | str]:
        """Plain values for JSON or YAML."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "ActionSpec":
        """Inverse of `to_mapping`; every field must be there, a default is never assumed.

        Raises:
            ConfigurationError: not a mapping, missing or unknown fields, unusable values.
        """
        if not isinstance(data, Mapping):
            raise ConfigurationError(f"an action spec must be a mapping, got {data!r}")
        known = {field.name for field in fields(cls)}
        missing, unknown = known - set(data), set(data) - known
        if missing or unknown:
            raise ConfigurationError(
                f"action spec lacks {sorted(missing)} and has unknown {sorted(map(str, unknown))};"
                f" expected exactly {sorted(known)}"
            )
        return cls(**data)

    def check_compatible(self, other: "ActionSpec") -> None:
        """Refuse to go on when `other` gives the same bins another meaning.

        Raises:
            ActionSpecMismatchError: lists the fields that differ with both values.
        """
        differing = [
            f"{field.name} ({getattr(self, field.name)!r} here, {getattr(other, field.name)!r}"
            " there)"
            for field in fields(self)
            if getattr(self, field.name) != getattr(other, field.name)
        ]
        if differing:
            raise ActionSpecMismatchError(
                f"action specs {self.id} and {other.id} differ in {', '.join(differing)}; use a"
                " robot configuration and a policy that were made for each other"
            )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ConfigurationError(f"action spec: {name} is {value!r}, expected a number")
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        number = math.inf
    if not math.isfinite(number):
        raise ConfigurationError(f"action spec: {name} is {number}, expected a finite number")
    return number
