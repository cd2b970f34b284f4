"""A policy that adds up its motions goes on from where a person has left the tool."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from painted_table import RED, WOOD, Top, paint

from spatialbot_model.contracts.action_codec import DeltaAction, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.types import Observation
from spatialbot_model.policies.base import Policy, PolicyConfig, relocate
from spatialbot_model.policies.registry import make_policy

ROOT = Path(__file__).parents[3]
CELL = Cell.from_mapping(yaml.safe_load((ROOT / "config/cell.yaml").read_text(encoding="utf-8")))
CUBE = Top(RED, 0.5, -0.1, 0.04, 0.04, 0.04)
BOARD = Top(WOOD, 0.5, 0.2, 0.015, 0.16, 0.16)
INSTRUCTION = "pick up the red cube and put it on the left cutting board"


def reach(push_m: tuple[float, float, float], at_step: int) -> np.ndarray:
    """Where the tool is when the gripper first closes; a person pushes it on the way."""
    policy = make_policy("classical", PolicyConfig(action_spec=ActionSpec(), cell=CELL))
    policy.start(INSTRUCTION)
    frame = paint(CELL, [CUBE, BOARD], 1)
    tool_m = CELL.home_tcp_m.copy()
    for step in range(100):
        if step == at_step:
            tool_m = tool_m + push_m
            relocate(policy, tool_m)
        answer = policy.step(Observation((frame,) * 4, INSTRUCTION, CELL.camera.T_base_color))
        action = parse_action_text(answer.text, ActionSpec())
        assert isinstance(action, DeltaAction)
        if action.gripper_closed:
            return tool_m
        tool_m = tool_m + action.translation_m
    raise AssertionError("the gripper never closed")


@pytest.mark.parametrize("at_step", [2, 8, 15])
def test_it_grasps_at_the_same_place_wherever_it_was_pushed(at_step: int) -> None:
    undisturbed_m = reach((0.0, 0.0, 0.0), at_step)
    np.testing.assert_allclose(undisturbed_m[:2], [CUBE.x_m, CUBE.y_m], atol=0.006)
    pushed_m = reach((0.05, -0.08, 0.03), at_step)
    np.testing.assert_allclose(pushed_m, undisturbed_m, atol=0.001)


def test_policies_that_only_look_are_not_disturbed() -> None:
    class Looking:
        """Test double of a policy without a method `relocate`."""

    looking: Policy = Looking()  # type: ignore[assignment]
    relocate(looking, np.zeros(3))
