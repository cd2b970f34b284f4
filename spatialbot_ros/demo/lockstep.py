"""The suite's pure parts around the lab's physics and sensors, in one process on simulated time.

Between camera and arm stands what the nodes run: `CameraWatch`, the policy, `Executor` with the
shipped safety limits. The arm follows joint speeds exactly (`MemoryArm`), and the lab's arm follows
it through its motors. A camera that was lost is looked for with the pauses of `FrameGrabber`.
"""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction, parse_action_text
from spatialbot_model.contracts.frame_link import RawFrame, SensorDescription
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import Observation, RgbdFrame, RobotState
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_model.policies.registry import make_policy
from spatialbot_ros.camera_faults import CameraFault, CameraFaultLimits, CameraWatch
from spatialbot_ros.cameras.grabber import EAGER_RETRY_S
from spatialbot_ros.configuration import load_action_spec, load_cell, load_safety_limits
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig
from spatialbot_ros.fault_trace import FaultTrace
from spatialbot_ros.ports import ArmState, CameraFrameset, CameraInfo
from spatialbot_ros.robots.memory_arm import ManualClock, MemoryArm
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_records import ActionRequest
from spatialbot_sim.alignment import DepthAlignment
from spatialbot_sim.arm_drive import ArmDrive
from spatialbot_sim.camera import SensorRenderer
from spatialbot_sim.camera_faults import (
    RECALIBRATED,
    UNPLUGGED,
    FrameFaults,
    InjectedFault,
    recalibrated,
)
from spatialbot_sim.judge import judge
from spatialbot_sim.lab import describe_sensors
from spatialbot_sim.stereo_noise import StereoNoise
from spatialbot_sim.tasks import sample_scene
from spatialbot_sim.world import World, build_world, settle

RATE_HZ = 15.0
_TIMESTEP_S = 0.001
_POLL_S = 0.1
_MOVING_M_S = 0.02
_NS_PER_S = 1_000_000_000


class LockstepLab:
    """See the module docstring. One thread; `begin`, then `advance` until `ending` is told.

    Attributes:
        ending: how the instruction ended, empty while it goes on.
    """

    def __init__(self) -> None:
        self._cell, self._spec = load_cell(), load_action_spec()
        self._renderer = SensorRenderer(self._cell.camera)
        self._alignment = DepthAlignment(self._cell.camera)
        self._policy = make_policy("classical", PolicyConfig(self._spec, self._cell))
        self._is_open = False
        self.ending = ""

    def begin(self, task: str, seed: int) -> None:
        """Lay a scene, arm at home, a fresh camera, and start the scene's instruction."""
        cell, spec = self._cell, self._spec
        scene = sample_scene(task, seed)
        world = build_world(scene, cell)
        settle(world)
        world.model.opt.timestep = _TIMESTEP_S
        self._world, self._drive = world, ArmDrive(world)
        self._show(world)
        self._noise = StereoNoise(cell.camera, seed)
        self._clock = ManualClock()
        self._clock.wait(1.0)
        self._arm = MemoryArm(cell.home_joints_rad, self._clock, self._clock.wait)
        self._arm.connect()
        envelope = SafetyEnvelope(
            load_safety_limits(), cell.workspace_min_m, cell.workspace_max_m, spec
        )
        # an arm in memory answers at once
        self._executor = Executor(ExecutorConfig(response_lag_s=0.0), envelope)
        self._executor.connected(self._arm.read_state())
        self._sensors = describe_sensors(cell, RATE_HZ)
        self._faults, self._fault = FrameFaults(), ""
        self._watch = CameraWatch(CameraFaultLimits())
        self._watch.connected(_camera_info(self._sensors), self._now_ns, self.time_s)
        self._polled_s = self.time_s
        self._retry_at_s: float | None = None
        self._speed_m_s = 0.0
        self._frame_number = 0
        self._sequence = 0
        self._shown: RgbdFrame | None = None
        self._asked_ns = -1
        self._intrinsics = self._sensors.color
        self._history = FrameHistory()
        self._policy_at_s = self.time_s
        self._trace: FaultTrace | None = None
        self._instruction = scene.instruction
        self.ending = ""
        self._policy.start(scene.instruction)

    @property
    def time_s(self) -> float:
        """Simulated time, which is the robot's and ROS time."""
        # to the nanosecond, as stamps are: sums of periods are not exact
        return round(self._clock.now_s, 9)

    @property
    def is_moving(self) -> bool:
        """The tool is on its way, faster than 2 cm/s."""
        return self._executor.state.value == "running" and self._speed_m_s > _MOVING_M_S

    def inject(self, fault: InjectedFault) -> FaultTrace:
        """Spoil the camera's frames from the next one on; the trace fills while time advances."""
        self._faults.begin(fault)
        self._trace = FaultTrace(fault.name, fault.duration_s)
        return self._trace

    def advance(self, duration_s: float) -> None:
        """One command period."""
        self._expose_when_due()
        self._look_after_camera()
        self._ask_policy_when_due()
        before = self._arm.read_state()
        self._command()
        self._clock.wait(duration_s)
        measured = self._arm.read_state()
        way_m = measured.T_base_ee[:3, 3] - before.T_base_ee[:3, 3]
        self._speed_m_s = float(np.linalg.norm(way_m)) / duration_s
        self._drive.move(before.q_rad, measured.q_rad, round(duration_s / _TIMESTEP_S))
        if self._trace is not None and self._trace.onset_s is not None:
            self._trace.poses.append((self.time_s, measured.T_base_ee[:3, 3].copy()))

    def close(self) -> None:
        """Release OpenGL and the policy."""
        self._renderer.close()
        self._policy.close()

    @property
    def _now_ns(self) -> int:
        return round(self.time_s * _NS_PER_S)

    def _show(self, world: World) -> None:
        if self._is_open:
            self._renderer.use(world)
        else:
            self._renderer.open(world)
            self._is_open = True

    def _command(self) -> None:
        command = self._executor.step(self._measured())
        if command.stop:
            self._arm.stop()
        if command.gripper_closed is not None:
            self._drive.hand.command(command.gripper_closed)
        if command.dq_rad_s is not None:
            self._arm.stream_joints(command.dq_rad_s, command.hold_s, command.pace)

    def _measured(self) -> ArmState:
        state = self._arm.read_state()
        width_m = float(self._drive.finger_m.sum())
        return ArmState(
            state.robot_time_s,
            state.q_rad,
            state.dq_rad_s,
            state.tau_nm,
            state.T_base_ee,
            width_m,
            state.mode,
            state.errors,
            state.dq_commanded_rad_s,
        )

    def _expose_when_due(self) -> None:
        """The sensors' side: draw, spoil, hand over."""
        if self.time_s * RATE_HZ < self._frame_number + RATE_HZ:
            return
        self._frame_number += 1
        fault = self._faults.name(self._now_ns)
        if fault != self._fault:
            self._begin_or_end(fault)
        color = np.ascontiguousarray(self._renderer.render_color())
        depth_mm = self._noise.apply(self._renderer.render_depth_m(), self._frame_number)
        raw = RawFrame(self._frame_number, self._now_ns, color, depth_mm)
        spoiled = self._faults.apply(raw, fault)
        if spoiled is not None and self._retry_at_s is None:
            self._receive(spoiled)

    def _begin_or_end(self, fault: str) -> None:
        trace = self._trace
        if trace is not None and fault:
            trace.onset_s = self.time_s
        elif trace is not None:
            trace.end_s = self.time_s
        reopened = RECALIBRATED in (fault, self._fault)
        self._fault = fault
        if fault == UNPLUGGED or reopened:
            self._note(self._watch.lost("the connection is gone", self.time_s))
            self._retry_at_s = self.time_s + EAGER_RETRY_S

    def _receive(self, raw: RawFrame) -> None:
        """The camera node's side: what passes is shown."""
        self._polled_s = self.time_s
        if raw.is_half:
            self._note(self._watch.half("a single image", self._now_ns, self.time_s))
            return
        aligned_mm = self._alignment.align(raw.depth_mm)
        frameset = CameraFrameset(
            raw.stamp_ns, raw.frame_number, raw.color, raw.depth_mm, aligned_mm
        )
        was_bad = self._watch.current is not None
        fault = self._watch.frameset(frameset, self._now_ns, self.time_s)
        self._note(fault)
        if fault is not None:
            return
        if was_bad and self._trace is not None:
            self._trace.good_s = self.time_s
        self._shown = RgbdFrame(raw.stamp_ns, raw.color, aligned_mm, self._description.color)

    @property
    def _description(self) -> SensorDescription:
        return recalibrated(self._sensors) if self._fault == RECALIBRATED else self._sensors

    def _look_after_camera(self) -> None:
        if self._retry_at_s is not None:
            if self.time_s < self._retry_at_s:
                return
            if self._fault == UNPLUGGED:
                self._retry_at_s = self.time_s + EAGER_RETRY_S
                return
            self._retry_at_s = None
            info = _camera_info(self._description)
            self._note(self._watch.connected(info, self._now_ns, self.time_s))
            self._polled_s = self.time_s
        elif self.time_s - self._polled_s >= _POLL_S:
            self._polled_s = self.time_s
            self._note(self._watch.silent(self._now_ns, self.time_s))

    def _note(self, fault: CameraFault | None) -> None:
        trace = self._trace
        if fault is not None and trace is not None and trace.told_s is None:
            trace.told_s, trace.told_name = self.time_s, fault.name

    def _ask_policy_when_due(self) -> None:
        """One control step on a newer frame; without one the policy says nothing."""
        frame = self._shown
        if self.ending or self.time_s < self._policy_at_s or frame is None:
            return
        if frame.stamp_ns <= self._asked_ns:
            return
        if frame.intrinsics != self._intrinsics:
            self.ending = "the camera's calibration changed during the instruction"
            return
        self._asked_ns = frame.stamp_ns
        self._policy_at_s = self.time_s + 1.0 / self._spec.rate_hz
        self._history.push(frame)
        answer = self._policy.step(self._observation())
        action = parse_action_text(answer.text, self._spec)
        if not isinstance(action, DeltaAction):
            verdict = judge(self._world, self._world.scene)
            self.ending = "placed" if verdict.success else f"finished, {verdict.reason}"
            return
        self._sequence += 1
        request = ActionRequest.from_action(action, self._sequence, frame.stamp_ns)
        self._executor.apply(request, self._now_ns)
        if self._trace is not None:
            self._trace.actions.append((self.time_s, frame.stamp_ns / _NS_PER_S))

    def _observation(self) -> Observation:
        state = self._measured()
        robot = RobotState(
            state.T_base_ee,
            self._executor.T_base_target,
            state.gripper_width_m,
            self._executor.gripper_closed,
        )
        T_base_color: NDArray[np.float64] = self._cell.camera.T_base_color
        return Observation(self._history.frames(), self._instruction, T_base_color, robot)


def _camera_info(sensors: SensorDescription) -> CameraInfo:
    T_color_depth = np.eye(4)
    T_color_depth[:3, 3] = sensors.depth_to_color_translation_m
    return CameraInfo(
        sensors.name,
        sensors.serial_no,
        "simulated",
        sensors.color,
        sensors.depth,
        T_color_depth,
        sensors.rate_hz,
    )
