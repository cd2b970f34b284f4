"""The hardware clock keeps its own intervals in ROS time."""

from hypothesis import given
from hypothesis import strategies as st

from spatialbot_ros.cameras.clock_mapping import ClockMapping


@given(
    start_ms=st.floats(0.0, 1e9),
    steps_ms=st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=20),
    jitters_ns=st.lists(st.integers(0, 2 * 10**8), min_size=21, max_size=21),
)
def test_host_jitter_does_not_reach_the_stamps(
    start_ms: float, steps_ms: list[float], jitters_ns: list[int]
) -> None:
    hardware_ms = [start_ms]
    for step_ms in steps_ms:
        hardware_ms.append(hardware_ms[-1] + step_ms)
    passed_ns = [round(t * 1e6) - round(start_ms * 1e6) for t in hardware_ms]
    now_ns = iter([10**18 + p + j for p, j in zip(passed_ns, jitters_ns, strict=False)])
    clock = ClockMapping(lambda: next(now_ns))
    stamps_ns = [clock.to_ros_ns(t) for t in hardware_ms]
    assert stamps_ns[0] == 10**18 + jitters_ns[0]
    for stamp_ns, t in zip(stamps_ns, hardware_ms, strict=True):
        assert stamp_ns - stamps_ns[0] == round(t * 1e6) - round(hardware_ms[0] * 1e6)
    assert clock.num_rebases == 0


def test_a_clock_that_runs_backwards_is_mapped_anew() -> None:
    now_ns = iter([1_000_000_000, 1_033_000_000, 5_000_000_000, 5_033_000_000])
    clock = ClockMapping(lambda: next(now_ns))
    assert clock.to_ros_ns(100.0) == 1_000_000_000
    assert clock.to_ros_ns(133.0) == 1_033_000_000
    assert clock.to_ros_ns(2.0) == 5_000_000_000
    assert clock.to_ros_ns(35.0) == 5_033_000_000
    assert clock.num_rebases == 1


def test_a_clock_that_jumps_ahead_is_mapped_anew_and_said_to_have_jumped() -> None:
    now_ns = iter([1_000_000_000, 1_033_000_000, 1_066_000_000, 1_099_000_000])
    clock = ClockMapping(lambda: next(now_ns))
    stamps, jumps = [], []
    for hardware_ms in (100.0, 133.0, 9000.0, 9033.0):
        stamps.append(clock.to_ros_ns(hardware_ms))
        jumps.append(clock.jumped)
    assert stamps == [1_000_000_000, 1_033_000_000, 1_066_000_000, 1_099_000_000]
    assert jumps == [False, False, True, False]


@given(
    frames=st.lists(
        st.tuples(st.integers(0, 10**8), st.integers(0, 10**9)), min_size=2, max_size=20
    )
)
def test_stamps_increase_whatever_the_device_says(frames: list[tuple[int, int]]) -> None:
    now_ns = 10**18
    clock = ClockMapping(lambda: now_ns)
    last_ns, last_ms = 0, -1
    for hardware_ms, wait_ns in frames:
        now_ns += wait_ns
        stamp_ns = clock.to_ros_ns(hardware_ms)
        assert stamp_ns > last_ns or hardware_ms == last_ms
        assert stamp_ns <= now_ns + 200_000_000
        last_ns, last_ms = stamp_ns, hardware_ms
