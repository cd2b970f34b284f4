"""An action on its way in, and what the safety envelope has to say about it."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction

TELEOP = "teleop"
"""Source of the actions of a person; they override everybody else's."""


class Severity(IntEnum):
    """Values of ``SafetyEvent.severity``."""

    NOTE = 0
    CLAMPED = 1
    REFUSED = 2
    FAULT = 3


@dataclass(frozen=True, slots=True)
class SafetyRecord:
    """One intervention; `asked` and `given` are SI, `given` is empty when refused."""

    name: str
    severity: Severity
    detail: str
    asked: tuple[float, ...] = ()
    given: tuple[float, ...] = ()
    source: str = "executor"
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """A DeltaAction as it came in, nothing checked yet.

    Attributes:
        observation_stamp_ns: ROS time of the newest frame it was computed from.
        translation_m: (3,) motion of one step in the base frame.
        rotation_rad: (3,) extrinsic roll, pitch, yaw of one step in the base frame.
        sent_stamp_ns: ROS time when it was sent, 0 when unknown.
    """

    sequence: int
    source: str
    action_spec_id: str
    observation_stamp_ns: int
    bins: tuple[int, ...]
    translation_m: NDArray[np.float64]
    rotation_rad: NDArray[np.float64]
    gripper_closed: bool
    sent_stamp_ns: int = 0

    @classmethod
    def from_action(
        cls, action: DeltaAction, sequence: int, observation_stamp_ns: int, source: str = "policy"
    ) -> "ActionRequest":
        """A consistent request for an action."""
        return cls(
            sequence=sequence,
            source=source,
            action_spec_id=action.spec.id,
            observation_stamp_ns=observation_stamp_ns,
            bins=action.bins,
            translation_m=action.translation_m,
            rotation_rad=action.rotation_rad,
            gripper_closed=action.gripper_closed,
        )
