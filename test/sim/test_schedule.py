"""The absolute schedule, on a clock that the test moves."""

from types import SimpleNamespace

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_sim import schedule
from spatialbot_sim.schedule import Schedule


class Clock:
    """Test double of `time`: sleeping oversleeps by `late_s`."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.now_s, self.late_s, self.slept = 100.0, late_s, 0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        assert duration_s > 0
        self.slept += 1
        self.now_s += duration_s + self.late_s


def run(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, speed: float, ticks: int, busy_s: float = 0.0
) -> float:
    """Wall time of so many ticks that cost `busy_s` each."""
    monkeypatch.setattr(
        schedule, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep)
    )
    start_s = clock.now_s
    kept = Schedule(speed)
    kept.start(start_s)
    for _ in range(ticks):
        clock.now_s += busy_s
        kept.wait()
    return clock.now_s - start_s


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_oversleeping_does_not_add_up(monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
    wall_s = run(monkeypatch, Clock(late_s=0.0004), speed, 1000, busy_s=0.0001)
    assert wall_s == pytest.approx(1.0 / speed, abs=0.002)


def test_a_slow_machine_does_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    assert run(monkeypatch, clock, 1.0, 100, busy_s=0.002) == pytest.approx(0.2)
    assert clock.slept == 0


def test_at_most_fifty_milliseconds_are_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(
        schedule, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep)
    )
    kept = Schedule(1.0)
    kept.start(clock.now_s)
    clock.now_s += 5.0
    burst = 0
    while clock.slept == 0:
        kept.wait()
        burst += 1
    assert 49 <= burst <= 53


@pytest.mark.parametrize("speed", [0.0, -1.0, 101.0, float("nan"), float("inf")])
def test_speed_is_checked(speed: float) -> None:
    with pytest.raises(ConfigurationError, match="speed"):
        Schedule(speed)
