"""The tabletop in this process: no sockets, no ROS, many times faster than real time.

World, cameras and noise are the lab's; an action moves the target pose by the arithmetic of the
executor, and the arm goes there by the executor's reference. What is left out is the transport:
libfranka's protocol, librealsense and ROS. One step is one control period of robot time.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    SimulationError,
)
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.target_reference import TargetReference
from spatialbot_model.contracts.target_step import StepLimits, advance_target
from spatialbot_model.contracts.types import Observation, RgbdFrame
from spatialbot_sim.alignment import DepthAlignment
from spatialbot_sim.arm_drive import ArmDrive
from spatialbot_sim.camera import SensorRenderer
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.ik import ArmIk, hand_to_tcp
from spatialbot_sim.judge import Verdict, judge
from spatialbot_sim.lab import START_NS
from spatialbot_sim.privileged import PrivilegedState, ThingTracker, linear_velocity_m_s
from spatialbot_sim.proprioception import Proprioception
from spatialbot_sim.stereo_noise import StereoNoise, to_millimetres
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import (
    HAND_OPEN_M,
    ROBOT_PREFIX,
    World,
    build_world,
    set_arm,
    settle,
)

HAND_BODY = f"{ROBOT_PREFIX}hand"
_NS_PER_S = 1_000_000_000


class TabletopEnv:
    """See the module docstring. All methods belong to one thread, which owns OpenGL.

    Args:
        cell: where things stand.
        spec: what the bins of actions mean; its rate is the rate of steps.
    """

    def __init__(self, cell: Cell, spec: ActionSpec, options: EnvOptions | None = None) -> None:
        self._cell, self._spec = cell, spec
        self._options = options = options or EnvOptions()
        commands = 1.0 / (spec.rate_hz * options.command_period_s)
        if abs(commands - round(commands)) > 1e-9:
            raise ConfigurationError(
                f"a control period of {1.0 / spec.rate_hz} s is no multiple of the command period"
                f" of {options.command_period_s} s"
            )
        self._num_commands = round(commands)
        self._num_ticks = round(options.command_period_s / options.timestep_s)
        self._limits = StepLimits(
            max_step_translation_m=options.max_step_translation_m,
            max_step_rotation_rad=options.max_step_rotation_rad,
            max_lead_m=options.max_lead_m,
            max_lead_rad=options.max_lead_rad,
            workspace_min_m=cell.workspace_min_m,
            workspace_max_m=cell.workspace_max_m,
        )
        self._renderer = SensorRenderer(cell.camera)
        self._alignment: DepthAlignment | None = None
        self._noise: StereoNoise | None = None
        self._ik = ArmIk(options.command_period_s)
        self._history = FrameHistory()
        self._reference = TargetReference(options.response_lag_s)
        self._q_rad = cell.home_joints_rad
        self._gripper_closed = False
        self._last_width_m = 0.0
        self._num_steps = 0
        self._frame_number = 0
        self._world: World | None = None
        self._drive: ArmDrive | None = None
        self._things: ThingTracker | None = None
        self._hand_body = -1
        self.on_command: Callable[[float], None] = lambda time_s: None
        """Called after every command period with the time since the reset [s]."""

    @property
    def stamp_ns(self) -> int:
        """Simulation time; starts again at every reset."""
        return START_NS + round(self._num_steps * _NS_PER_S / self._spec.rate_hz)

    @property
    def world(self) -> World:
        """The world that is simulated now."""
        if self._world is None:
            raise SimulationError("no scene is laid; call reset(scene) first")
        return self._world

    def reset(self, scene: Scene) -> Observation:
        """Lay a scene, the arm at home with open hand, and look at it.

        Raises:
            SimulationError: the world cannot be built.
            MissingDependencyError: there is no off-screen OpenGL.
        """
        self.lay(scene)
        return self.begin()

    def lay(self, scene: Scene) -> None:
        """The first half of `reset`: everything but looking.

        Raises:
            SimulationError: the world cannot be built.
            MissingDependencyError: there is no off-screen OpenGL.
        """
        world = build_world(scene, self._cell)
        settle(world)
        world.model.opt.timestep = self._options.timestep_s
        self._world = world
        self._drive = ArmDrive(world)
        self._things = ThingTracker(world)
        self._hand_body = int(world.model.body(HAND_BODY).id)
        self._stand(self._drive.q_rad)
        self._gripper_closed = False
        self._num_steps = 0
        if self._options.render:
            # opens on the first call
            self._renderer.open(world)
            self._noise = StereoNoise(self._cell.camera, scene.seed)

    def begin(self) -> Observation:
        """Look, as at the start of an instruction: time and history begin here."""
        self._num_steps = 0
        self._frame_number = 0
        self._last_width_m = float(self._driven.finger_m.sum())
        self._history.clear()
        return self._observe()

    def place_arm(self, q_rad: NDArray[np.float64], *, open_hand: bool) -> None:
        """Put the arm at joint positions (7,) at rest, as if it had been sent there.

        Args:
            open_hand: False leaves fingers and hand as they are.
        """
        drive = self._driven
        finger_m = np.full(2, HAND_OPEN_M / 2) if open_hand else drive.finger_m
        set_arm(self.world, q_rad, finger_m)
        if open_hand:
            drive.reset_hand()
            self._gripper_closed = False
        self._stand(q_rad)

    def step(self, action: DeltaAction) -> Observation:
        """Follow one action for one control period, then look.

        Raises:
            ActionSpecMismatchError: the action was made for another meaning of the bins.
        """
        self.move(action)
        return self._observe()

    def move(self, action: DeltaAction) -> None:
        """Follow one action for one control period without looking: nothing is drawn.

        Raises:
            ActionSpecMismatchError: the action was made for another meaning of the bins.
        """
        if action.spec.id != self._spec.id:
            raise ActionSpecMismatchError(
                f"the action means {action.spec}, this environment runs {self._spec}"
            )
        drive = self._driven
        self._last_width_m = float(drive.finger_m.sum())
        self._aim(action)
        if action.gripper_closed != self._gripper_closed:
            self._gripper_closed = action.gripper_closed
            drive.hand.command(action.gripper_closed)
        period_s = self._options.command_period_s
        for k in range(self._num_commands):
            self._reference.advance(period_s)
            q_rad = self._ik.follow(self._reference.delayed())
            drive.move(self._q_rad, q_rad, self._num_ticks)
            self._q_rad = q_rad
            self.on_command(self._num_steps / self._spec.rate_hz + (k + 1) * period_s)
        self._num_steps += 1

    def verdict(self) -> Verdict:
        """Ground truth of the task."""
        return judge(self.world, self.world.scene)

    def proprioception(self) -> Proprioception:
        """Joints, tool and hand as measured now."""
        drive = self._driven
        finger_m = drive.finger_m
        width_m = float(finger_m.sum())
        return Proprioception(
            q_rad=drive.q_rad,
            dq_rad_s=drive.dq_rad_s,
            finger_m=finger_m,
            T_base_ee=self._T_base_ee(),
            T_base_target=self._reference.T_base_target,
            gripper_width_m=width_m,
            gripper_closed=self._gripper_closed,
            gripper_speed_m_s=(width_m - self._last_width_m) * self._spec.rate_hz,
        )

    def privileged_state(self) -> PrivilegedState:
        """The true state of everything."""
        drive, world = self._driven, self.world
        assert self._things is not None
        return PrivilegedState(
            T_base_ee=self._T_base_ee(),
            T_base_target=self._reference.T_base_target,
            ee_velocity_m_s=linear_velocity_m_s(world.model, world.data, self._hand_body),
            gripper_width_m=float(drive.finger_m.sum()),
            gripper_speed_m_s=float(drive.finger_m_s.sum()),
            gripper_closed=self._gripper_closed,
            poses=self._things.poses(),
            boxes=self._things.boxes(),
            verdict=self.verdict(),
        )

    def close(self) -> None:
        """Release OpenGL; allowed more than once."""
        self._renderer.close()

    @property
    def _driven(self) -> ArmDrive:
        if self._drive is None:
            raise SimulationError("no scene is laid; call reset(scene) first")
        return self._drive

    def _stand(self, q_rad: NDArray[np.float64]) -> None:
        """The arm is at joint positions and has nowhere to go."""
        self._q_rad = q_rad
        self._ik.reset(q_rad)
        # a new one: time that has run already would change the last digits of what follows
        self._reference = TargetReference(self._options.response_lag_s)
        self._reference.reset(self._T_base_ee())

    def _aim(self, action: DeltaAction) -> None:
        """Move the target and send the reference after it, as the executor does."""
        options = self._options
        step = advance_target(
            self._limits,
            action.translation_m,
            action.rotation_rad,
            self._reference.T_base_target,
            self._T_base_ee(),
        )
        way_m, way_rad = self._reference.distance(step.T_base_target)
        needed_s = max(way_m / options.max_speed_m_s, way_rad / options.max_speed_rad_s)
        self._reference.go(step.T_base_target, max(needed_s, options.stretch / self._spec.rate_hz))

    def _T_base_ee(self) -> NDArray[np.float64]:
        data = self.world.data
        return hand_to_tcp(
            np.array(data.xpos[self._hand_body]), data.xmat[self._hand_body].reshape(3, 3)
        )

    def _observe(self) -> Observation:
        self._history.push(self._frame())
        return Observation(
            self._history.frames(),
            self.world.scene.instruction,
            self._cell.camera.T_base_color,
            self.proprioception().state,
        )

    def _frame(self) -> RgbdFrame:
        mount = self._cell.camera
        shape = (mount.color.height, mount.color.width)
        if not self._options.render:
            blank = np.zeros(shape, np.uint16)
            return RgbdFrame(self.stamp_ns, np.zeros((*shape, 3), np.uint8), blank, mount.color)
        if self._alignment is None:
            self._alignment = DepthAlignment(mount)
        self._frame_number += 1
        color = np.ascontiguousarray(self._renderer.render_color())
        depth_m = self._renderer.render_depth_m()
        if self._options.depth_noise:
            assert self._noise is not None
            raw_mm = self._noise.apply(depth_m, self._frame_number)
        else:
            raw_mm = to_millimetres(depth_m, mount.depth_range_m)
        return RgbdFrame(self.stamp_ns, color, self._alignment.align(raw_mm), mount.color)
