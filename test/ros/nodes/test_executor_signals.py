"""Ctrl-C of an executor whose arm moves, as the robot's log of every millisecond shows it."""

import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from executor_client import SPEC, ExecutorClient, ExecutorProcess
from own_address import own_address
from robot_process import wait_until
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg

pytest.importorskip("mujoco", reason="the simulated robot needs the `sim` extra")

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_ros.benchmarks.arm_rig import logged_robot
from spatialbot_sim.tick_log import read_tick_log

STILL_RAD_S = 0.002
REST_TICKS = 250
WATCHED_TICKS = 1000


@pytest.fixture
def robot(tmp_path):
    """Address and log of a robot at real-time pace."""
    address, log = own_address(), tmp_path / "ticks"
    process = subprocess.Popen(
        logged_robot(address, log, paced=True),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    yield address, log
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


def fastest_joint_rad_s(ticks):
    both = np.maximum(np.abs(ticks.dq_rad_s), np.abs(ticks.dq_commanded_rad_s))
    return both.max(axis=1)


@pytest.fixture
def walking():
    """A client whose policy goes on sending actions, whatever becomes of the executor."""
    client, ended = ExecutorClient(), threading.Event()
    action = DeltaAction.from_values((0.012, 0.0, 0.0), (0, 0, 0), False, SPEC)

    def walk():
        for sequence in range(1, 30):
            message = DeltaActionMsg(sequence=sequence, source="policy", action_spec_id=SPEC.id)
            message.bins = list(action.bins)
            message.translation, message.rotation = action.translation_m, action.rotation_rad
            message.observation_stamp = client.node.get_clock().now().to_msg()
            client.actions.publish(message)
            if ended.wait(0.1):
                return

    thread = threading.Thread(target=walk)
    yield client, thread
    ended.set()
    thread.join(20)
    client.close()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_motion_brings_the_arm_to_rest_and_it_stays(robot, walking, signum):
    address, log = robot
    client, policy = walking
    process = ExecutorProcess(robot_ip=address)
    try:
        client.wait_for_state("idle")
        begin_m = client.position_m
        policy.start()
        wait_until(lambda: np.linalg.norm(client.position_m - begin_m) > 0.03)
        signalled_s = time.monotonic()
    finally:
        code, errors = process.end(signum)
    ended_s = time.monotonic()
    assert code == 0 and "Traceback" not in errors
    wait_until(lambda: np.sum(read_tick_log(log).wall_s > ended_s) > WATCHED_TICKS)
    ticks = read_tick_log(log)
    first = int(np.searchsorted(ticks.wall_s, signalled_s))
    speeds_rad_s = fastest_joint_rad_s(ticks)
    assert speeds_rad_s[first - 20 : first].max() > 10 * STILL_RAD_S
    still = np.convolve(speeds_rad_s[first:] < STILL_RAD_S, np.ones(REST_TICKS), "valid")
    assert still.max() >= REST_TICKS
    rest = first + int(np.argmax(still >= REST_TICKS))
    assert speeds_rad_s[rest:].max() < STILL_RAD_S
    away_m = np.linalg.norm(ticks.tool_m[rest:] - ticks.tool_m[rest], axis=1)
    assert away_m.max() < 0.0005
