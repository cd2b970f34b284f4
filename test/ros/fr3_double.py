"""Test double of an FR3 behind real libfranka: franky-sim, and faults on command.

Run as a program: ``python fr3_double.py ADDRESS``. Prints ``ready`` when it serves; obeys
lines on stdin: ``reflex`` (the robot stops itself until recovered), ``silence`` (no more
states), ``freeze SECONDS`` (nothing at all for a while), and ends at end of file.
"""

import os
import select
import sys
import time

import franky_sim
import yaml
from franky_sim.franka_robot_protocol import (
    AutomaticErrorRecoveryCommand,
    MoveCommand,
    MoveStatus,
    RobotCommand,
    RobotMode,
)
from franky_sim.franka_robot_server import FrankaRobotServer
from franky_sim.mujoco_simulator import MujocoSimulator

TICK_S = 0.001
JOINT_REFLEX = 7


class FaultyRobot:
    """Patches one server: in reflex it says so, rejects motions, and needs recovery."""

    def __init__(self, server):
        self.server = server
        self.reflex = False
        state = FrankaRobotServer.robot_state.fget
        move, recover = MoveCommand.handle, AutomaticErrorRecoveryCommand.handle
        errors = tuple(i == JOINT_REFLEX for i in range(41))

        def robot_state(server):
            normal = state(server)
            if not self.reflex:
                return normal
            return normal.replace(robot_mode=RobotMode.kReflex, errors=errors)

        def handle_move(command, server):
            if self.reflex:
                command.reply(MoveStatus.kCommandNotPossibleRejected)
            else:
                move(command, server)

        def handle_recovery(command, server):
            self.reflex = False
            recover(command, server)

        FrankaRobotServer.robot_state = property(robot_state)
        MoveCommand.handle = handle_move
        AutomaticErrorRecoveryCommand.handle = handle_recovery

    def trip(self):
        motion_id = self.server.current_motion_id
        self.server.stop_motion(send_preemption_signal=False)
        self.reflex = True
        if motion_id:
            MoveCommand.send_response(
                self.server._tcp_socket, RobotCommand.kMove, motion_id, MoveStatus.kReflexAborted
            )
            self.server.reset_current_motion_id()


def main(address, home_joints_rad):
    with MujocoSimulator(enable_visualization=False) as sim:
        sim.add_robot(kv=(130, 130, 100, 100, 40, 40, 40), initial_q=home_joints_rad)
        with franky_sim.SimulationServer(sim, hostname_candidates=[address]) as served:
            for name in ("finger_joint1", "finger_joint2"):
                for prefix in ("robot0_", ""):
                    try:
                        sim.model.joint(prefix + name).frictionloss[:] = 0.2
                    except KeyError:
                        continue
            robot = served.robot_servers[0]
            faulty = FaultyRobot(robot)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            serve(served, robot, faulty)


def serve(served, robot, faulty):
    silent = False
    due_s = time.monotonic()
    while True:
        if select.select([sys.stdin], [], [], 0.0)[0]:
            line = os.read(0, 100).decode()
            if not line:
                return
            for word in line.split("\n"):
                if word == "reflex":
                    faulty.trip()
                silent = silent or word == "silence"
                if word.startswith("freeze"):
                    time.sleep(float(word.split()[1]))
        if silent:
            time.sleep(0.01)
            continue
        served.run_once(realtime=0.0)
        # lockstep while a motion runs: wait for the client's command, as a loaded machine needs
        if robot.current_motion_id > 0 and robot.udp_connected:
            select.select([robot._FrankaServer__udp_socket], [], [], 0.02)
        due_s += TICK_S
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        elif wait_s < -0.05:
            due_s = time.monotonic()


if __name__ == "__main__":
    main(sys.argv[1], yaml.safe_load(sys.argv[2]))
