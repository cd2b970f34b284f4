"""Injected faults: the plan, the doubles that fail, and a few real faults on simulated time."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="the simulated lab needs the `sim` extra")

from tool_motion import stream_twist

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    RobotConnectionError,
    RobotError,
    UnknownNameError,
)
from spatialbot_model.contracts.types import PolicyStep
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.demo.faulty_answers import JUMP, POLICY_FAULTS, SILENT, AnswerFaults
from spatialbot_ros.demo.faulty_arm import (
    CLOCK_PAUSED,
    CONNECTION_LOST,
    REFLEX,
    SILENCE,
    USER_STOP,
    FaultyArm,
)
from spatialbot_ros.demo.injected_faults import run_injections, summarise
from spatialbot_ros.demo.injection_plan import ROBOT_FAULTS, plan_faults
from spatialbot_ros.demo.simulated_wake import SimulatedWake
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.robots.memory_arm import ManualClock
from spatialbot_sim.camera_faults import FAULTS as CAMERA_FAULTS

SEED, NUM_FAULTS = 1049, 4
FORWARD = np.array([0.1, 0, 0, 0, 0, 0])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def arm(clock: ManualClock) -> FaultyArm:
    arm = FaultyArm(load_cell().home_joints_rad, clock, lambda: 0.08, lambda closed: None)
    arm.connect()
    return arm


def test_a_plan_is_a_third_of_each_kind_and_all_names_alike() -> None:
    plan = plan_faults(5, 3 * 14 * 9)
    assert Counter(f.kind for f in plan) == {"robot": 126, "camera": 126, "policy": 126}
    names = Counter(f.name for f in plan)
    assert set(names) == {*ROBOT_FAULTS, *CAMERA_FAULTS, *POLICY_FAULTS}
    assert {names[name] for name in CAMERA_FAULTS} == {14}
    assert {names[name] for name in POLICY_FAULTS} == {9}
    assert {names[name] for name in ROBOT_FAULTS} == {21}


def test_a_longer_plan_begins_with_the_shorter_one() -> None:
    assert plan_faults(3, 100)[:40] == plan_faults(3, 40)
    assert plan_faults(3, 40) != plan_faults(4, 40)


def test_time_passes_only_as_far_as_the_lab_lets_it(clock: ManualClock) -> None:
    wake, seen = SimulatedWake(clock), []
    may_end = threading.Event()

    def work() -> None:
        while not may_end.is_set():
            seen.append((round(clock.now_s, 3), wake.wait(0.03)))
            wake.clear()

    thread = threading.Thread(target=work)
    thread.start()
    wake.begin()
    wake.run_until(0.1)
    assert clock.now_s == 0.1
    assert seen == [(0.0, False), (0.03, False), (0.06, False)]
    wake.set()
    assert seen[-1] == (0.09, True)
    wake.skip_until(0.5)
    wake.run_until(0.52)
    assert [at for at, _ in seen[4:]] == [0.1]
    may_end.set()
    wake.end()
    thread.join(10.0)
    assert not thread.is_alive()


@pytest.mark.parametrize("name", [REFLEX, USER_STOP])
def test_a_robot_that_has_stopped_itself_says_so_and_takes_nothing(
    name: str, arm: FaultyArm, clock: ManualClock
) -> None:
    stream_twist(arm, FORWARD, 1.0)
    clock.wait(0.1)
    arm.begin(name)
    rest_rad = arm.truth().q_rad
    assert arm.read_state().mode is {REFLEX: ArmMode.REFLEX, USER_STOP: ArmMode.USER_STOPPED}[name]
    with pytest.raises(RobotError):
        stream_twist(arm, FORWARD, 1.0)
    clock.wait(1.0)
    np.testing.assert_array_equal(arm.truth().q_rad, rest_rad)
    arm.end()
    arm.recover()
    stream_twist(arm, FORWARD, 1.0)
    clock.wait(0.1)
    assert np.abs(arm.truth().q_rad - rest_rad).max() > 0.005


def test_a_lost_robot_is_found_again_where_it_stood(arm: FaultyArm, clock: ManualClock) -> None:
    stream_twist(arm, FORWARD, 1.0)
    clock.wait(0.1)
    arm.begin(CONNECTION_LOST)
    rest_rad = arm.truth().q_rad
    for call in (arm.read_state, arm.connect, arm.recover):
        with pytest.raises(RobotConnectionError):
            call()
    arm.close()
    clock.wait(1.0)
    arm.end()
    arm.connect()
    np.testing.assert_array_equal(arm.read_state().q_rad, rest_rad)


def test_a_silent_robot_is_given_up_after_a_second(arm: FaultyArm, clock: ManualClock) -> None:
    before_s = arm.read_state().robot_time_s
    arm.begin(SILENCE)
    clock.wait(0.9)
    assert arm.truth().robot_time_s > before_s
    assert arm.read_state().robot_time_s == before_s
    clock.wait(0.2)
    with pytest.raises(RobotConnectionError):
        arm.read_state()


def test_a_paused_robot_goes_on_where_it_was(arm: FaultyArm, clock: ManualClock) -> None:
    stream_twist(arm, FORWARD, 1.0)
    clock.wait(0.1)
    before = arm.truth()
    x_m = before.T_base_ee[0, 3]
    arm.begin(CLOCK_PAUSED)
    clock.wait(2.0)
    assert arm.read_state().robot_time_s == pytest.approx(before.robot_time_s)
    np.testing.assert_allclose(arm.truth().q_rad, before.q_rad)
    arm.end()
    clock.wait(0.1)
    assert arm.truth().T_base_ee[0, 3] == pytest.approx(x_m + 0.01, abs=3e-4)


def test_unknown_faults_are_refused(arm: FaultyArm) -> None:
    with pytest.raises(UnknownNameError, match="reflex"):
        arm.begin("earthquake")
    with pytest.raises(UnknownNameError, match="garbage"):
        AnswerFaults(np.random.default_rng(0)).begin("boredom", 1.0)


@pytest.mark.parametrize("name", POLICY_FAULTS)
def test_each_fault_of_a_policy_changes_something_and_ends(name: str) -> None:
    spec = load_action_spec()
    action = DeltaAction.from_values([0.01, 0, 0], np.zeros(3), False, spec)
    step = PolicyStep(format_action_text(action), 7)
    faults = AnswerFaults(np.random.default_rng(0))
    from spatialbot_ros.safety_records import ActionRequest

    request = ActionRequest.from_action(action, 5, 7)
    faults.begin(name, 2.0)
    first = faults.spoil(step, action, 1.0)
    later = faults.spoil(PolicyStep(step.text, 8), action, 1.1)
    changed = (
        [a.step is None or a.late_s > 0.0 or a.step.text != step.text for a in (first, later)]
        + [later.step is not None and later.step.observation_stamp_ns != 8]
        + [faults.spoil_request(request, 1.0) is not request, faults.skew_ns(1.0) != 0]
    )
    assert any(changed)
    assert faults.spoil(step, action, 2.1).step is step
    assert faults.spoil_request(request, 2.1) is request and faults.skew_ns(2.1) == 0
    if name == SILENT:
        assert first.step is None and first.late_s == pytest.approx(1.0)
    if name == JUMP:
        assert first.step is not None and later.step is not None
        assert first.step.text != later.step.text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("injected")


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[dict[str, Any]]:
    return run_injections(NUM_FAULTS, SEED, folder)


def test_faults_are_told_nothing_moves_and_work_goes_on(lines: list[dict[str, Any]]) -> None:
    faults = [line for line in lines if "kind" in line]
    assert {f["kind"] for f in faults} == {"robot", "camera", "policy"}
    for fault in faults:
        assert fault["told_as"], fault
        assert fault["watched_ms"] > 300.0 and fault["moved_mm"] < 0.1, fault
        assert not fault["resumed_too_early"], fault
        assert fault["recovered"] and fault["recovery_ms"] <= 200.0, fault
        assert fault["rest_ms"] < 1000.0, fault


def test_executor_and_recorder_survive_and_nothing_is_lost(lines: list[dict[str, Any]]) -> None:
    scenes = [line for line in lines if "scene" in line]
    assert sum(scene["faults"] for scene in scenes) == NUM_FAULTS
    for scene in scenes:
        assert scene["executor_survived"] and scene["recorder_survived"], scene
        assert scene["messages_sent"] > 500
        assert scene["messages_lost"] == scene["messages_refused"] == 0, scene
        # what is missing is what a dead camera or robot did not deliver
        assert all("silent for" in problem for problem in scene["problems"]), scene


def test_what_was_run_is_not_run_again(lines: list[dict[str, Any]], folder: Path) -> None:
    (path,) = folder.glob("*.jsonl")
    before = path.read_text()
    with path.open("a") as file:
        file.write(json.dumps({"kind": "robot", "number": 99})[:-3])
    assert run_injections(NUM_FAULTS, SEED, folder) == lines
    assert path.read_text() == before
    path.rename(path.with_name(f"faults_seed{SEED + 1}.jsonl"))
    with pytest.raises(ConfigurationError, match="another plan"):
        run_injections(NUM_FAULTS, SEED + 1, folder)
    path.with_name(f"faults_seed{SEED + 1}.jsonl").rename(path)


def test_the_sum_tells_what_went_wrong(lines: list[dict[str, Any]]) -> None:
    good = summarise(lines, 1.0).figures
    assert good["detected"] == good["recovered"] == good["faults"] == NUM_FAULTS
    assert good["moved_without_resume"] == good["messages_lost"] == 0
    bad = [dict(line) for line in lines]
    fault = next(line for line in bad if "kind" in line)
    fault |= {"moved_mm": 3.0, "told_as": "", "recovery_ms": 900.0, "resumed_too_early": True}
    scene = next(line for line in bad if "scene" in line)
    scene |= {"executor_survived": False, "messages_lost": 2}
    figures = summarise(bad, 1.0).figures
    assert figures["moved_without_resume"] == figures["resumed_too_early"] == 1
    assert figures["detected"] == NUM_FAULTS - 1
    assert figures["recoveries_over_200_ms"] == 1 and figures["recovery_max_ms"] == 900.0
    assert figures["messages_lost"] == 2
    assert figures["scenes_executor_survived"] == good["scenes_executor_survived"] - 1
