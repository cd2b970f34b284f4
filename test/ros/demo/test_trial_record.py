"""From what was heard through ROS to a trial's record; the trace is a double of a stack's."""

from dataclasses import replace

import numpy as np
import pytest

from spatialbot_ros.demo.trial_record import trial_record
from spatialbot_ros.nodes.lab_client import ExecutionResult
from spatialbot_ros.nodes.trial_listener import HandSample, JudgeSample, TrialTrace
from spatialbot_sim.tasks import sample_scene

MS = 1_000_000
SCENE = sample_scene("pick_place", 1_000_002)
BOARD = SCENE.place_named(SCENE.destination)
FINISHED = ExecutionResult(True, "finished", 40, 4.0)
TIMED_OUT = ExecutionResult(False, "not finished after 40 steps", 40, 4.0)
START_M = np.array([0.5, 0.0, 0.02])
AT_BOARD_M = np.array([BOARD.x_m, BOARD.y_m, 0.03])


def trace(held_by_target: bool = True, closed_at_loss: bool = False, end_m=AT_BOARD_M):
    """Four seconds: reach, close at 1 s, lift, let go at 3 s; states 50 Hz, judge 10 Hz."""
    heard = TrialTrace()
    for ms in range(0, 4000, 20):
        z_m = 0.02 if ms < 1200 else 0.15
        heard.path.append((ms * MS, np.array([0.5 + 1e-4 * ms, 0.0, z_m])))
        holding = 1000 <= ms < 3000
        closed = holding or (closed_at_loss and ms >= 3000)
        heard.hand.append(HandSample(ms * MS, closed, holding))
    for ms in range(0, 4100, 100):
        grasped = held_by_target and 1000 <= ms < 3000
        position_m = START_M
        if held_by_target and ms >= 1200:
            position_m = np.array([0.5, 0.0, 0.15]) if ms < 3000 else end_m
        heard.judged.append(JudgeSample(ms * MS, False, "not yet", position_m, 0.2, grasped))
    heard.action_ns = [ms * MS for ms in range(100, 4000, 100)]
    heard.policy_ms = [10.0, 30.0]
    return heard


def succeeded(heard: TrialTrace) -> TrialTrace:
    heard.judged[-1] = replace(heard.judged[-1], success=True, reason="", placement_error_m=0.004)
    return heard


def test_a_success_with_its_figures() -> None:
    trial = trial_record(SCENE, succeeded(trace()), FINISHED, 10.0, safety_events=2)
    assert (trial.success, trial.failure, trial.reason) == (True, "", "")
    assert (trial.right_object, trial.right_destination) == (True, True)
    assert trial.action_rate_hz == pytest.approx(10.0)
    assert trial.placement_error_mm == 4.0
    assert trial.policy_ms == 20.0
    assert trial.safety_events == 2
    # 0.1 m/s forward from the first action on, and 0.13 m up
    assert trial.path_m == pytest.approx(0.5, abs=0.02)


def test_something_else_was_lifted() -> None:
    trial = trial_record(SCENE, trace(held_by_target=False), TIMED_OUT, 10.0)
    assert (trial.failure, trial.ending) == ("wrong object", "time-out")
    assert (trial.right_object, trial.right_destination) == (False, None)


@pytest.mark.parametrize(
    ("closed_at_loss", "expected"), [(True, "dropped"), (False, "wrong place")]
)
def test_where_and_how_the_target_was_let_go(closed_at_loss: bool, expected: str) -> None:
    beside_m = np.array([0.5, 0.0, 0.02])
    heard = trace(closed_at_loss=closed_at_loss, end_m=beside_m)
    trial = trial_record(SCENE, heard, FINISHED, 10.0)
    assert (trial.failure, trial.right_object, trial.right_destination) == (expected, True, False)


def test_a_touched_obstacle_counts_when_it_was_touched_in_between() -> None:
    heard = succeeded(trace())
    heard.judged[20] = replace(heard.judged[20], reason="collision: the can touches the carton")
    trial = trial_record(SCENE, heard, FINISHED, 10.0)
    assert (trial.success, trial.failure) == (False, "collision")
    assert trial.reason.startswith("collision")


def test_faults_and_silence() -> None:
    assert trial_record(SCENE, succeeded(trace()), FINISHED, 10.0, faults=1).failure == "fault"
    silent = ExecutionResult(False, "3 unreadable answers in a row: ...", 0, 0.3)
    trial = trial_record(SCENE, TrialTrace(num_malformed=3), silent, 10.0)
    assert (trial.failure, trial.reason, trial.num_malformed) == ("no answer", silent.reason, 3)
    assert trial.action_rate_hz is None and trial.jerk_m_s3 is None
