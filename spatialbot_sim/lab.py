"""The simulated lab as a whole: robot server, sensors and judge on one clock.

`Lab.run` is the physics loop. It owns MuJoCo, OpenGL and all sockets; other threads talk to it
through `submit`, whose calls are done between two milliseconds.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.frame_link import FRAME_PORT, RawFrame, SensorDescription
from spatialbot_model.contracts.transforms import invert
from spatialbot_sim.camera import SensorRenderer
from spatialbot_sim.camera_faults import (
    RECALIBRATED,
    UNPLUGGED,
    FrameFaults,
    InjectedFault,
    recalibrated,
)
from spatialbot_sim.fr3_server import (
    GRIPPER_PORT,
    ROBOT_PORT,
    Fr3Server,
    TickState,
    check_address,
)
from spatialbot_sim.frame_server import FrameServer
from spatialbot_sim.judge import Verdict, judge
from spatialbot_sim.pacing import PolicyLagGate
from spatialbot_sim.schedule import Schedule
from spatialbot_sim.stereo_noise import StereoNoise, to_millimetres
from spatialbot_sim.tasks import Scene, sample_scene

NS_PER_TICK = 1_000_000
START_NS = 1_000_000_000
"""Simulation time starts at one second: ROS takes time zero for `not set`."""

_GATE_POLL_S = 0.001

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabOptions:
    """How the lab runs.

    Attributes:
        address: loopback address that robot, gripper and sensors are served on.
        speed: simulated seconds per wall second, at most.
        frame_rate_hz: of both sensor streams, simulation time.
        depth_noise: False gives exact depth.
        policy_lag_limit_s: how far simulation time may run ahead of the policy; 0 = no limit.
    """

    address: str = "127.0.0.61"
    task: str = "pick_place"
    seed: int = 0
    speed: float = 1.0
    frame_rate_hz: float = 15.0
    depth_noise: bool = True
    policy_lag_limit_s: float = 0.2


class Lab:
    """See the module docstring. `open`, `run` and `close` belong to one thread."""

    def __init__(self, cell: Cell, options: LabOptions) -> None:
        self._cell = cell
        self._options = options
        self._scene = sample_scene(options.task, options.seed)
        self._robot = Fr3Server(cell, self._scene, options.address)
        self._sensors = describe_sensors(cell, options.frame_rate_hz)
        self._frames = FrameServer(options.address, self._sensors)
        self._faults = FrameFaults()
        self._fault = ""
        self._renderer = SensorRenderer(cell.camera)
        self._noise = StereoNoise(cell.camera, options.seed)
        self._schedule = Schedule(options.speed)
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._ticks = 0
        self._frame_number = 0
        self._next_frame = 1
        self.gate = PolicyLagGate(options.policy_lag_limit_s)
        self.on_tick: Callable[[int, int], None] = lambda ticks, time_ns: None
        """Called after every tick on the physics thread, with tick count and time [ns]."""
        self.on_camera_fault: Callable[[str, int], None] = lambda name, time_ns: None
        """Called on the physics thread with the fault of the camera that begins, and the time [ns]
        of the first frame that has it; with an empty name and the first good frame's at its end."""

    @property
    def scene(self) -> Scene:
        """The scene that lies on the table now."""
        return self._scene

    @property
    def time_ns(self) -> int:
        """Simulation time; never goes back."""
        return START_NS + self._ticks * NS_PER_TICK

    def open(self) -> None:
        """Bind all ports and build the world.

        Raises:
            AddressInUseError: another simulator serves this address.
            SimulationError: the world cannot be built, or there is no off-screen OpenGL.
        """
        check_address(self._options.address, (ROBOT_PORT, GRIPPER_PORT, FRAME_PORT))
        self._frames.open()
        self._robot.open()
        self._renderer.open(self._robot.world)

    def run(self) -> None:
        """The physics loop; returns after `stop`."""
        self._schedule.start(time.monotonic())
        while not self._stop.is_set():
            self._do_calls()
            if not self.gate.may_advance(self.time_ns, time.monotonic()):
                # short enough to be back long before the robot's client gives up
                time.sleep(_GATE_POLL_S)
                self._schedule.start(time.monotonic())
                continue
            self._robot.tick()
            self._ticks += 1
            if self._ticks * self._options.frame_rate_hz >= self._next_frame * 1000:
                self._next_frame += 1
                self._send_frame()
            self.on_tick(self._ticks, self.time_ns)
            self._schedule.wait()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Release ports and OpenGL; allowed more than once."""
        self._robot.close()
        self._frames.close()
        self._renderer.close()

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        """Have the physics loop do something between two ticks; from any thread."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)

        self._calls.put(run)
        return future

    def reset(self, task: str, seed: int) -> Scene:
        """Lay the scene of a task and a seed; on the physics thread (see `submit`).

        Raises:
            UnknownNameError: no such task.
            SimulationError: a motion is running, or the arm is in the way.
        """
        scene = sample_scene(task, seed)
        self._robot.reset(scene)
        self._scene = scene
        self._renderer.use(self._robot.world)
        self._noise = StereoNoise(self._cell.camera, seed)
        self.gate.clear()
        return scene

    def inject_camera_fault(self, fault: InjectedFault) -> None:
        """Spoil the camera's frames for a while; on the physics thread (see `submit`)."""
        self._faults.begin(fault)

    @property
    def num_frames(self) -> int:
        """Sensor frames since the start."""
        return self._frame_number

    def judge(self) -> Verdict:
        """Ground truth of the scene; on the physics thread (see `submit` and `on_tick`)."""
        return judge(self._robot.world, self._scene)

    def tick_state(self) -> TickState:
        """What the arm did in the last tick; on the physics thread (see `on_tick`)."""
        return self._robot.tick_state()

    def _do_calls(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            call()

    def _send_frame(self) -> None:
        fault = self._faults.name(self.time_ns)
        if fault != self._fault:
            self._fault = fault
            self._connect_sensors(fault)
            self.on_camera_fault(fault, self.time_ns)
        if not self._frames.ready():
            return
        self._frame_number += 1
        color = np.ascontiguousarray(self._renderer.render_color())
        depth_m = self._renderer.render_depth_m()
        if self._options.depth_noise:
            depth_mm = self._noise.apply(depth_m, self._frame_number)
        else:
            depth_mm = to_millimetres(depth_m, self._cell.camera.depth_range_m)
        frame = self._faults.apply(
            RawFrame(self._frame_number, self.time_ns, color, np.ascontiguousarray(depth_mm)), fault
        )
        if frame is not None:
            self._frames.send(frame)

    def _connect_sensors(self, fault: str) -> None:
        if fault == UNPLUGGED:
            self._frames.unplug()
        else:
            self._frames.plug()
        is_changed = fault == RECALIBRATED
        self._frames.describe(recalibrated(self._sensors) if is_changed else self._sensors)


def describe_sensors(cell: Cell, rate_hz: float) -> SensorDescription:
    """What the simulated camera reports about itself."""
    mount = cell.camera
    T_color_depth = invert(mount.T_base_color) @ mount.T_base_depth
    x_m, y_m, z_m = (float(v) for v in T_color_depth[:3, 3])
    return SensorDescription(
        name="SpatialBot simulated D435",
        serial_no="000000000000",
        color=mount.color,
        depth=mount.depth,
        depth_to_color_translation_m=(x_m, y_m, z_m),
        stereo_baseline_m=mount.stereo_baseline_m,
        rate_hz=rate_hz,
    )
