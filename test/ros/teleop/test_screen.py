"""What the person sees."""

import io

import pytest
from rich.console import Console

from spatialbot_ros.teleop.core import LEVEL_BINS
from spatialbot_ros.teleop.keyboard import KeyboardDevice
from spatialbot_ros.teleop.screen import ScreenStatus, render

STATUS = ScreenStatus(
    device="keyboard",
    engaged=True,
    level=2,
    step_m=0.006,
    step_rad=0.03,
    gripper_closed=False,
    executor_state="teleop",
    executor_detail="intervention: follows actions",
    tool_m=(0.36, -0.01, 0.3),
    bins=(60, 50, 50, 50, 50, 50, 0),
    num_sent=42,
    episode="RECORDING",
    task="pick_place",
    instruction="pick up the red cube and put it on the left cutting board",
    episode_message="recording /home/me/out/episodes/pick_place_seed0_20261122T195031Z",
    episode_counts={"success": 3, "discarded": 1},
)


def lines(status: ScreenStatus) -> list[str]:
    console = Console(width=80, height=24, record=True, file=io.StringIO())
    console.print(render(status, KeyboardDevice().help))
    return console.export_text().splitlines()


def test_everything_fits_a_small_terminal() -> None:
    shown = lines(STATUS)
    assert len(shown) <= 24 and max(map(len, shown)) <= 80
    text = "\n".join(shown)
    for expected in (
        *("HAND ON", "■■■□□□  6.0 mm, 1.7°", "teleop  intervention: follows actions"),
        *("x +0.360  y -0.010  z +0.300 m", "<0.60, 0.50, 0.50, 0.50, 0.50, 0.50, 0.00>  #42"),
        *("● RECORDING   3 success, 1 discarded", "pick_place: pick up the red cube"),
    ):
        assert expected in text
    for control, meaning in KeyboardDevice().help:
        assert control in text and meaning in text


@pytest.mark.parametrize("level", range(len(LEVEL_BINS)))
def test_the_gauge_has_a_mark_per_level(level: int) -> None:
    text = "\n".join(lines(ScreenStatus("keyboard", level=level)))
    assert "■" * (level + 1) + "□" * (len(LEVEL_BINS) - level - 1) + "  " in text


def test_trouble_and_silence_are_said() -> None:
    text = " ".join(lines(ScreenStatus("gamepad", trouble="no gamepad found [here]")))
    assert "no gamepad found [here]" in text and "no executor" in text
    assert "HAND ON" not in text
