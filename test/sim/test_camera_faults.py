"""The fault injector: what each fault makes of a frame, when it ends, what the seed decides."""

from collections import Counter

import numpy as np
import pytest
from frame_reader import FrameReader
from running_lab import RunningLab, wait_until

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.frame_link import RawFrame
from spatialbot_sim import camera_faults as cf
from spatialbot_sim.camera_faults import FrameFaults, InjectedFault, draw_faults

S = 10**9


def frame(number: int) -> RawFrame:
    color = np.full((4, 6, 3), number, np.uint8)
    return RawFrame(number, number * S, color, np.full((4, 6), 100 + number, np.uint16))


def spoil(name: str) -> tuple[RawFrame, RawFrame | None]:
    """Frame 2 as it was and as it is sent, after a good frame 1."""
    faults = FrameFaults()
    assert faults.apply(frame(1), faults.name(S)) is not None
    faults.begin(InjectedFault(name, 0.5))
    return frame(2), faults.apply(frame(2), faults.name(2 * S))


@pytest.mark.parametrize("name", [cf.UNPLUGGED, cf.STALLED])
def test_nothing_is_sent(name: str) -> None:
    assert spoil(name)[1] is None


@pytest.mark.parametrize(
    ("name", "missing"), [(cf.NO_COLOR, "color"), (cf.NO_DEPTH_IMAGE, "depth_mm")]
)
def test_one_image_is_missing(name: str, missing: str) -> None:
    good, sent = spoil(name)
    assert sent.is_half
    assert getattr(sent, missing).size == 0
    assert sent.stamp_ns == good.stamp_ns


def test_a_frozen_frame_has_a_new_stamp_and_the_old_pictures() -> None:
    good, sent = spoil(cf.FROZEN)
    assert (sent.frame_number, sent.stamp_ns) == (good.frame_number, good.stamp_ns)
    np.testing.assert_array_equal(sent.color, frame(1).color)
    np.testing.assert_array_equal(sent.depth_mm, frame(1).depth_mm)


@pytest.mark.parametrize(("name", "offset_s"), [(cf.STAMP_AHEAD, 2), (cf.STAMP_BACK, -2)])
def test_stamps_jump(name: str, offset_s: int) -> None:
    good, sent = spoil(name)
    assert sent.stamp_ns - good.stamp_ns == offset_s * S
    np.testing.assert_array_equal(sent.color, good.color)


def test_empty_depth_keeps_its_colour() -> None:
    good, sent = spoil(cf.DEPTH_EMPTY)
    assert not sent.depth_mm.any()
    np.testing.assert_array_equal(sent.color, good.color)


def test_a_fault_begins_with_the_first_frame_and_ends_after_its_time() -> None:
    faults = FrameFaults()
    assert faults.name(S) == ""
    faults.begin(InjectedFault(cf.FROZEN, 1.0))
    assert [faults.name(5 * S + n * S // 4) for n in range(6)] == [cf.FROZEN] * 4 + ["", ""]


@pytest.mark.parametrize(
    "text", ["frozen", "frozen x", "frozen 0", "frozen -1", "frozen nan", "", "frozen 61"]
)
def test_what_is_no_fault_with_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        InjectedFault.parse(text)


def test_an_unknown_fault_names_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="depth_empty"):
        InjectedFault.parse("melted 1.0")
    assert InjectedFault.parse(" stalled 1.5 ") == InjectedFault(cf.STALLED, 1.5)


def test_the_seed_decides_order_and_durations_and_every_fault_comes_as_often() -> None:
    drawn = draw_faults(3, repeats=4)
    assert drawn == draw_faults(3, repeats=4)
    assert drawn != draw_faults(4, repeats=4)
    assert Counter(fault.name for fault in drawn) == dict.fromkeys(cf.FAULTS, 4)


def test_the_lab_unplugs_and_recalibrates_its_camera(start_lab) -> None:
    lab: RunningLab = start_lab(speed=2.0)
    told: list[str] = []
    lab.call(lambda: setattr(lab.lab, "on_camera_fault", lambda name, ns: told.append(name)))
    with FrameReader(lab.address) as client:
        description = client.hello()
        client.acknowledge(client.frame(description).frame_number)
        lab.call(lambda: lab.lab.inject_camera_fault(InjectedFault(cf.UNPLUGGED, 0.3)))
        wait_until(lambda: told == [cf.UNPLUGGED, ""])
    with FrameReader(lab.address) as client:
        assert client.hello() == description
        lab.call(lambda: lab.lab.inject_camera_fault(InjectedFault(cf.RECALIBRATED, 60.0)))
        wait_until(lambda: told[2:] == [cf.RECALIBRATED])
    with FrameReader(lab.address) as client:
        other = client.hello()
        assert other == cf.recalibrated(description)
        assert other.color.fx_px == pytest.approx(1.02 * description.color.fx_px)
        assert client.frame(other).color.shape == (480, 640, 3)
