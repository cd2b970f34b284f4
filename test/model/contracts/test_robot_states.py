"""Which measured state is the one of a frame, and what a message of it may hold."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.robot_states import (
    LATE_NS,
    STALE_NS,
    robot_state_of,
    state_of_frame,
)

MS = 1_000_000
PERIOD_NS = 20 * MS
STAMPS_NS = [1000 * MS + k * PERIOD_NS for k in range(5)]


def messages(quaternion=(1.0, 0.0, 0.0, 0.0), x_m: float = 0.5) -> tuple[object, object]:
    x, y, z, w = quaternion
    pose = SimpleNamespace(
        position=SimpleNamespace(x=x_m, y=-0.1, z=0.3),
        orientation=SimpleNamespace(x=x, y=y, z=z, w=w),
    )
    executor = SimpleNamespace(measured=pose, target=pose)
    return executor, SimpleNamespace(width=0.05, closed_command=True)


def test_it_is_the_newest_that_is_not_younger() -> None:
    assert state_of_frame(STAMPS_NS, STAMPS_NS[2]) == 2
    assert state_of_frame(STAMPS_NS, STAMPS_NS[2] + PERIOD_NS - 1) == 2
    assert state_of_frame(STAMPS_NS, STAMPS_NS[2] - 1) == 1


def test_at_a_beginning_a_state_may_be_a_little_late() -> None:
    first_ns = STAMPS_NS[0]
    assert state_of_frame(STAMPS_NS, first_ns - LATE_NS) == 0
    assert state_of_frame(STAMPS_NS, first_ns - LATE_NS - 1) is None
    assert state_of_frame([], first_ns) is None


def test_silence_is_no_state() -> None:
    last_ns = STAMPS_NS[-1]
    assert state_of_frame(STAMPS_NS, last_ns + STALE_NS) == 4
    assert state_of_frame(STAMPS_NS, last_ns + STALE_NS + 1) is None
    # after a silence the first one may be late as well
    again_ns = last_ns + STALE_NS + 2 * LATE_NS
    assert state_of_frame([*STAMPS_NS, again_ns], again_ns - LATE_NS) == 5


@given(
    st.lists(st.integers(0, 5 * STALE_NS), unique=True).map(sorted), st.integers(0, 5 * STALE_NS)
)
def test_nothing_newer_is_taken_where_there_is_something_older(
    stamps_ns: list[int], frame_ns: int
) -> None:
    found = state_of_frame(stamps_ns, frame_ns)
    fresh = [ns for ns in stamps_ns if frame_ns - STALE_NS <= ns <= frame_ns]
    late = [ns for ns in stamps_ns if frame_ns < ns <= frame_ns + LATE_NS]
    expected = max(fresh, default=None) if fresh else min(late, default=None)
    assert (None if found is None else stamps_ns[found]) == expected


def test_a_state_from_messages() -> None:
    state = robot_state_of(*messages())
    assert state.T_base_ee[:3, 3].tolist() == [0.5, -0.1, 0.3]
    np.testing.assert_allclose(state.T_base_ee[:3, :3], np.diag([1.0, -1.0, -1.0]), atol=1e-15)
    assert state.gripper_width_m == 0.05
    assert state.gripper_closed is True


@pytest.mark.parametrize(
    "broken", [{"quaternion": (0.0, 0.0, 0.0, 0.0)}, {"x_m": float("nan")}], ids=str
)
def test_what_is_no_pose_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="finite"):
        robot_state_of(*messages(**broken))  # type: ignore[arg-type]
