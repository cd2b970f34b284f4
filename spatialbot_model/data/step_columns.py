"""The columns that a converted dataset has for every step, the same in every format.

No name begins with ``observation`` or ``action``: training libraries feed
whatever begins so to the policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialbot_model.contracts.action_spec import ACTION_NAMES
from spatialbot_model.contracts.episode_contents import POSE_NAMES, Steps
from spatialbot_model.contracts.errors import RecordingError


@dataclass(frozen=True, slots=True)
class StepColumn:
    """One column.

    Attributes:
        name: in the dataset and in `Steps`.
        dtype: numpy name, or ``string``.
        doc: meaning and unit.
        names: of the numbers in a row; None for a single value; ``joints`` for the robot's.
    """

    name: str
    dtype: str
    doc: str
    names: tuple[str, ...] | str | None = None

    def shape(self, num_joints: int) -> tuple[int, ...]:
        """Shape of one row; () for a single value."""
        if self.names is None:
            return ()
        return (num_joints,) if self.names == "joints" else (len(self.names),)

    def names_of(self, joint_names: Sequence[str]) -> list[str] | None:
        """Names of the numbers in a row."""
        if self.names is None:
            return None
        return list(joint_names if self.names == "joints" else self.names)

    def values(self, steps: Steps) -> Any:
        """The column of these steps: an array, or a list of text."""
        values = getattr(steps, self.name)
        return list(values) if self.dtype == "string" else values.astype(self.dtype)


_XYZ, _RPY = ("x", "y", "z"), ("roll", "pitch", "yaw")
STEP_COLUMNS = (
    StepColumn("capture_ns", "int64", "ROS time at which the camera took the frame [ns]"),
    StepColumn("observed_ns", "int64", "stamp that the action names as its observation [ns]"),
    StepColumn("sent_ns", "int64", "ROS time at which the action was sent [ns]"),
    StepColumn("sequence", "int64", "number of the action"),
    StepColumn("source", "string", "who decided: policy, teleop, expert"),
    StepColumn("bins", "int64", "the action in bins 0..100 of the ActionSpec", ACTION_NAMES),
    StepColumn("translation_m", "float64", "motion of the step in the base frame [m]", _XYZ),
    StepColumn("rotation_rad", "float64", "extrinsic roll, pitch, yaw of the step [rad]", _RPY),
    StepColumn("gripper_closed", "bool", "the action closes the gripper"),
    StepColumn("ee_pose", "float64", "tool centre point in the base frame [m, unit]", POSE_NAMES),
    StepColumn("ee_ns", "int64", "stamp of ee_pose [ns]"),
    StepColumn("joint_position", "float64", "joint positions [rad; m for fingers]", "joints"),
    StepColumn("joint_ns", "int64", "stamp of joint_position [ns]"),
    StepColumn("gripper_width_m", "float64", "measured gripper width [m]"),
    StepColumn("gripper_command_closed", "bool", "what the gripper was last asked to do"),
    StepColumn("gripper_ns", "int64", "stamp of the gripper's state [ns]"),
    StepColumn("policy_text", "string", "what the policy answered"),
)
"""One per attribute of `Steps`: reading all of them back gives the same `Steps`."""


def steps_of_columns(columns: dict[str, Any], num_joints: int) -> Steps:
    """Inverse of `StepColumn.values` over all columns.

    Args:
        columns: name -> values of N rows, as nested lists or arrays.
        num_joints: width of the joint columns, for N = 0.

    Raises:
        RecordingError: a column is missing or does not fit.
    """
    missing = [column.name for column in STEP_COLUMNS if column.name not in columns]
    if missing:
        raise RecordingError(
            f"the dataset lacks the columns {', '.join(missing)}; it was not written by this"
            " software, or they were removed"
        )
    fields: dict[str, Any] = {}
    for column in STEP_COLUMNS:
        values = columns[column.name]
        if column.dtype == "string":
            fields[column.name] = tuple(str(value) for value in values)
            continue
        try:
            array = np.asarray(values, dtype=column.dtype)
            fields[column.name] = array.reshape(len(values), *column.shape(num_joints))
        except (TypeError, ValueError) as error:
            raise RecordingError(f"column {column.name} cannot be used: {error}") from error
    return Steps(**fields)
