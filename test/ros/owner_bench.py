"""An owner of the arm in memory with a listener that remembers, for the tests of the owner."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from robot_process import wait_until

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig
from spatialbot_ros.nodes.arm_owner import ArmOwner, OwnerConfig
from spatialbot_ros.robots.memory_arm import MemoryArm
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest

CELL = load_cell()
SPEC = ActionSpec()


class Listener:
    """Test double: remembers what it heard."""

    def __init__(self):
        self.states, self.records, self.losses = [], [], []

    def on_state(self, executor):
        self.states.append(executor.state)

    def on_records(self, records):
        self.records += records

    def on_disconnected(self, reason):
        self.losses.append(reason)

    def now_ns(self):
        return 1_000_000_000


class Bench:
    def __init__(self, home_rad=CELL.home_joints_rad, keep_out=()):
        self.arm = MemoryArm(CELL.home_joints_rad)
        limits = SafetyLimits(keep_out=keep_out)
        envelope = SafetyEnvelope(limits, CELL.workspace_min_m, CELL.workspace_max_m, SPEC)
        self.executor = Executor(ExecutorConfig(response_lag_s=0.0), envelope)
        self.listener = Listener()
        config = OwnerConfig(0.02, home_rad, home_speed_factor=0.3)
        self.owner = ArmOwner(self.arm, self.executor, config, self.listener)
        self.sequence = 0

    def act(self, translation_m, closed=False):
        self.sequence += 1
        action = DeltaAction.from_values(translation_m, (0, 0, 0), closed, SPEC)
        self.owner.submit(ActionRequest.from_action(action, self.sequence, 1_000_000_000))

    def wait_for(self, state):
        wait_until(lambda: self.executor.state is state)


@contextmanager
def owner_bench() -> Iterator[Bench]:
    """Ends the owner and sees that its thread is gone."""
    bench = Bench()
    yield bench
    assert bench.owner.close()
    assert "arm-owner" not in {thread.name for thread in threading.enumerate()}
