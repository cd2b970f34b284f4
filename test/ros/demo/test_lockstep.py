"""The lockstep lab: a fault is seen, nothing blind is done, the stream comes back."""

from collections.abc import Iterator

import pytest

pytest.importorskip("mujoco", reason="the simulated lab needs the `sim` extra")

from spatialbot_ros.camera_faults import CAMERA_FROZEN, CAMERA_LOST
from spatialbot_ros.demo.lockstep import LockstepLab
from spatialbot_ros.fault_trace import judge
from spatialbot_sim.camera_faults import FROZEN, UNPLUGGED, InjectedFault

STEP_S = 0.02


@pytest.fixture(scope="module")
def lab() -> Iterator[LockstepLab]:
    made = LockstepLab()
    yield made
    made.close()


@pytest.mark.parametrize(("name", "told_as"), [(FROZEN, CAMERA_FROZEN), (UNPLUGGED, CAMERA_LOST)])
def test_a_fault_is_told_and_over_and_no_action_comes_of_it(
    lab: LockstepLab, name: str, told_as: str
) -> None:
    lab.begin("pick_place", 0)
    for _ in range(10):
        lab.advance(STEP_S)
    trace = lab.inject(InjectedFault(name, 0.4))
    while not (trace.is_over and trace.actions and trace.actions[-1][0] > trace.good_s):
        lab.advance(STEP_S)
        assert lab.time_s < 4.0, trace
    figures = judge(trace)
    assert figures.told_name == told_as
    assert figures.detection_s == 0.0
    assert figures.blind_actions == 0
    assert 0.0 <= figures.recovery_s <= 0.2
    assert figures.resumption_s <= 0.2
