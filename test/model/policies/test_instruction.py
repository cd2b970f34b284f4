"""What the classical policy reads and what it refuses."""

import pytest

from spatialbot_model.contracts.errors import UnreadableInstructionError
from spatialbot_model.policies.classical.instruction import PickAndPlace, read_instruction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "pick up the red cube and put it on the left cutting board",
            PickAndPlace("red", None, "left"),
        ),
        (
            "Take the leftmost object and move it to the right board.",
            PickAndPlace(None, "left", "right"),
        ),
        (
            "please grab the blue farthest teacup, then place it onto the nearest cutting board",
            PickAndPlace("blue", "farthest", "nearest"),
        ),
        (
            "take the rightmost ball and put it on the left board from the robot's perspective",
            PickAndPlace(None, "left", "right"),
        ),
    ],
)
def test_reads(text: str, expected: PickAndPlace) -> None:
    assert read_instruction(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "make me a coffee",
        "pick up the cube and put it on the left board",
        "pick up the red blue cube and put it on the left board",
        "pick up the left nearest cube and put it on the left board",
        "pick up the red cube",
        "pick up the red cube and put it on the board",
        "do not pick up the red cube and put it on the left board",
        "pick up the red cube and put it on the left board and then dance",
    ],
)
def test_refuses_and_says_what_it_reads(text: str) -> None:
    with pytest.raises(UnreadableInstructionError, match="pick up the red cube"):
        read_instruction(text)
