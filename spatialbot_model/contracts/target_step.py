"""How one delta action moves the target pose: the same on the robot and in the simulated arm.

What is only too large is shortened: the step itself, what would leave the workspace box, and a
target that would run too far ahead of the arm. Pure and deterministic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import (
    compose,
    rotation_from_vector,
    rotation_vector,
    rpy_to_matrix,
)


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What bounds a target.

    Attributes:
        max_step_translation_m, max_step_rotation_rad: length of one delta and its rotation
            angle; longer ones are shortened along their direction.
        max_lead_m, max_lead_rad: how far the target may run ahead of the measured pose.
        workspace_min_m, workspace_max_m: (3,) corners of the box in the base frame.
    """

    max_step_translation_m: float
    max_step_rotation_rad: float
    max_lead_m: float
    max_lead_rad: float
    workspace_min_m: NDArray[np.float64]
    workspace_max_m: NDArray[np.float64]

    def clamp_to_workspace(self, position_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Nearest point of the workspace box."""
        return np.asarray(np.clip(position_m, self.workspace_min_m, self.workspace_max_m))


@dataclass(frozen=True, slots=True)
class TargetStep:
    """A new target and how it came about; a value that nothing shortened is the same object.

    Attributes:
        T_base_target: (4, 4) the new target.
        asked_turn_rad, step_m, step_turn_rad: (3,) rotation vector that was asked for, and the
            translation and rotation vector of the step after its length was bounded.
        wanted_m, boxed_m, position_m: (3,) position before and after the workspace box, and
            after the lead bound.
        wanted_lead_rad, lead_rad: (3,) rotation vector ahead of the arm, before and after the
            lead bound.
    """

    T_base_target: NDArray[np.float64]
    asked_turn_rad: NDArray[np.float64]
    step_m: NDArray[np.float64]
    step_turn_rad: NDArray[np.float64]
    wanted_m: NDArray[np.float64]
    boxed_m: NDArray[np.float64]
    position_m: NDArray[np.float64]
    wanted_lead_rad: NDArray[np.float64]
    lead_rad: NDArray[np.float64]


def advance_target(
    limits: StepLimits,
    translation_m: NDArray[np.float64],
    rotation_rad: NDArray[np.float64],
    T_base_target: NDArray[np.float64],
    T_base_measured: NDArray[np.float64],
) -> TargetStep:
    """The target after one delta action.

    Args:
        translation_m, rotation_rad: (3,) translation and extrinsic roll, pitch, yaw of the step
            in the base frame; finite.
        T_base_target: (4, 4) the target so far.
        T_base_measured: (4, 4) where the tool is.
    """
    asked_turn_rad = rotation_vector(rpy_to_matrix(rotation_rad))
    step_m = shorten(translation_m, limits.max_step_translation_m)
    step_turn_rad = shorten(asked_turn_rad, limits.max_step_rotation_rad)
    wanted_m = T_base_target[:3, 3] + step_m
    boxed_m = limits.clamp_to_workspace(wanted_m)
    position_m = _bound_lead(limits, boxed_m, T_base_measured[:3, 3])
    # rotation deltas are about base axes: they multiply from the left
    R = rotation_from_vector(step_turn_rad) @ T_base_target[:3, :3]
    wanted_lead_rad = rotation_vector(R @ T_base_measured[:3, :3].T)
    lead_rad = shorten(wanted_lead_rad, limits.max_lead_rad)
    if lead_rad is not wanted_lead_rad:
        R = rotation_from_vector(lead_rad) @ T_base_measured[:3, :3]
    return TargetStep(
        compose(R, position_m),
        asked_turn_rad,
        step_m,
        step_turn_rad,
        wanted_m,
        boxed_m,
        position_m,
        wanted_lead_rad,
        lead_rad,
    )


def shorten(vector: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """The same object when short enough, else a shorter vector of the same direction."""
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(vector))
    # one part in 1e9 of slack keeps a step of exactly the limit from counting as clamped
    return vector if length <= limit * (1.0 + 1e-9) else vector * (limit / length)


def _bound_lead(
    limits: StepLimits, wanted_m: NDArray[np.float64], measured_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Point of the box nearest to `wanted_m` on the way back to the arm, within the lead."""
    if np.linalg.norm(wanted_m - measured_m) <= limits.max_lead_m:
        return wanted_m
    # both ends lie in the box, which is convex: so does every point between them
    anchor_m = limits.clamp_to_workspace(measured_m)
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        point_m = anchor_m + middle * (wanted_m - anchor_m)
        inside = np.linalg.norm(point_m - measured_m) <= limits.max_lead_m
        low, high = (middle, high) if inside else (low, middle)
    return limits.clamp_to_workspace(anchor_m + low * (wanted_m - anchor_m))
