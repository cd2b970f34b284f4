"""A joint that does not follow its command is noticed, and one that is only late is not."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.following import LASTS_S, NOTICEABLE_RAD_S, FollowingWatch
from spatialbot_ros.robots.memory_arm import MemoryArm

TICK_S = 0.001
LOOK_S = 0.02
STATE = None


def state(time_s, dq, commanded):
    global STATE
    if STATE is None:
        arm = MemoryArm(load_cell().home_joints_rad, lambda: 0.0)
        arm.connect()
        STATE = arm.read_state()
    return dataclasses.replace(
        STATE, robot_time_s=time_s, dq_rad_s=dq, dq_commanded_rad_s=commanded
    )


def commands(asked_rad_s, hold_ticks):
    """(n, 7) every millisecond: from one asked speed to the next as fast as may be commanded."""
    now = np.zeros(7)
    reach = fr3.COMMAND_ACCELERATION_RAD_S2 * TICK_S
    for asked in asked_rad_s:
        for _ in range(hold_ticks):
            now = now + np.clip(asked - now, -reach, reach)
            yield now


def followed(asked_rad_s, hold_ticks, lag_s, blocked=()):
    """What the watch says of joints that follow their commands with a lag of the first order."""
    watch, dq, told = FollowingWatch(), np.zeros(7), []
    free = ~np.isin(np.arange(1, 8), blocked)
    for tick, commanded in enumerate(commands(asked_rad_s, hold_ticks)):
        dq = (dq + (commanded - dq) * TICK_S / lag_s) * free
        if tick % round(LOOK_S / TICK_S) == 0:
            told.append((tick * TICK_S, watch.observe(state(tick * TICK_S, dq, commanded))))
    return told


SPEEDS = st.lists(
    st.lists(st.floats(-2.0, 2.0), min_size=7, max_size=7).map(np.array), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(asked=SPEEDS, hold_ticks=st.integers(20, 300), lag_s=st.floats(0.003, 0.028))
def test_joints_that_are_late_are_not_blocked(asked, hold_ticks, lag_s):
    assert all(joints == () for _, joints in followed(asked, hold_ticks, lag_s))


@settings(max_examples=60, deadline=None)
@given(joint=st.integers(1, 7), speed=st.floats(1.1 * NOTICEABLE_RAD_S, 2.0), sign=st.booleans())
def test_a_joint_that_stands_is_told_in_time(joint, speed, sign):
    asked = np.full(7, 0.3)
    asked[joint - 1] = speed if sign else -speed
    told = followed([asked], 800, 0.028, blocked=(joint,))
    first_s = next(time_s for time_s, joints in told if joints)
    assert all(joints in ((), (joint,)) for _, joints in told)
    # the command needs its time until it is fast enough to be missed
    late_s = speed / 7.5 + 0.1
    assert LASTS_S <= first_s <= LASTS_S + late_s + 2 * LOOK_S


def test_a_joint_that_is_pushed_against_its_command_is_told():
    watch, commanded = FollowingWatch(), np.full(7, 0.2)
    told = [watch.observe(state(k * LOOK_S, -commanded, commanded)) for k in range(12)]
    assert told[-1] == (1, 2, 3, 4, 5, 6, 7)


def test_an_arm_without_commanded_speeds_is_not_watched():
    watch = FollowingWatch()
    assert all(watch.observe(state(k * LOOK_S, np.zeros(7), None)) == () for k in range(50))


@pytest.mark.parametrize("pause_s", [0.15, -1.0])
def test_a_pause_or_another_clock_begins_anew(pause_s):
    watch, stands, commanded = FollowingWatch(), np.zeros(7), np.full(7, 0.5)
    for k in range(5):
        watch.observe(state(1.0 + k * LOOK_S, stands, commanded))
    assert watch.observe(state(1.08 + pause_s, stands, commanded)) == ()
    told = [watch.observe(state(1.08 + pause_s + k * LOOK_S, stands, commanded)) for k in range(4)]
    assert told == [()] * 4
