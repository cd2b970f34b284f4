"""The VLA node over real DDS, between a test double of the camera and one of the executor."""

import time
from dataclasses import replace

import numpy as np
import pytest
from spatialbot_msgs.msg import ExecutorState
from vla_surroundings import STATE_NS, T_BASE_CAMERA, Start, Surroundings, text_of, wait, wait_for

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
)
from spatialbot_model.contracts.errors import (
    PolicyConnectionError,
    PolicyError,
    PolicyTimeoutError,
)
from spatialbot_model.contracts.robot_states import STALE_NS
from spatialbot_model.contracts.types import (
    BASE_FRAME,
    CameraIntrinsics,
    Observation,
    PolicyStep,
)
from spatialbot_ros.nodes import vla
from spatialbot_ros.nodes.conversions import (
    camera_info_to_msg,
    ns_to_stamp,
    stamp_to_ns,
)


def test_answers_become_numbered_actions_of_the_frame_they_saw(start: Start) -> None:
    lab = start([text_of(0.012), text_of(-0.03, closed=True), FINISHED_TEXT])
    result = lab.execute()
    assert (result.finished, result.num_steps) == (True, 2), result.reason
    wait_for(lambda: len(lab.actions) == 2)
    first, second = lab.actions
    assert second.sequence == first.sequence + 1
    assert first.translation[0] == pytest.approx(0.012) and not first.gripper_closed
    assert second.translation[0] == pytest.approx(-0.03) and second.gripper_closed
    assert first.action_spec_id == vla.load_action_spec().id
    assert first.header.frame_id == BASE_FRAME and first.source == "policy"
    seen = lab.policy.observations  # type: ignore[attr-defined]
    assert first.observation_stamp == ns_to_stamp(seen[0].newest.stamp_ns)
    assert seen[1].newest.stamp_ns > seen[0].newest.stamp_ns
    assert len(seen[2].frames) == 4 and seen[2].frames[1] is seen[1].newest
    assert np.allclose(seen[0].T_base_camera, T_BASE_CAMERA)
    assert seen[0].newest.depth_mm[5, 5] == 584


def test_an_observation_tells_the_robots_state_at_its_frame(start: Start) -> None:
    lab = start([*[text_of(0.003)] * 5, FINISHED_TEXT])
    assert lab.execute().finished
    seen = lab.policy.observations  # type: ignore[attr-defined]
    assert len(seen) == 6
    for observation in seen[1:]:
        state = observation.robot
        assert state is not None
        assert state.gripper_closed
        np.testing.assert_allclose(state.T_base_ee[:3, :3], np.diag([1.0, -1.0, -1.0]))
        for told_m in (state.T_base_target[0, 3], state.gripper_width_m):
            # one of a later moment would be nearly ten seconds old
            age_ns = (lab.told_by(observation.newest.stamp_ns) - told_m) % 1.0 * 1e10
            assert STATE_NS - 10 < age_ns <= STALE_NS


def test_without_an_executor_that_tells_it_there_is_no_state(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Surroundings, "publish_states", False)
    lab = start([FINISHED_TEXT])
    assert lab.execute().finished
    assert lab.policy.observations[0].robot is None  # type: ignore[attr-defined]


def test_unreadable_instruction_is_refused_with_what_can_be_read(start: Start) -> None:
    lab = start()
    result = lab.execute("make me a coffee")
    assert not result.finished and "pick up the red cube" in result.reason
    assert lab.actions == []


@pytest.mark.parametrize(
    "text",
    ["", "The robot should <nan, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "The robot should <0.5, 0.5>."],
)
def test_malformed_answers_hold_the_arm_and_end_the_goal(start: Start, text: str) -> None:
    lab = start([text] * 10, max_malformed_answers=3)
    result = lab.execute()
    assert not result.finished and "3 unreadable answers" in result.reason
    assert lab.actions == []
    wait_for(lambda: len(lab.steps) >= 3)
    assert [step.text for step in lab.steps] == [text] * 3
    assert all(step.sequence == 0 for step in lab.steps)


def test_one_malformed_answer_is_no_end(start: Start) -> None:
    lab = start([text_of(0.0), "gibberish", text_of(0.003), FINISHED_TEXT])
    result = lab.execute()
    assert result.finished and result.num_steps == 2
    wait_for(lambda: len(lab.actions) == 2)
    assert lab.actions[1].translation[0] == pytest.approx(0.003)


def test_policy_error_becomes_the_reason(start: Start) -> None:
    lab = start([PolicyError("no red object is in view")])
    assert "no red object is in view" in lab.execute().reason


def test_a_defect_in_the_policy_ends_the_goal_and_not_the_node(start: Start) -> None:
    lab = start([ZeroDivisionError("oops")])
    assert "ZeroDivisionError: oops" in lab.execute().reason
    assert "ZeroDivisionError: oops" in lab.execute().reason


def test_without_images_the_goal_ends(start: Start) -> None:
    lab = start([FINISHED_TEXT], camera_timeout_s=0.5)
    lab.publish_images = False
    result = lab.execute()
    assert not result.finished and "align_depth.enable" in result.reason


def test_executor_that_does_not_acknowledge_ends_the_goal(start: Start) -> None:
    lab = start([text_of(0.003)] * 5, executor_timeout_s=0.5)
    lab.acknowledge = False
    result = lab.execute()
    assert "did not take action" in result.reason
    wait_for(lambda: len(lab.actions) == 1)


def test_stopped_executor_ends_the_goal(start: Start) -> None:
    lab = start([text_of(0.003)] * 5)
    lab.state = ExecutorState.STOPPED
    result = lab.execute()
    assert "the executor is stopped" in result.reason
    assert lab.actions == []


def test_malformed_images_are_dropped_and_the_next_ones_used(start: Start) -> None:
    lab = start([text_of(0.0), FINISHED_TEXT])
    other = camera_info_to_msg(CameraIntrinsics(640, 480, 600.0, 600.0, 320.0, 240.0), "x", 1)
    lab._info.publish(other)
    assert lab.execute().finished


def test_late_steps_are_not_made_up_for_in_a_burst(start: Start) -> None:
    lab = start([text_of(0.0)] * 6 + [FINISHED_TEXT])
    policy_step = lab.policy.step  # type: ignore[attr-defined]

    def late_once(observation: Observation) -> PolicyStep:
        if len(lab.policy.observations) == 1:  # type: ignore[attr-defined]
            # a policy that is slow once, as under load
            time.sleep(0.5)
        return policy_step(observation)

    lab.policy.step = late_once  # type: ignore[attr-defined]
    assert lab.execute().finished
    wait_for(lambda: len(lab.actions) == 6)
    stamps_ns = [stamp_to_ns(message.header.stamp) for message in lab.actions]
    assert min(np.diff(stamps_ns)) > 0.03e9


def test_step_limit(start: Start) -> None:
    lab = start([text_of(0.003)] * 50)
    assert "not finished after 3 steps" in lab.execute(max_steps=3).reason
    wait_for(lambda: len(lab.actions) == 3)


def test_cancel_stops_the_actions_and_a_second_goal_is_refused_meanwhile(start: Start) -> None:
    lab = start([text_of(0.003)] * 5000)
    handle = lab.send()
    assert "another instruction is running" in lab.execute().reason
    wait(handle.cancel_goal_async())
    assert wait(handle.get_result_async()).result.reason == "cancelled"
    count = len(lab.actions)
    lab.policy.texts = [FINISHED_TEXT]  # type: ignore[attr-defined]
    assert lab.execute().finished
    assert len(lab.actions) <= count + 1


def test_a_silent_policy_holds_the_arm_and_goes_on_when_it_is_back(start: Start) -> None:
    lab = start(
        [
            text_of(0.003),
            PolicyTimeoutError("no answer within 2 s"),
            PolicyConnectionError("the server is gone"),
            text_of(0.006),
            FINISHED_TEXT,
        ]
    )
    result = lab.execute()
    assert result.finished and result.num_steps == 2
    wait_for(lambda: len(lab.actions) == 2 and len(lab.steps) == 5)
    assert [step.sequence for step in lab.steps] == [1, 0, 0, 2, 0]
    held = lab.steps[1]
    assert held.text == "" and "no answer within 2 s" in held.stage and not held.finished


def test_a_policy_that_stays_silent_ends_the_goal(start: Start) -> None:
    lab = start([PolicyTimeoutError("no answer")] * 500, policy_outage_s=0.4)
    result = lab.execute()
    assert not result.finished and "silent" in result.reason
    assert lab.actions == []


def test_late_answers_are_dropped_and_not_executed(start: Start) -> None:
    lab = start([text_of(0.003), text_of(0.006), FINISHED_TEXT], max_answer_age_s=0.5)
    policy_step = lab.policy.step  # type: ignore[attr-defined]

    def late_once(observation: Observation) -> PolicyStep:
        answer = policy_step(observation)
        if len(lab.policy.observations) == 1:  # type: ignore[attr-defined]
            too_late_ns = observation.newest.stamp_ns + round(0.6e9)
            wait_for(lambda: lab.node.get_clock().now().nanoseconds > too_late_ns)
        return answer

    lab.policy.step = late_once  # type: ignore[attr-defined]
    result = lab.execute()
    assert result.finished and result.num_steps == 1
    wait_for(lambda: len(lab.actions) == 1 and len(lab.steps) == 3)
    assert lab.actions[0].translation[0] == pytest.approx(0.006)
    assert lab.steps[0].stage.startswith("late") and lab.steps[0].sequence == 0


def test_steps_carry_the_latency_of_each_stage(start: Start) -> None:
    lab = start([text_of(0.003), FINISHED_TEXT])
    policy_step = lab.policy.step  # type: ignore[attr-defined]
    probabilities = (0.5, 0.25, 1.0, 0.125, 0.75, 0.5, 1.0)
    lab.policy.step = lambda observation: replace(  # type: ignore[attr-defined]
        policy_step(observation),
        stage_ms={"encode": 12.5, "prefill": 30.0},
        action_probabilities=probabilities,
    )
    assert lab.execute().finished
    wait_for(lambda: len(lab.steps) == 2)
    step = lab.steps[0]
    latencies_ms = dict(zip(step.latency_names, step.latencies, strict=True))
    assert list(latencies_ms) == ["capture", "receive", "policy", "encode", "prefill"]
    assert latencies_ms["encode"] == 12.5 and latencies_ms["receive"] > 0.0
    assert tuple(step.action_probabilities) == probabilities


def test_while_a_person_has_the_arm_the_policy_waits_and_then_goes_on(start: Start) -> None:
    lab = start([text_of(0.003)] * 3 + [FINISHED_TEXT], executor_timeout_s=1.0)
    places: list[float] = []
    lab.policy.relocate = lambda at_m: places.append(at_m[0])  # type: ignore[attr-defined]
    policy_step = lab.policy.step  # type: ignore[attr-defined]

    def take_over_once(observation: Observation) -> PolicyStep:
        answer = policy_step(observation)
        if len(lab.policy.observations) == 2:  # type: ignore[attr-defined]
            lab.state = "teleop"
        return answer

    lab.policy.step = take_over_once  # type: ignore[attr-defined]
    handle = lab.send()
    result = handle.get_result_async()
    wait_for(lambda: len(lab.actions) == 2)
    # longer than any time-out of the node
    since_ns = lab.node.get_clock().now().nanoseconds
    wait_for(lambda: lab.node.get_clock().now().nanoseconds > since_ns + 1.5e9)
    assert len(lab.actions) == 2 and not result.done()
    lab.measured_x_m = 0.42
    lab.state = ExecutorState.HOLD
    ended = wait(result).result
    assert ended.finished and ended.num_steps == 3
    assert places == [pytest.approx(0.42)]
    seen = lab.policy.observations[2].frames  # type: ignore[attr-defined]
    # the history is of the time since, not of the time before
    assert len(seen) == 4 and seen[3].stamp_ns > since_ns
    assert [message.sequence for message in lab.actions] == [1, 2, 3]


def test_a_stop_during_an_intervention_ends_the_instruction(start: Start) -> None:
    lab = start([text_of(0.003)] * 5)
    lab.state = "teleop"
    result = lab.send().get_result_async()
    since_ns = lab.node.get_clock().now().nanoseconds
    wait_for(lambda: lab.node.get_clock().now().nanoseconds > since_ns + 0.3e9)
    assert not result.done()
    lab.state = ExecutorState.STOPPED
    assert "the executor is stopped" in wait(result).result.reason
    assert lab.actions == []
