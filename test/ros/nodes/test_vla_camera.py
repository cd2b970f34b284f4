"""What the VLA node does while the camera delivers nothing, or nothing that can be used."""

import numpy as np
import pytest
import vla_surroundings
from spatialbot_msgs.action import ExecuteInstruction
from vla_surroundings import Start, wait, wait_for

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    format_action_text,
)
from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_ros.configuration import load_action_spec

SPEC = load_action_spec()
FORWARD = format_action_text(DeltaAction.from_values([0.01, 0, 0], np.zeros(3), False, SPEC))
NUM_ACTIONS = 12
OTHER_LENS = CameraIntrinsics(64, 48, 61.0, 61.0, 31.5, 23.5)
HELD_FRAMES = 20


def result_of(goal) -> ExecuteInstruction.Result:
    return wait(goal.get_result_async()).result


@pytest.mark.parametrize("fault", ["no images", "no depth"])
def test_no_action_comes_while_there_is_nothing_to_see_and_the_instruction_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    surroundings = start([FORWARD] * NUM_ACTIONS + [FINISHED_TEXT], camera_timeout_s=60.0)
    make_image = vla_surroundings.image_to_msg
    blind = 0

    def without_depth(pixels, encoding, frame, stamp_ns):
        nonlocal blind
        blind += 1
        return make_image(pixels * (encoding == "rgb8"), encoding, frame, stamp_ns)

    goal = surroundings.send()
    wait_for(lambda: len(surroundings.actions) >= 3)
    if fault == "no images":
        surroundings.publish_images = False
        num_states = len(surroundings.states)
        # what was under way when the camera stopped is still answered
        wait_for(lambda: len(surroundings.states) > num_states + HELD_FRAMES)
    else:
        monkeypatch.setattr(vla_surroundings, "image_to_msg", without_depth)
        wait_for(lambda: blind > 2 * HELD_FRAMES)
    num_actions = len(surroundings.actions)
    assert num_actions < NUM_ACTIONS
    num_states, blind = len(surroundings.states), 0
    wait_for(lambda: len(surroundings.states) > num_states + 2 * HELD_FRAMES)
    assert len(surroundings.actions) == num_actions
    surroundings.publish_images = True
    monkeypatch.undo()
    result = result_of(goal)
    assert result.finished, result.reason
    assert len(surroundings.actions) == NUM_ACTIONS


def test_a_camera_that_stays_away_ends_the_instruction_and_says_so(start: Start) -> None:
    surroundings = start([FORWARD] * 100, camera_timeout_s=0.5)
    goal = surroundings.send()
    wait_for(lambda: len(surroundings.actions) >= 2)
    surroundings.publish_images = False
    result = result_of(goal)
    assert not result.finished
    assert "no newer colour and depth pair came within 0.5 s" in result.reason
    assert "/diagnostics" in result.reason


def test_another_calibration_ends_the_instruction_and_the_next_one_takes_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings = start([FORWARD] * 200, camera_timeout_s=30.0)
    goal = surroundings.send()
    wait_for(lambda: len(surroundings.actions) >= 2)
    monkeypatch.setattr(vla_surroundings, "INTRINSICS", OTHER_LENS)
    result = result_of(goal)
    assert not result.finished
    assert "calibration changed" in result.reason
    assert "start the instruction again" in result.reason
    # 200 answers are too many for this number of steps, which ends it another way
    assert "not finished after 3 steps" in surroundings.execute(max_steps=3).reason
