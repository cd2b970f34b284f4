"""The simulated FR3: franky-sim's libfranka server over our world, one tick at a time.

Everything that reaches into franky-sim 1.0.4 (pinned) is in this file:

- `_LabSimulator` steps our world instead of franky-sim's own scene and can exchange it while
  a client stays connected: the public API only builds a scene once.
- the servers' UDP sockets are bound to the simulator's address; franky-sim binds them to all.
- `Fr3Server.tick` waits for the client's answer to each state while a motion runs (lockstep),
  so that a loaded machine slows the simulation instead of starving the controller.
"""

import errno
import ipaddress
import logging
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from franky_sim.franka_gripper_server import FrankaGripperServer
from franky_sim.franka_robot_server import FrankaRobotServer
from franky_sim.franka_robot_state import FrankaRobotState
from franky_sim.franka_server import FrankaServer, NonBlockingReceiver
from franky_sim.mujoco_simulator import FrankaMujocoRobot, MujocoSimulator
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import AddressInUseError, ConfigurationError, SimulationError
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import (
    FINGER_NAMES,
    HAND_OPEN_M,
    JOINT_NAMES,
    ROBOT_PREFIX,
    World,
    build_world,
    set_arm,
    settle,
)

ROBOT_PORT = 1337
GRIPPER_PORT = 1338

JOINT_DAMPING_GAINS = (130.0, 130.0, 100.0, 100.0, 40.0, 40.0, 40.0)
"""franky-sim's default kv lags 90 ms behind the command, these 28 ms (measured)."""

_LOCKSTEP_WAIT_S = 0.020
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TickState:
    """One line of the 1 kHz log: what the robot did and what its client had commanded.

    Attributes:
        robot_time_ms: the time that the client was told; -1 before its first connection, begins
            again with each.
        motion: libfranka's motion generator (0 idle, 3 Cartesian position, 4 Cartesian velocity,
            none during torque control).
        moving: a client's motion is active.
        q_rad, dq_rad_s: (7,) measured.
        q_commanded_rad, dq_commanded_rad_s: (7,) set points of the joint controllers.
        twist_commanded: (6,) set point of the Cartesian velocity generator, base frame.
        tool_m: (3,) measured tool centre point.
    """

    robot_time_ms: int
    motion: int
    moving: bool
    q_rad: NDArray[np.float64]
    dq_rad_s: NDArray[np.float64]
    q_commanded_rad: NDArray[np.float64]
    dq_commanded_rad_s: NDArray[np.float64]
    twist_commanded: NDArray[np.float64]
    tool_m: NDArray[np.float64]


class Fr3Server:
    """Serves one FR3 with hand on a loopback address. Use `open`, then `tick` for ever.

    All methods belong to one thread.

    Args:
        lockstep_wait_s: how long to wait for the client's answer to a state.
    """

    def __init__(
        self, cell: Cell, scene: Scene, address: str, lockstep_wait_s: float = _LOCKSTEP_WAIT_S
    ) -> None:
        self._cell = cell
        self._lockstep_wait_s = lockstep_wait_s
        self._scene = scene
        self.address = address
        self._simulator: _LabSimulator | None = None
        self._robot_server: _RobotServer | None = None

    def open(self) -> None:
        """Build the world and bind the robot's and the gripper's port.

        Raises:
            AddressInUseError: another simulator serves this address.
            ConfigurationError: not an address of this machine.
            SimulationError: the world cannot be built.
        """
        check_address(self.address, (ROBOT_PORT, GRIPPER_PORT))
        simulator = _LabSimulator(self._cell, self._scene)
        server = _RobotServer(simulator.robot, [self.address])
        simulator.init()
        try:
            server.init()
        except OSError as error:
            raise AddressInUseError(f"cannot serve {self.address}:{ROBOT_PORT}: {error}") from error
        simulator.start()
        self._simulator, self._robot_server = simulator, server

    @property
    def world(self) -> World:
        """The world that is simulated now; another one after each `reset`."""
        if self._simulator is None or self._simulator.world is None:
            raise SimulationError("the simulated robot is not open; call open() first")
        return self._simulator.world

    @property
    def motion_running(self) -> bool:
        """True while a client's motion is active."""
        server = self._robot_server
        return server is not None and server.current_motion_id > 0

    @property
    def client_connected(self) -> bool:
        """True while a libfranka client is connected."""
        return self._robot_server is not None and self._robot_server.udp_connected

    def tick_state(self) -> TickState:
        """What the last tick did, for logs at 1 kHz; costs a few times 10 us."""
        if self._simulator is None or self._robot_server is None:
            raise SimulationError("the simulated robot is not open; call open() first")
        # what the client was told; computing it again would cost as much as a step
        state = self._robot_server.sent_state or self._robot_server.robot_state
        return TickState(
            robot_time_ms=self._robot_server.last_message_id,
            motion=int(state.motion_generator_mode.value),
            moving=self.motion_running,
            q_rad=np.array(state.q),
            dq_rad_s=np.array(state.dq),
            q_commanded_rad=np.array(state.q_d),
            dq_commanded_rad_s=np.array(state.dq_d),
            twist_commanded=np.array(state.O_dP_EE_c),
            tool_m=np.array(state.O_T_EE[12:15]),
        )

    def tick(self) -> None:
        """One millisecond: take commands, step, send the state, wait for the answer to it."""
        if self._simulator is None or self._robot_server is None:
            raise SimulationError("the simulated robot is not open; call open() first")
        try:
            self._robot_server.process_commands()
        except (KeyError, ValueError, struct.error, OSError) as error:
            _LOG.warning(
                "a client of %s sent something that is not libfranka's protocol (%r); dropped",
                self.address,
                error,
            )
            self._robot_server.drop_clients()
            # the joints need their holding torque in this tick too
            self._robot_server.process_commands()
        self._simulator.step()
        self._robot_server.sent_state = None
        try:
            self._robot_server.send_state()
        except OSError as error:
            _LOG.warning("cannot send the state to the client of %s: %s", self.address, error)
            self._robot_server.drop_clients()
        if self.motion_running:
            self._robot_server.wait_for_command(self._lockstep_wait_s)

    def reset(self, scene: Scene) -> None:
        """Lay another scene; arm, fingers and time stay as they are, the client connected.

        Raises:
            SimulationError: a motion is running, or the scene cannot be laid around the arm.
        """
        if self._simulator is None:
            raise SimulationError("the simulated robot is not open; call open() first")
        if self.motion_running:
            raise SimulationError(
                "the arm is moving; stop it (/spatialbot/stop or cancel the instruction) and"
                " reset again"
            )
        self._simulator.exchange(scene)

    def close(self) -> None:
        """Release the ports; allowed more than once."""
        if self._robot_server is not None:
            self._robot_server.drop_clients()
            self._robot_server.cleanup()
            self._robot_server = None
        if self._simulator is not None:
            self._simulator.cleanup()
            self._simulator = None


def check_address(address: str, ports: Sequence[int]) -> None:
    """Find out in time, and in words, whether the ports can be served.

    Raises:
        AddressInUseError: a port is taken; names it.
        ConfigurationError: not a loopback IPv4 address of this machine.
    """
    try:
        is_loopback = ipaddress.IPv4Address(address).is_loopback
    except ipaddress.AddressValueError as error:
        raise ConfigurationError(
            f"{address!r} is no IPv4 address; use a loopback one such as 127.0.0.61"
        ) from error
    if not is_loopback:
        raise ConfigurationError(
            f"{address} is no loopback address; the simulated robot obeys whoever connects, so it"
            " is served to this machine only: use one such as 127.0.0.61"
        )
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
                probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise ConfigurationError(
                        f"{address} is no address of this machine; use a loopback one such as"
                        " 127.0.0.61"
                    ) from error
                raise AddressInUseError(
                    f"{address}:{port} is taken, probably by another simulator ({error.strerror})."
                    " Stop it, or choose another loopback address (robot_ip:=127.0.0.62)."
                ) from error


class _LabSimulator(MujocoSimulator):  # type: ignore[misc]
    """franky-sim's simulator over a `World` that can be exchanged."""

    def __init__(self, cell: Cell, scene: Scene) -> None:
        super().__init__()
        self._cell = cell
        self._first_scene = scene
        self.world: World | None = None
        self.robot: FrankaMujocoRobot = self.add_robot(
            initial_q=tuple(cell.home_joints_rad),
            initial_hand_width=HAND_OPEN_M,
            kv=JOINT_DAMPING_GAINS,
        )

    def _start(self) -> None:
        world = build_world(self._first_scene, self._cell)
        settle(world)
        self._adopt(world)

    def exchange(self, scene: Scene) -> None:
        assert self.world is not None
        old = self.world
        names = (*JOINT_NAMES, *FINGER_NAMES)
        qpos = np.array([old.data.joint(name).qpos[0] for name in names])
        world = build_world(scene, self._cell)
        set_arm(world, qpos[:7], qpos[7:])
        settle(world)
        world.data.time = old.data.time
        self._adopt(world)

    def _adopt(self, world: World) -> None:
        self.world = world
        self._mj_model, self._mj_data = world.model, world.data
        self.robot._attach_to_scene(world.model, world.data, ROBOT_PREFIX)

    def _step(self) -> None:
        mujoco.mj_step(self._mj_model, self._mj_data)


def _bind_udp(server: FrankaServer) -> None:
    """Replace the UDP socket of a server, bound to all interfaces, by one on its own address."""
    private = "_FrankaServer__udp_socket"
    getattr(server, private).close()
    udp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp_socket.bind((server.hostname, 0))
    udp_socket.setblocking(False)
    setattr(server, private, udp_socket)
    setattr(server, "_FrankaServer__udp_receiver", NonBlockingReceiver(udp_socket))  # noqa: B010


class _GripperServer(FrankaGripperServer):  # type: ignore[misc]
    def _setup_udp_connection(self, network_udp_port: int) -> None:
        super()._setup_udp_connection(network_udp_port)
        _bind_udp(self)


class _RobotServer(FrankaRobotServer):  # type: ignore[misc]
    sent_state: FrankaRobotState | None = None
    """Of this tick; None while nobody is connected."""

    def _get_state_bytes(self) -> bytes:
        self.sent_state = self.robot_state
        return bytes(self.sent_state.pack_state())

    def _bind_children(self, hostname: str) -> None:
        gripper_server = _GripperServer(self.robot, hostname)
        setattr(self, "_FrankaRobotServer__gripper_server", gripper_server)  # noqa: B010
        gripper_server.init()

    def _setup_udp_connection(self, network_udp_port: int) -> None:
        super()._setup_udp_connection(network_udp_port)
        _bind_udp(self)

    @property
    def last_message_id(self) -> int:
        """Number of the newest state packet, which libfranka takes for the time [ms]."""
        return int(getattr(self, "_FrankaServer__message_id")) - 1  # noqa: B009

    def drop_clients(self) -> None:
        """Close the connections of robot and gripper; the arm holds where it is."""
        self.reset_state()
        self.gripper_server.reset_state()

    def wait_for_command(self, timeout_s: float) -> None:
        """Until the client has answered the last state, at most `timeout_s`."""
        udp_socket = getattr(self, "_FrankaServer__udp_socket")  # noqa: B009
        if udp_socket is not None:
            select.select([udp_socket], [], [], timeout_s)
