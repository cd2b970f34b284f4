"""Test double of the arm's owner: drives an arm with an executor, on robot time."""

import numpy as np
from robot_process import wait_until
from tool_motion import stream_twist

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest

CELL = load_cell()
SPEC = ActionSpec()
CONFIG = ExecutorConfig()
FORWARD = np.array([0.1, 0.0, 0.0, 0.0, 0.0, 0.0])


def make_executor():
    limits = SafetyLimits()
    envelope = SafetyEnvelope(limits, CELL.workspace_min_m, CELL.workspace_max_m, SPEC)
    return Executor(CONFIG, envelope)


def drive(arm, executor, deltas_m, first_sequence=1):
    """Send one delta each 0.1 s of robot time, then let the executor hold.

    Returns:
        Path of the tool (n, 3) [m], and the longest time between two cycles [s of robot time].
    """
    state = arm.read_state()
    begun_s = last_s = state.robot_time_s
    waiting, path, pauses_s = list(deltas_m), [], []

    def cycle():
        nonlocal last_s
        state = arm.read_state()
        if state.robot_time_s - last_s < CONFIG.command_period_s - 1e-9:
            return None
        pauses_s.append(state.robot_time_s - last_s)
        last_s = state.robot_time_s
        sent = len(deltas_m) - len(waiting)
        if waiting and last_s - begun_s >= 0.1 * sent:
            action = DeltaAction.from_values(waiting.pop(0), (0, 0, 0), False, SPEC)
            request = ActionRequest.from_action(action, first_sequence + sent, 0)
            assert executor.apply(request, 0) == ()
        command = executor.step(state)
        if command.dq_rad_s is not None:
            arm.stream_joints(command.dq_rad_s, command.hold_s, command.pace)
        elif command.stop:
            arm.stop(command.pace)
        path.append(state.T_base_ee[:3, 3])
        return not waiting and executor.state is State.HOLD

    wait_until(cycle, 60.0)
    wait_until(lambda: arm.read_state().mode is ArmMode.IDLE)
    return np.array(path), max(pauses_s)


def stream_for(arm, duration_s, twist=FORWARD, hold_s=0.05):
    begun_s = arm.read_state().robot_time_s

    def done():
        stream_twist(arm, twist, hold_s)
        state = arm.read_state()
        return state if state.robot_time_s - begun_s > duration_s else None

    return wait_until(done)
