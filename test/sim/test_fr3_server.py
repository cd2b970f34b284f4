"""The simulated FR3 behind real franky: motion, grasping, resets, strangers on its ports."""

import socket
import threading
from collections.abc import Callable

import franky
import numpy as np
import pytest
from running_lab import RunningLab, seed_with_target, wait_until

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import (
    AddressInUseError,
    ConfigurationError,
    SimulationError,
)
from spatialbot_model.contracts.frame_link import FRAME_PORT
from spatialbot_sim.fr3_server import GRIPPER_PORT, ROBOT_PORT, Fr3Server, check_address
from spatialbot_sim.tasks import sample_scene

StartLab = Callable[..., RunningLab]
SPEED = 4.0
CONNECT_TIMEOUT_S = 30.0
GRASP = {"speed": 0.1, "force": 30.0, "epsilon_inner": 0.005, "epsilon_outer": 0.08}


def connect(lab: RunningLab) -> franky.Robot:
    made: list[franky.Robot] = []
    # franky connects without a time-out that a test could wait for, so it does in a thread
    threading.Thread(
        target=lambda: made.append(
            franky.Robot(lab.address, realtime_config=franky.RealtimeConfig.Ignore)
        ),
        daemon=True,
    ).start()
    wait_until(lambda: made, CONNECT_TIMEOUT_S)
    robot = made[0]
    robot.relative_dynamics_factor = franky.RelativeDynamicsFactor(0.3, 0.3, 0.3)
    return robot


def move_to(robot: franky.Robot, position_m: list[float]) -> None:
    """Blocking straight motion; the hand keeps pointing down."""
    down = franky.Affine(position_m, [1.0, 0.0, 0.0, 0.0])
    robot.move(franky.CartesianMotion(down))


def test_the_robot_starts_at_home(start_lab: StartLab, cell: Cell) -> None:
    lab = start_lab(speed=SPEED)
    robot = connect(lab)
    assert np.allclose(robot.state.q, cell.home_joints_rad, atol=2e-3)
    assert np.allclose(robot.state.O_T_EE.translation, cell.home_tcp_m, atol=2e-3)
    assert franky.Gripper(lab.address).width == pytest.approx(0.08, abs=1e-3)


def test_a_velocity_motion_moves_and_its_tail_stops_the_arm(start_lab: StartLab) -> None:
    lab = start_lab(speed=SPEED)
    robot = connect(lab)
    start_m = np.array(robot.state.O_T_EE.translation)
    waypoints = [
        franky.CartesianVelocityWaypoint(
            franky.RobotVelocity(franky.Twist(linear)),
            hold_target_duration=franky.Duration(round(1e3 * hold_s)),
        )
        for linear, hold_s in (([0.0, 0.05, 0.0], 1.0), ([0.0, 0.0, 0.0], 0.1))
    ]
    robot.move(franky.CartesianVelocityWaypointMotion(waypoints))
    moved_m = np.array(robot.state.O_T_EE.translation) - start_m
    assert moved_m[1] == pytest.approx(0.052, abs=0.012)
    assert np.abs(moved_m[[0, 2]]).max() < 0.003
    assert np.abs(robot.state.dq).max() < 0.02


def test_a_tick_is_logged_as_the_client_was_told_and_without_one(start_lab: StartLab) -> None:
    lab = start_lab(speed=SPEED)
    alone = lab.call(lab.lab.tick_state)
    robot = connect(lab)
    robot.move(
        franky.CartesianMotion(franky.Affine([0.0, 0.05, 0.0]), franky.ReferenceType.Relative)
    )
    told = lab.call(lab.lab.tick_state)
    assert np.allclose(told.q_rad, robot.state.q, atol=1e-3)
    assert np.allclose(told.tool_m - alone.tool_m, [0.0, -0.05, 0.0], atol=2e-3)
    assert told.robot_time_ms > alone.robot_time_ms


@pytest.mark.parametrize("kind", ["cube", "ball", "cup"])
def test_a_scripted_grasp_lifts_and_places(start_lab: StartLab, kind: str) -> None:
    lab = start_lab(speed=SPEED, seed=seed_with_target(kind))
    scene = lab.lab.scene
    item, board = scene.object_named(scene.target), scene.board_named(scene.destination)
    robot, gripper = connect(lab), franky.Gripper(lab.address)
    height_m = item.rest_height_m

    move_to(robot, [item.x_m, item.y_m, 0.15])
    move_to(robot, [item.x_m, item.y_m, height_m])
    assert gripper.grasp(0.0, **GRASP)
    assert 0.03 < gripper.width < 0.065
    move_to(robot, [item.x_m, item.y_m, 0.20])
    held = lab.call(lab.lab.judge)
    assert held.grasped and not held.success
    assert held.target_position_m[2] > 0.17

    move_to(robot, [board.x_m, board.y_m, 0.20])
    move_to(robot, [board.x_m, board.y_m, 0.012 + height_m + 0.002])
    gripper.open(0.1)
    move_to(robot, [board.x_m, board.y_m, 0.20])
    lab.run_for(0.5)
    verdict = lab.call(lab.lab.judge)
    assert verdict.success, verdict.reason
    assert verdict.placement_error_m < 0.015


def test_a_reset_keeps_arm_client_and_time(start_lab: StartLab) -> None:
    lab = start_lab(speed=SPEED)
    robot = connect(lab)
    move_to(robot, [0.45, 0.0, 0.30])
    lab.run_for(0.2)
    before, time_ns = robot.state, lab.lab.time_ns
    scene = lab.call(lambda: lab.lab.reset("pick_place_position", 5))
    assert scene == sample_scene("pick_place_position", 5) == lab.lab.scene
    lab.run_for(0.2)
    after = robot.state
    assert lab.lab.time_ns > time_ns
    assert after.time.to_sec() > before.time.to_sec()
    assert np.allclose(after.q, before.q, atol=1e-3)
    assert np.abs(after.dq).max() < 0.01
    for item in scene.objects:
        position_m = lab.call(lambda: lab.lab._robot.world.body_position_m(item.name))  # noqa: B023
        assert position_m[:2] == pytest.approx((item.x_m, item.y_m), abs=1e-3)
    move_to(robot, [0.45, 0.05, 0.30])


def test_a_reset_is_refused_while_the_arm_moves(start_lab: StartLab) -> None:
    lab = start_lab(speed=SPEED)
    robot, scene = connect(lab), lab.lab.scene
    robot.move(franky.CartesianMotion(franky.Affine([0.5, 0.1, 0.3], [1, 0, 0, 0])), True)
    wait_until(lambda: robot.state.robot_mode == franky.RobotMode.Move)
    with pytest.raises(SimulationError, match="arm is moving"):
        lab.call(lambda: lab.lab.reset("pick_place", 3))
    robot.join_motion()
    assert lab.lab.scene == scene
    lab.call(lambda: lab.lab.reset("pick_place", 3))


def test_an_idle_scene_stays_put(start_lab: StartLab) -> None:
    lab = start_lab(speed=20.0, seed=3)
    world = lab.lab._robot.world
    names = [item.name for item in lab.lab.scene.objects]
    before = lab.call(lambda: [world.body_position_m(name) for name in names])
    lab.run_for(3.0)
    after = lab.call(lambda: [world.body_position_m(name) for name in names])
    assert np.allclose(after, before, atol=5e-4)


def test_a_client_may_leave_in_motion_and_another_may_come(start_lab: StartLab) -> None:
    lab = start_lab(speed=SPEED)
    robot = connect(lab)
    robot.move(franky.CartesianMotion(franky.Affine([0.5, 0.1, 0.3], [1, 0, 0, 0])), True)
    wait_until(lambda: lab.lab._robot.motion_running)
    del robot
    wait_until(lambda: not lab.lab._robot.client_connected)
    assert not lab.lab._robot.motion_running
    move_to(connect(lab), [0.45, 0.0, 0.30])


@pytest.mark.parametrize("port", [ROBOT_PORT, GRIPPER_PORT])
def test_a_stranger_on_a_port_does_no_harm(start_lab: StartLab, port: int) -> None:
    lab = start_lab(speed=SPEED)
    with socket.create_connection((lab.address, port), timeout=10.0) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
        lab.run_for(0.2)
    wait_until(lambda: not lab.lab._robot.client_connected)
    move_to(connect(lab), [0.45, 0.0, 0.30])


@pytest.mark.parametrize("port", [ROBOT_PORT, GRIPPER_PORT, FRAME_PORT])
def test_a_taken_port_is_named(start_lab: StartLab, address: str, port: int) -> None:
    with (
        socket.create_server((address, port)),
        pytest.raises(AddressInUseError, match=f"{address}:{port}.*another simulator"),
    ):
        start_lab()
    # nothing was left open by the refused one
    for free in {ROBOT_PORT, GRIPPER_PORT, FRAME_PORT} - {port}:
        socket.create_server((address, free)).close()


def test_a_second_simulator_on_the_same_address(start_lab: StartLab) -> None:
    start_lab()
    with pytest.raises(AddressInUseError, match=f":{ROBOT_PORT} is taken"):
        start_lab()


@pytest.mark.parametrize("bad", ["localhost", "127.0.0", "0.0.0.0", "10.1.2.3", "::1", ""])
def test_only_loopback_is_served(bad: str) -> None:
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.61"):
        check_address(bad, (ROBOT_PORT,))


def test_use_before_open(cell: Cell, address: str) -> None:
    server = Fr3Server(cell, sample_scene("pick_place", 0), address)
    for use in (server.tick, lambda: server.world, lambda: server.reset(server._scene)):
        with pytest.raises(SimulationError, match=r"open\(\)"):
            use()
    server.close()
