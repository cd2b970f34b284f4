"""The lab's loop: time, calls, frames and the policy's gate; and the program around it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from frame_reader import FrameReader
from running_lab import RunningLab, wait_until

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.frame_link import RawFrame
from spatialbot_sim.lab import START_NS

StartLab = Callable[..., RunningLab]
NUM_FRAMES = 8


def receive(address: str, number: int) -> list[RawFrame]:
    """The next frames, each acknowledged."""
    frames = []
    with FrameReader(address) as client:
        description = client.hello()
        for _ in range(number):
            frames.append(client.frame(description))
            client.acknowledge(frames[-1].frame_number)
    return frames


def test_time_counts_every_tick_once(start_lab: StartLab) -> None:
    lab = start_lab(speed=10.0)
    seen: list[tuple[int, int]] = []
    lab.call(lambda: setattr(lab.lab, "on_tick", lambda ticks, ns: seen.append((ticks, ns))))
    lab.run_for(0.2)
    ticks, times_ns = np.array(lab.call(lambda: list(seen))).T
    assert np.all(np.diff(ticks) == 1)
    assert np.array_equal(times_ns, START_NS + ticks * 1_000_000)


def test_frames_come_at_their_rate_with_exact_stamps(start_lab: StartLab) -> None:
    lab = start_lab(speed=2.0)
    frames = receive(lab.address, NUM_FRAMES)
    first = frames[0].frame_number
    assert [f.frame_number for f in frames] == list(range(first, first + NUM_FRAMES))
    stamps_ms = np.array([f.stamp_ns for f in frames]) / 1e6
    assert np.all(stamps_ms == np.rint(stamps_ms))
    # the exact multiples of 1/15 s, each rounded up to a tick
    assert set(np.diff(stamps_ms)) <= {66.0, 67.0}
    assert stamps_ms[-1] - stamps_ms[0] == pytest.approx((NUM_FRAMES - 1) * 1e3 / 15, abs=1.0)


@pytest.mark.parametrize(("noise", "low", "high"), [(False, 0.0, 0.01), (True, 0.3, 1.0)])
def test_depth_changes_from_frame_to_frame_with_noise_only(
    start_lab: StartLab, noise: bool, low: float, high: float
) -> None:
    one, two = receive(start_lab(speed=2.0, depth_noise=noise, seed=4).address, 2)
    # a few pixels of the arm may be rounded to the next millimetre: it is held, not frozen
    changed = float(np.mean(one.depth_mm != two.depth_mm))
    assert low <= changed <= high


def test_a_reset_is_seen_by_the_camera(start_lab: StartLab) -> None:
    lab = start_lab(speed=2.0, depth_noise=False)
    (before,) = receive(lab.address, 1)
    lab.call(lambda: lab.lab.reset("pick_place", 7))
    (after,) = receive(lab.address, 1)
    assert after.stamp_ns > before.stamp_ns
    changed = np.abs(before.color.astype(int) - after.color).max(axis=2) > 40
    assert changed.sum() > 500


def test_an_unknown_task_changes_nothing(start_lab: StartLab) -> None:
    lab = start_lab(speed=2.0)
    scene = lab.lab.scene
    with pytest.raises(UnknownNameError, match="pick_place_color"):
        lab.call(lambda: lab.lab.reset("stack", 0))
    assert lab.lab.scene == scene
    lab.run_for(0.05)


def test_the_gate_holds_time_at_the_observation(start_lab: StartLab) -> None:
    lab = start_lab(speed=10.0, policy_lag_limit_s=0.2)
    lab.lab.gate._patience_s = 1e6
    held_ns = lab.call(lambda: lab.lab.time_ns)
    lab.lab.gate.on_action(held_ns, time.monotonic())
    wait_until(lambda: lab.lab.time_ns == held_ns + 200_000_000)
    # calls are done although time stands still, and it does stand still
    assert lab.call(lambda: lab.lab.time_ns) == lab.call(lambda: lab.lab.time_ns)
    assert lab.lab.time_ns == held_ns + 200_000_000
    lab.call(lab.lab.gate.clear)
    lab.run_for(0.1)


@pytest.mark.parametrize("bad", [{"task": "stack"}, {"speed": 0.0}, {"policy_lag_limit_s": -1.0}])
def test_bad_options_are_refused(start_lab: StartLab, bad: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        start_lab(**bad)


def serve(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "spatialbot_sim.serve", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_program_serves_until_interrupted_and_keeps_others_out(address: str) -> None:
    first = serve("--address", address)
    try:
        assert first.stderr is not None
        assert address in first.stderr.readline()
        second = serve("--address", address)
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 1
        assert errors.startswith(f"error: {address}:1337 is taken")
        assert "Traceback" not in errors
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=60)
        assert (first.returncode, errors) == (0, "")
    finally:
        first.kill()
        first.communicate()
