"""Test bench: an executor that drives an arm in memory on a clock of its own."""

import dataclasses

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig
from spatialbot_ros.robots.memory_arm import ManualClock, MemoryArm
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest

CELL = load_cell()
SPEC = ActionSpec()
PERIOD_S = 0.02
STAMP_NS = 5_000_000_000


class Bench:
    """An executor that drives an arm in memory on a clock of its own."""

    def __init__(self, **config):
        self.clock = ManualClock()
        self.arm = MemoryArm(CELL.home_joints_rad, self.clock, self.clock.wait)
        envelope = SafetyEnvelope(SafetyLimits(), CELL.workspace_min_m, CELL.workspace_max_m, SPEC)
        # an arm in memory answers at once
        config = {"response_lag_s": 0.0, "command_period_s": PERIOD_S} | config
        self.executor = Executor(ExecutorConfig(**config), envelope)
        self.sequence = 0
        self.stops = 0
        self.grips = []
        self.speeds = []

    def connect(self):
        self.arm.connect()
        self.executor.connected(self.arm.read_state())
        return self

    def act(self, translation_m=(0, 0, 0), rotation_rad=(0, 0, 0), closed=False, **changes):
        self.sequence += 1
        action = DeltaAction.from_values(translation_m, rotation_rad, closed, SPEC)
        request = ActionRequest.from_action(action, self.sequence, STAMP_NS)
        request = dataclasses.replace(request, **changes)
        return self.executor.apply(request, STAMP_NS)

    def tick(self, num=1):
        for _ in range(num):
            command = self.executor.step(self.arm.read_state())
            self.stops += command.stop
            if command.stop:
                self.arm.stop()
            if command.gripper_closed is not None:
                self.grips.append(command.gripper_closed)
                self.arm.command_gripper(command.gripper_closed)
            if command.dq_rad_s is not None:
                self.speeds.append(float(np.linalg.norm(command.twist_base[:3])))
                self.arm.stream_joints(command.dq_rad_s, command.hold_s, command.pace)
            self.clock.wait(PERIOD_S)
        return command

    def run(self, actions, **keywords):
        for translation_m in actions:
            self.act(translation_m, **keywords)
            self.tick(5)
        return self

    def block(self):
        """Joints stand although they are commanded."""
        for _ in range(8):
            measured = self.arm.read_state()
            commanded, stands = np.full(7, 0.4), np.zeros(7)
            self.executor.step(
                dataclasses.replace(measured, dq_commanded_rad_s=commanded, dq_rad_s=stands)
            )
            self.clock.wait(PERIOD_S)

    @property
    def state(self):
        return self.executor.state

    @property
    def position_m(self):
        return self.arm.read_state().T_base_ee[:3, 3]
