"""The hardware clock keeps its own intervals in ROS time."""

from hypothesis import given
from hypothesis import strategies as st

from spatialbot_ros.cameras.clock_mapping import ClockMapping


@given(
    start_ms=st.floats(0.0, 1e9),
    steps_ms=st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=20),
    jitters_ns=st.lists(st.integers(0, 10**9), min_size=21, max_size=21),
)
def test_host_jitter_does_not_reach_the_stamps(
    start_ms: float, steps_ms: list[float], jitters_ns: list[int]
) -> None:
    now_ns = iter([10**18 + jitter for jitter in jitters_ns])
    clock = ClockMapping(lambda: next(now_ns))
    hardware_ms = [start_ms]
    for step_ms in steps_ms:
        hardware_ms.append(hardware_ms[-1] + step_ms)
    stamps_ns = [clock.to_ros_ns(t) for t in hardware_ms]
    assert stamps_ns[0] == 10**18 + jitters_ns[0]
    for stamp_ns, t in zip(stamps_ns, hardware_ms, strict=True):
        assert stamp_ns - stamps_ns[0] == round(t * 1e6) - round(hardware_ms[0] * 1e6)
    assert clock.num_rebases == 0


def test_a_clock_that_runs_backwards_is_mapped_anew() -> None:
    now_ns = iter([1_000_000_000, 5_000_000_000])
    clock = ClockMapping(lambda: next(now_ns))
    assert clock.to_ros_ns(100.0) == 1_000_000_000
    assert clock.to_ros_ns(133.0) == 1_033_000_000
    assert clock.to_ros_ns(2.0) == 5_000_000_000
    assert clock.to_ros_ns(35.0) == 5_033_000_000
    assert clock.num_rebases == 1
