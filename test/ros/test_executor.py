"""The executor's state machine, transition by transition, on an arm in memory."""

import dataclasses

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import rotation_vector
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.robots.memory_arm import ManualClock, MemoryArm
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest, Severity

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

    @property
    def state(self):
        return self.executor.state

    @property
    def position_m(self):
        return self.arm.read_state().T_base_ee[:3, 3]


@pytest.fixture
def bench():
    return Bench().connect()


def test_before_the_first_contact_nothing_is_followed():
    bench = Bench()
    assert bench.state is State.DISCONNECTED
    (record,) = bench.act((0.012, 0, 0))
    assert (record.name, record.severity) == ("not_ready", Severity.REFUSED)
    assert bench.executor.last_sequence == 1


def test_connected_is_idle_and_streams_nothing(bench):
    assert bench.state is State.IDLE
    command = bench.tick(5)
    assert command.dq_rad_s is None and bench.stops == 0


def test_actions_move_the_arm_by_their_sum(bench):
    start_m = bench.position_m
    bench.run([(0.012, 0.0, -0.006)] * 8)
    assert bench.state is State.RUNNING
    bench.tick(40)
    assert bench.state is State.HOLD
    np.testing.assert_allclose(bench.position_m - start_m, [0.096, 0.0, -0.048], atol=0.001)
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3] - start_m, [0.096, 0.0, -0.048], atol=1e-9
    )


def test_rotations_add_up_about_base_axes(bench):
    R_start = bench.arm.read_state().T_base_ee[:3, :3]
    for _ in range(4):
        bench.act(rotation_rad=(0.0, 0.0, 0.09))
        bench.tick(5)
    bench.tick(40)
    turn = rotation_vector(bench.arm.read_state().T_base_ee[:3, :3] @ R_start.T)
    np.testing.assert_allclose(turn, [0.0, 0.0, 0.36], atol=0.004)


def test_a_steady_stream_of_actions_is_a_steady_speed(bench):
    bench.run([(0.03, 0.0, 0.0)] * 8)
    np.testing.assert_allclose(bench.speeds[20:], 0.3, rtol=0.02)
    assert max(bench.speeds) <= SafetyLimits().max_speed_m_s + 1e-9


def test_the_sequence_is_acknowledged_also_when_refused(bench):
    bench.act((0.012, 0, 0))
    assert bench.executor.last_sequence == 1
    bench.act(translation_m=(0.012, 0, 0), action_spec_id="other")
    assert bench.executor.last_sequence == 2
    assert bench.executor.num_safety_events == 1
    assert "action_spec" in bench.executor.detail


def test_without_actions_the_arm_holds_and_keeps_its_target(bench):
    bench.run([(0.012, 0, 0)] * 3)
    target = bench.executor.T_base_target
    bench.tick(9)
    assert bench.state is State.RUNNING
    bench.tick(30)
    assert bench.state is State.HOLD
    assert bench.stops == 1
    np.testing.assert_array_equal(bench.executor.T_base_target, target)
    bench.act((0.012, 0, 0))
    assert bench.state is State.RUNNING
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], target[:3, 3] + np.array([0.012, 0.0, 0.0]), atol=1e-12
    )


def test_a_gap_is_measured_in_robot_time_only(bench):
    bench.act((0.012, 0, 0))
    for _ in range(100):
        bench.executor.step(bench.arm.read_state())
    assert bench.state is State.RUNNING


def test_a_refused_action_brings_the_arm_to_rest_and_moves_nothing(bench):
    bench.run([(0.02, 0, 0)] * 2)
    bench.act((0.02, 0, 0))
    bench.tick(1)
    records = bench.act(translation_m=(0, 0, 0), action_spec_id="other")
    assert [r.name for r in records] == ["action_spec"]
    assert bench.state is State.HOLD
    bench.tick(1)
    assert bench.stops == 1
    rest_m = bench.position_m
    bench.tick(20)
    np.testing.assert_array_equal(bench.position_m, rest_m)
    # what was left of the earlier action is dropped
    bench.act((0, 0, 0))
    np.testing.assert_allclose(bench.executor.T_base_target[:3, 3], rest_m, atol=1e-12)


def test_stop_latches_until_resume(bench):
    bench.run([(0.02, 0, 0)] * 3)
    assert bench.executor.stop("test").success
    assert bench.state is State.STOPPED
    bench.tick(1)
    rest_m = bench.position_m
    for _ in range(5):
        assert bench.act((0.02, 0, 0))[0].name == "not_ready"
        bench.tick(5)
    np.testing.assert_array_equal(bench.position_m, rest_m)
    assert bench.executor.resume().success
    assert bench.state is State.IDLE
    bench.tick(5)
    np.testing.assert_array_equal(bench.position_m, rest_m)
    bench.act((0.012, 0, 0))
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], rest_m + np.array([0.012, 0.0, 0.0]), atol=1e-12
    )


@pytest.mark.parametrize("state", ["idle", "running", "hold", "homing", "fault", "disconnected"])
def test_stop_wins_in_every_state(bench, state):
    executor = bench.executor
    if state in ("running", "hold"):
        bench.act((0.012, 0, 0))
    if state == "hold":
        bench.tick(60)
    if state == "homing":
        executor.begin_homing()
    if state == "fault":
        executor.fault("test")
    if state == "disconnected":
        executor.disconnected("test")
    assert executor.state.value == state
    assert executor.stop("test").success
    if state == "disconnected":
        executor.connected(bench.arm.read_state())
    if state == "fault":
        executor.recovered(bench.arm.read_state())
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert bench.state is State.STOPPED
    assert bench.tick().dq_rad_s is None


def test_a_fault_needs_recover_then_resume(bench):
    bench.run([(0.012, 0, 0)] * 2)
    bench.arm.trip_reflex()
    command = bench.tick(1)
    assert bench.state is State.FAULT
    assert [r.name for r in command.records] == ["fault"]
    assert command.records[0].severity is Severity.FAULT
    assert bench.tick(5).records == ()
    assert bench.executor.num_faults == 1
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert not bench.executor.resume().success
    assert not bench.executor.recovered(bench.arm.read_state()).success
    bench.arm.recover()
    assert bench.executor.recovered(bench.arm.read_state()).success
    assert bench.state is State.STOPPED
    assert bench.executor.resume().success
    assert bench.state is State.IDLE
    bench.tick(1)
    assert bench.state is State.IDLE


def test_one_interrupted_motion_is_an_event_and_the_target_is_reached(bench):
    bench.act((0.03, 0, 0))
    bench.tick()
    bench.executor.interrupted("Motion planner failed with error code -110")
    command = bench.tick()
    assert [(r.name, r.source) for r in command.records] == [("motion_interrupted", "robot")]
    assert bench.executor.state is State.RUNNING
    bench.tick(40)
    error_m = bench.executor.T_base_target[:3, 3] - bench.arm.read_state().T_base_ee[:3, 3]
    assert np.linalg.norm(error_m) < 0.002
    assert bench.executor.num_faults == 0


def test_motions_interrupted_again_and_again_are_a_fault(bench):
    bench.act((0.03, 0, 0))
    bench.tick()
    bench.executor.interrupted("once")
    bench.tick()
    bench.executor.interrupted("twice")
    bench.tick()
    assert bench.executor.state is State.FAULT
    assert bench.executor.num_faults == 1


def test_an_engaged_user_stop_is_a_fault(bench):
    state = dataclasses.replace(bench.arm.read_state(), mode=ArmMode.USER_STOPPED)
    bench.executor.step(state)
    assert bench.state is State.FAULT
    assert "user stop" in bench.executor.detail


def test_homing_ends_idle_and_starts_from_the_measured_pose(bench):
    bench.run([(0.02, 0, -0.01)] * 3, closed=True)
    assert bench.executor.begin_homing().success
    assert bench.state is State.HOMING
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert not bench.executor.begin_homing().success
    bench.tick(1)
    assert bench.grips == [True, False]
    assert bench.arm.move_to_joints(CELL.home_joints_rad, 0.5)
    bench.executor.step(bench.arm.read_state())
    assert bench.executor.end_homing(True).success
    assert bench.state is State.IDLE
    home_m = bench.position_m
    bench.act((0.0, 0.0, 0.012))
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], home_m + np.array([0.0, 0.0, 0.012]), atol=1e-9
    )


def test_homing_can_be_stopped_and_given_up(bench):
    bench.executor.begin_homing()
    bench.executor.stop("test")
    outcome = bench.executor.end_homing(False, "stopped")
    assert not outcome.success and "stopped" in outcome.message
    assert bench.state is State.STOPPED
    assert not bench.executor.begin_homing().success
    bench.executor.resume()
    bench.executor.begin_homing()
    assert not bench.executor.end_homing(False, "blocked").success
    assert bench.state is State.IDLE
    assert "blocked" in bench.executor.detail


def test_after_a_lost_connection_nobody_moves_before_resume(bench):
    bench.run([(0.012, 0, 0)] * 2)
    bench.executor.disconnected("cable")
    assert bench.state is State.DISCONNECTED
    assert not bench.executor.resume().success
    assert not bench.executor.begin_homing().success
    bench.executor.connected(bench.arm.read_state())
    assert bench.state is State.STOPPED
    assert bench.executor.resume().success


def test_the_gripper_hears_changes_only(bench):
    bench.run([(0, 0, 0)] * 3)
    bench.run([(0, 0, 0)] * 3, closed=True)
    bench.run([(0, 0, 0)] * 2)
    assert bench.grips == [False, True, False]


def test_a_stop_drops_a_gripper_wish_that_was_not_sent(bench):
    bench.run([(0, 0, 0)])
    bench.act(closed=True)
    bench.executor.stop("test")
    bench.tick(3)
    assert bench.grips == [False]
    bench.executor.resume()
    bench.run([(0, 0, 0)], closed=True)
    assert bench.grips == [False, True]


def test_a_late_caller_slows_the_arm_down_but_never_hurries_it(bench):
    start_m = bench.position_m
    bench.run([(0.02, 0, 0)] * 2)
    bench.clock.wait(0.25)
    bench.tick(1)
    assert max(bench.speeds) <= SafetyLimits().max_speed_m_s + 1e-9
    bench.tick(40)
    assert np.max(bench.position_m[0]) <= start_m[0] + 0.04 + 1e-3


def test_a_burst_of_actions_is_worked_off_at_limited_speed(bench):
    names = {r.name for _ in range(3) for r in bench.act((0.03, 0, 0))}
    assert names == {"lead", "speed"}
    bench.tick(60)
    assert max(bench.speeds) <= SafetyLimits().max_speed_m_s + 1e-9


def test_unusable_control_behaviour_is_refused():
    with pytest.raises(ConfigurationError, match="command period"):
        ExecutorConfig(command_period_s=0.2)
    with pytest.raises(ConfigurationError, match="gap_periods"):
        ExecutorConfig(gap_periods=0.5)


def teleop(bench, translation_m=(0, 0, 0), sequence=1, **changes):
    return bench.act(translation_m, source="teleop", sequence=sequence, **changes)


def test_a_person_overrides_the_policy_and_the_policy_goes_on_where_the_arm_was_left(bench):
    bench.run([(0.012, 0, 0)] * 3)
    acknowledged = bench.executor.last_sequence
    (begin,) = teleop(bench, (0, 0.012, 0))
    assert (begin.name, begin.severity, begin.source) == (
        "intervention_begin",
        Severity.NOTE,
        "teleop",
    )
    assert bench.state is State.TELEOP and bench.executor.detail.startswith("intervention: ")
    # a policy waits for its own numbers
    assert bench.executor.last_sequence == acknowledged
    target_m = bench.executor.T_base_target[:3, 3]
    (refusal,) = bench.act((0.03, 0, 0))
    assert (refusal.name, refusal.severity) == ("overridden", Severity.REFUSED)
    assert bench.executor.last_sequence == bench.sequence
    np.testing.assert_array_equal(bench.executor.T_base_target[:3, 3], target_m)
    for number in range(2, 8):
        bench.tick(5)
        assert teleop(bench, (0, 0.012, 0), number) == ()
        bench.act((0.03, 0, 0))
    records = [r for _ in range(60) for r in bench.tick().records]
    assert [r.name for r in records] == ["intervention_end"]
    assert bench.state is State.HOLD
    left_m = bench.position_m
    assert left_m[1] == pytest.approx(7 * 0.012, abs=0.001)
    assert bench.act((0.012, 0, 0)) == ()
    assert bench.state is State.RUNNING
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], left_m + np.array([0.012, 0, 0]), atol=1e-9
    )


def test_the_hold_off_is_robot_time_after_the_last_action_of_a_person(bench):
    teleop(bench)
    bench.tick(45)
    assert bench.act((0.012, 0, 0))[0].name == "overridden"
    teleop(bench, sequence=2)
    bench.tick(45)
    assert bench.act((0.012, 0, 0))[0].name == "overridden"
    for _ in range(100):
        bench.executor.step(bench.arm.read_state())
    assert bench.state is State.TELEOP
    bench.tick(10)
    assert bench.state is State.HOLD
    assert bench.act((0.012, 0, 0)) == ()


def test_a_person_whose_action_is_refused_still_has_the_arm(bench):
    bench.run([(0.012, 0, 0)] * 3)
    names = [r.name for r in teleop(bench, action_spec_id="other")]
    assert names == ["intervention_begin", "action_spec"]
    assert bench.state is State.TELEOP
    assert bench.act((0.012, 0, 0))[0].name == "overridden"


@pytest.mark.parametrize("end", ["stop", "fault", "disconnect", "home"])
def test_what_ends_all_motion_ends_an_intervention(bench, end):
    teleop(bench, (0.012, 0, 0))
    bench.tick()
    executor = bench.executor
    if end == "stop":
        executor.stop("test")
    elif end == "fault":
        executor.fault("test")
    elif end == "home":
        assert executor.begin_homing().success
    else:
        executor.disconnected("cable")
        executor.connected(bench.arm.read_state())
    assert next(r.name for r in bench.tick().records) == "intervention_end"
    assert teleop(bench, sequence=2)[0].name == "not_ready"
    assert bench.state in (State.STOPPED, State.FAULT, State.HOMING)
    # the next contact begins another one
    if end == "stop":
        executor.resume()
        assert teleop(bench, sequence=3)[0].name == "intervention_begin"


def test_a_hold_off_shorter_than_the_pauses_between_actions_is_refused():
    with pytest.raises(ConfigurationError, match="teleop_hold_off_s"):
        ExecutorConfig(teleop_hold_off_s=0.1)


def test_recovery_is_a_state_of_its_own_and_may_fail(bench):
    executor = bench.executor
    assert not executor.begin_recovery().success
    bench.arm.trip_reflex()
    bench.tick()
    assert executor.begin_recovery().success
    assert bench.state is State.RECOVERING
    assert not executor.begin_recovery().success
    assert not executor.resume().success
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert not executor.recovery_failed("errors persist").success
    assert bench.state is State.FAULT
    executor.begin_recovery()
    executor.disconnected("cable")
    assert bench.state is State.DISCONNECTED


def test_after_a_recovery_the_target_is_where_the_arm_was_left(bench):
    bench.run([(0.02, 0, 0)] * 3)
    bench.arm.trip_reflex()
    bench.tick()
    bench.executor.begin_recovery()
    bench.arm.recover()
    assert bench.executor.recovered(bench.arm.read_state()).success
    assert bench.state is State.STOPPED
    np.testing.assert_array_equal(bench.executor.T_base_target, bench.arm.read_state().T_base_ee)
    assert bench.tick(20).dq_rad_s is None
    bench.executor.resume()
    assert bench.tick(20).dq_rad_s is None


def test_an_executor_that_did_not_run_for_a_while_holds(bench):
    bench.run([(0.02, 0, 0)] * 2)
    bench.act((0.02, 0, 0))
    bench.clock.wait(0.6)
    command = bench.tick()
    assert [r.name for r in command.records] == ["heartbeat"]
    assert command.dq_rad_s is None and command.stop
    assert bench.state is State.HOLD
    bench.act((0.012, 0, 0))
    assert bench.state is State.RUNNING


TRANSITIONS = {
    # from: {event: to}
    "disconnected": {"connect": "idle", "stop": "disconnected", "act": "disconnected"},
    "idle": {"act": "running", "stop": "stopped", "reflex": "fault", "home": "homing"},
    "running": {"gap": "hold", "bad": "hold", "stop": "stopped", "reflex": "fault"},
    "hold": {"act": "running", "stop": "stopped", "reflex": "fault", "home": "homing"},
    "teleop": {"let go": "hold", "stop": "stopped", "reflex": "fault", "home": "homing"},
    "homing": {"arrive": "idle", "act": "homing", "stop": "stopped", "reflex": "fault"},
    "stopped": {"resume": "idle", "act": "stopped", "home": "stopped", "reflex": "fault"},
    "fault": {"resume": "fault", "act": "fault", "recover": "recovering", "stop": "fault"},
    "recovering": {"recovered": "stopped", "failed": "fault", "act": "recovering"},
}


def bring_to(bench, state):
    if state == "disconnected":
        return
    bench.connect()
    way = {
        "running": ["act"],
        "hold": ["act", "gap"],
        "teleop": ["teleop"],
        "homing": ["home"],
        "stopped": ["stop"],
        "fault": ["reflex"],
        "recovering": ["reflex", "recover"],
    }
    for event in way.get(state, []):
        happen(bench, event)


def happen(bench, event):
    executor = bench.executor
    events = {
        "connect": bench.connect,
        "lose": lambda: executor.disconnected("cable"),
        "act": lambda: bench.act((0.012, 0, 0)),
        "bad": lambda: bench.act((0.012, 0, 0), action_spec_id="other"),
        "teleop": lambda: bench.act((0.012, 0, 0), source="teleop"),
        "gap": lambda: bench.tick(60),
        "let go": lambda: bench.tick(60),
        "stop": lambda: executor.stop("test"),
        "resume": executor.resume,
        "home": executor.begin_homing,
        "arrive": lambda: executor.end_homing(True),
        "reflex": lambda: (bench.arm.trip_reflex(), bench.tick()),
        "recover": lambda: (bench.arm.recover(), executor.begin_recovery()),
        "recovered": lambda: executor.recovered(bench.arm.read_state()),
        "failed": lambda: executor.recovery_failed("errors persist"),
    }
    events[event]()


@pytest.mark.parametrize(
    ("state", "event", "next_state"),
    [
        (state, event, to)
        for state, ways in TRANSITIONS.items()
        for event, to in (ways | {"lose": "disconnected"}).items()
    ],
)
def test_every_transition(state, event, next_state):
    bench = Bench()
    bring_to(bench, state)
    assert bench.state.value == state
    happen(bench, event)
    assert bench.state.value == next_state


def test_the_drawing_in_the_docs_shows_the_same_transitions():
    from spatialbot_model.contracts.resources import find_resource

    text = find_resource("docs/executor.md").read_text(encoding="utf-8")
    drawn = set()
    for line in text.splitlines():
        left, arrow, right = line.strip().partition(" --> ")
        if arrow and not left.startswith("[*]"):
            drawn.add((left.lower(), right.partition(":")[0].strip().lower()))
    tested = {(a, b) for a, ways in TRANSITIONS.items() for b in ways.values() if a != b}
    assert tested <= drawn
    assert {state.value for state in State} == {name for pair in drawn for name in pair}
