"""Each fault's detector, and that nothing passes which breaks what a stream promises."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_ros import camera_faults as cf
from spatialbot_ros.camera_faults import CameraFaultLimits, CameraWatch
from spatialbot_ros.ports import CameraFrameset, CameraInfo

K = CameraIntrinsics(8, 100, 60.0, 60.0, 4.0, 50.0)
INFO = CameraInfo("double", "1", "0", K, K, np.eye(4), 10.0)
PERIOD_NS = 100_000_000
START_NS = 10**18
S = 10**9


def frameset(number: int, stamp_ns: int | None = None, **changes) -> CameraFrameset:
    color = np.full((100, 8, 3), 7, np.uint8)
    depth_mm = np.full((100, 8), 500, np.uint16)
    # the last row alone tells one frameset from the next
    color[-1, -1, 0], depth_mm[-1, -1] = number % 256, 500 + number % 256
    stamp_ns = START_NS + number * PERIOD_NS if stamp_ns is None else stamp_ns
    made = CameraFrameset(stamp_ns, number, color, depth_mm, None)
    return replace(made, **changes)


def connected(**limits) -> CameraWatch:
    watch = CameraWatch(CameraFaultLimits(**limits))
    assert watch.connected(INFO, START_NS, 0.0) is None
    return watch


def show(watch: CameraWatch, shown: CameraFrameset, late_ns: int = 0) -> str:
    """Name of the fault, empty when the frameset passes."""
    now_ns = START_NS + shown.frame_number * PERIOD_NS + late_ns
    fault = watch.frameset(shown, now_ns, (now_ns - START_NS) / S)
    return "" if fault is None else fault.name


def test_a_good_stream_has_no_fault() -> None:
    watch = connected(streams_freeze_alone=True)
    assert [show(watch, frameset(n)) for n in range(1, 200)] == [""] * 199
    assert watch.num_withheld == 0
    assert set(watch.counts) == set(cf.FAULT_NAMES)
    assert not any(watch.counts.values())


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (frameset(2, START_NS + PERIOD_NS), cf.CAMERA_TIMESTAMP),
        (frameset(2, START_NS - 3 * S), cf.CAMERA_TIMESTAMP),
        (frameset(2, START_NS + 3 * S), cf.CAMERA_TIMESTAMP),
        (frameset(2, clock_jumped=True), cf.CAMERA_TIMESTAMP),
        (frameset(2, depth_mm=np.zeros((100, 8), np.uint16)), cf.CAMERA_DEPTH_EMPTY),
        (replace(frameset(1), frame_number=2, stamp_ns=START_NS + 2 * PERIOD_NS), cf.CAMERA_FROZEN),
    ],
    ids=["same stamp", "back", "ahead", "clock jumped", "no depth", "frozen"],
)
def test_one_bad_frameset_is_withheld_and_the_next_good_one_passes(bad, name) -> None:
    watch = connected()
    assert show(watch, frameset(1)) == ""
    assert show(watch, bad) == name
    assert watch.current is not None
    assert show(watch, frameset(3)) == ""
    assert watch.current is None
    assert (watch.num_withheld, watch.counts[name], sum(watch.counts.values())) == (1, 1, 1)


def test_an_old_stamp_is_a_fault_and_no_stamp_is_before_ros_time_begins() -> None:
    watch = connected(max_age_s=1.0)
    assert show(watch, frameset(1), late_ns=2 * S) == cf.CAMERA_TIMESTAMP
    assert watch.frameset(frameset(2), 0, 0.2) is None


@pytest.mark.parametrize("stream", ["color", "depth_mm"])
@pytest.mark.parametrize("alone", [False, True])
def test_one_frozen_stream_counts_where_imagers_have_noise(stream: str, alone: bool) -> None:
    watch = connected(streams_freeze_alone=alone)
    first, second = frameset(1), frameset(2)
    show(watch, first)
    second = replace(second, **{stream: getattr(first, stream)})
    assert show(watch, second) == (cf.CAMERA_FROZEN if alone else "")
    if alone:
        words = "colour of" if stream == "color" else "depth of"
        assert watch.current.detail.startswith(words)


def test_a_fault_that_lasts_is_counted_once() -> None:
    watch = connected()
    show(watch, frameset(1))
    for number in range(2, 10):
        stuck = replace(frameset(1), frame_number=number, stamp_ns=START_NS + number * PERIOD_NS)
        assert show(watch, stuck) == cf.CAMERA_FROZEN
    assert watch.counts[cf.CAMERA_FROZEN] == 1
    assert watch.num_withheld == 8


def test_a_stall_needs_both_clocks_and_ends_with_a_frameset() -> None:
    watch = connected(stall_s=0.5)
    show(watch, frameset(1))
    at_ns, at_s = START_NS + PERIOD_NS, 0.1
    assert watch.silent(at_ns + S // 4, at_s + 0.25) is None
    assert watch.silent(at_ns, at_s + 60.0) is None, "simulation paused"
    assert watch.silent(at_ns + 60 * S, at_s + 0.25) is None, "busy machine"
    fault = watch.silent(at_ns + 6 * S // 10, at_s + 0.6)
    assert fault.name == cf.CAMERA_STALLED
    assert fault.asked == pytest.approx((0.6,))
    assert show(watch, frameset(7)) == ""


def test_starting_a_camera_takes_longer_than_a_stall() -> None:
    watch = connected(stall_s=0.5, start_s=3.0)
    assert watch.silent(START_NS + 2 * S, 2.0) is None
    assert watch.silent(START_NS + 4 * S, 4.0).name == cf.CAMERA_STALLED


def test_only_faults_that_opening_again_may_mend_ask_for_it_and_give_it_time() -> None:
    watch = connected(reopen_after_s=2.0)
    show(watch, frameset(1))
    watch.half("no depth", START_NS + 2 * PERIOD_NS, 0.2)
    assert not watch.reopening_is_due(2.1)
    assert watch.reopening_is_due(2.3)
    watch.connected(INFO, START_NS + 3 * S, 3.0)
    watch.half("no depth", START_NS + 31 * PERIOD_NS, 3.1)
    assert not watch.reopening_is_due(4.9)
    dark = connected(reopen_after_s=2.0)
    show(dark, frameset(1, depth_mm=np.zeros((100, 8), np.uint16)))
    assert not dark.reopening_is_due(60.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"serial_no": "2"}, "serial number 2 instead of 1"),
        ({"color": replace(K, fx_px=61.0)}, "intrinsics of color 8x100 fx 61.00 instead of"),
        ({"depth": replace(K, width=4)}, "intrinsics of depth 4x100"),
        ({"T_color_depth": np.diag([1.0, -1.0, -1.0, 1.0])}, "another place of the depth sensor"),
    ],
)
def test_another_camera_or_calibration_is_told_once(changes, words) -> None:
    watch = connected()
    watch.lost("unplugged", 1.0)
    fault = watch.connected(replace(INFO, **changes), START_NS + S, 2.0)
    assert fault.name == cf.CAMERA_CALIBRATION
    assert words in fault.detail
    assert show(watch, frameset(21)) == ""
    watch.lost("unplugged", 3.0)
    assert watch.connected(replace(INFO, **changes), START_NS + 3 * S, 4.0) is None
    assert watch.counts[cf.CAMERA_LOST] == 2


def test_attempts_to_find_a_camera_are_one_fault() -> None:
    watch = CameraWatch(CameraFaultLimits())
    for attempt in range(5):
        watch.lost("nothing there", float(attempt))
    assert watch.counts[cf.CAMERA_LOST] == 1


@given(
    st.lists(
        st.tuples(
            st.integers(-3 * S, 3 * S),  # the stamp beside the time
            st.integers(0, 3),  # what the pictures show
            st.sampled_from([0, 500]),  # depth [mm]
        ),
        min_size=1,
        max_size=40,
    )
)
def test_what_passes_keeps_the_promises_of_a_stream(frames) -> None:
    watch = connected()
    passed, before = [], None
    for number, (offset_ns, picture, depth_mm) in enumerate(frames, start=1):
        now_ns = START_NS + number * PERIOD_NS
        shown = CameraFrameset(
            now_ns + offset_ns,
            number,
            np.full((100, 8, 3), picture, np.uint8),
            np.full((100, 8), depth_mm, np.uint16),
            None,
        )
        if watch.frameset(shown, now_ns, number * 0.1) is None:
            assert offset_ns <= 0.2 * S
            assert depth_mm > 0
            assert before != (picture, depth_mm)
            passed.append(shown.stamp_ns)
        else:
            assert watch.current is not None
        before = (picture, depth_mm)
    assert passed == sorted(set(passed))
    assert len(passed) + watch.num_withheld == len(frames)
