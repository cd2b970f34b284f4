"""The robot's state at each step, from the executor and gripper states of a bag."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.robot_states import robot_state_of, state_before, state_of_frame
from spatialbot_model.contracts.types import ROBOT_STATE_WIDTH


@dataclass(frozen=True, slots=True)
class StampedMessages:
    """Messages of one topic that are decoded when they are asked for.

    Attributes:
        stamps_ns: of their headers, ascending.
        read: the decoded message of a number.
    """

    stamps_ns: Sequence[int]
    read: Callable[[int], Any]


def step_states(
    executor: StampedMessages, grippers: StampedMessages, frames_ns: Sequence[int]
) -> NDArray[np.float32]:
    """(N, 21) of `RobotState.vector` at each frame, NaN where the bag does not tell.

    Args:
        executor: ExecutorState.
        grippers: GripperState.
        frames_ns: (N,) stamps.
    """
    states = np.full((len(frames_ns), ROBOT_STATE_WIDTH), np.nan, np.float32)
    for row, frame_ns in enumerate(frames_ns):
        posed = state_of_frame(executor.stamps_ns, frame_ns)
        gripper = state_of_frame(grippers.stamps_ns, frame_ns)
        if posed is None or gripper is None:
            continue
        try:
            before = state_before(grippers.stamps_ns, gripper)
            states[row] = robot_state_of(
                executor.read(posed),
                grippers.read(gripper),
                None if before is None else grippers.read(before),
            ).vector()
        except ConfigurationError:
            # no pose was measured; a sample without one serves models that do not ask for it
            continue
    return states
