"""Puts a scene into the middle of its task: arm, hand and thing as if the expert had come so far.

Whole episodes show few tables many times over. A glimpse shows one table from one random moment
on, so that the same number of frames holds many tables.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.transforms import compose, invert, rpy_to_matrix
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.expert import Expert, release_m
from spatialbot_sim.expert_grasp import FINGER_REACH_M, choose_grasp, downward, heading_rad
from spatialbot_sim.expert_motion import free_height_m
from spatialbot_sim.objects import grasps_of
from spatialbot_sim.postures import PostureFinder
from spatialbot_sim.tasks import Scene, place_of
from spatialbot_sim.world import ROBOT_PREFIX, World

Moment = Literal["start", "free", "above_grasp", "carry", "above_place", "released"]

_SALT = 52_009
_SHARES: dict[Moment, float] = {
    "start": 0.10,
    "free": 0.225,
    "above_grasp": 0.225,
    "carry": 0.175,
    "above_place": 0.175,
    "released": 0.10,
}
MOMENTS: tuple[Moment, ...] = tuple(_SHARES)
_TRIES = 15
_MAX_CLOSING_STEPS = 14
_HIGHEST_M = 0.40
_CARRY_LOWEST_M = 0.10
_HEADING_RAD = 1.2
_MARGIN_M = 0.02
"""Of the workspace that free poses keep."""
_OTHER_OBJECT = 0.25
"""Share of funnels above another object than the one that is asked for."""
_JUST_TAKEN = 0.25
"""Share of carries that begin at the grasp: an instant in an episode, and easily slept through."""
_SLIPPED_M = 0.003


class GlimpseStager:
    """Sets up moments of scenes, one after the other, in one environment.

    Args:
        moments: those that are drawn.
    """

    def __init__(
        self,
        env: TabletopEnv,
        cell: Cell,
        spec: ActionSpec,
        expert: Expert,
        moments: Sequence[Moment] = MOMENTS,
    ) -> None:
        self._env, self._cell, self._spec, self._expert = env, cell, spec, expert
        self._moments = tuple(moments)
        shares = np.array([_SHARES[moment] for moment in self._moments])
        self._shares = shares / shares.sum()
        self._postures = PostureFinder(cell.home_joints_rad)

    def stage(self, scene: Scene) -> Moment:
        """Draw a moment from the seed of the scene that is laid, and set it up.

        Returns:
            The moment; what cannot be set up is the start.
        """
        rng = np.random.default_rng([_SALT, scene.seed % 2**63])
        wanted = self._moments[int(rng.choice(len(self._moments), p=self._shares))]
        if wanted == "start" or self._set_up(wanted, scene, rng):
            return wanted
        # what was tried may have moved things
        self._env.lay(scene)
        return "start"

    def _set_up(self, wanted: Moment, scene: Scene, rng: np.random.Generator) -> bool:
        if wanted == "free":
            return any(self._stand(self._free(rng)) for _ in range(_TRIES))
        if wanted == "above_grasp":
            name = scene.target
            if rng.random() < _OTHER_OBJECT:
                name = scene.objects[int(rng.integers(len(scene.objects)))].name
            T_grasp = self._grasp(scene, name)
            return any(
                self._stand(_above(T_grasp, rng, (-0.03, 0.12), (0.003, 0.15), 0.1))
                for _ in range(_TRIES)
            )
        if wanted == "released":
            if not self._put_down(scene, rng):
                return False
            T_grasp = self._grasp(scene, scene.target)
            return any(
                self._stand(_above(T_grasp, rng, (0.0, 0.2), (0.002, 0.05), 0.05))
                for _ in range(_TRIES)
            )
        if not self._take(scene, rng):
            return False
        if wanted == "carry" and rng.random() < _JUST_TAKEN:
            return True
        return self._carry(scene, rng, near=wanted == "above_place")

    def _grasp(self, scene: Scene, name: str) -> NDArray[np.float64]:
        state = self._env.privileged_state()
        return choose_grasp(state, name, grasps_of(scene.object_named(name)))[0]

    def _stand(self, T_base_tool: NDArray[np.float64]) -> bool:
        """Put the arm there, hand open; False when it cannot be there or touches something."""
        q_rad = self._posture(T_base_tool)
        if q_rad is None:
            return False
        self._env.place_arm(q_rad, open_hand=True)
        return not _touches(self._env.world)

    def _posture(self, T_base_tool: NDArray[np.float64]) -> NDArray[np.float64] | None:
        at_m = T_base_tool[:3, 3]
        if np.any(at_m < self._cell.workspace_min_m) or np.any(at_m > self._cell.workspace_max_m):
            return None
        return self._postures.find(T_base_tool)

    def _free(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Anywhere above what is there."""
        xy_m = self._anywhere(rng)
        boxes = self._env.privileged_state().boxes.values()
        low_m = free_height_m(xy_m, xy_m, boxes, FINGER_REACH_M, self._cell.table_top_z_m)
        z_m = rng.uniform(min(low_m, _HIGHEST_M), _HIGHEST_M)
        return downward(np.array([*xy_m, z_m]), rng.uniform(-_HEADING_RAD, _HEADING_RAD))

    def _anywhere(self, rng: np.random.Generator) -> NDArray[np.float64]:
        low_m, high_m = self._cell.workspace_min_m[:2], self._cell.workspace_max_m[:2]
        return rng.uniform(low_m + _MARGIN_M, high_m - _MARGIN_M)

    def _take(self, scene: Scene, rng: np.random.Generator) -> bool:
        """Stand at the grasp and let the expert close the hand; nothing is drawn."""
        env = self._env
        T_grasp = self._grasp(scene, scene.target)
        if not self._stand(_above(T_grasp, rng, (0.0, 0.0), (0.0015, 0.0), 0.03)):
            return False
        for _ in range(_MAX_CLOSING_STEPS):
            state = env.privileged_state()
            decision = self._expert.decide(state, scene)
            if decision.stage in ("lift", "move", "lower"):
                return True
            if not isinstance(decision.action, DeltaAction):
                return False
            env.move(decision.action)
        return False

    def _carry(self, scene: Scene, rng: np.random.Generator, *, near: bool) -> bool:
        """Move arm and thing together to where nothing is touched, then see that it is held."""
        env = self._env
        state = env.privileged_state()
        T_tool_thing = invert(state.T_base_ee) @ state.poses[scene.target]
        before = np.array(env.world.data.qpos)
        for _ in range(_TRIES):
            env.world.data.qpos[:] = before
            yaw_rad = float(rng.uniform(-_HEADING_RAD, _HEADING_RAD))
            if near and rng.random() < 0.5:
                yaw_rad = heading_rad(state.T_base_ee)
            T_wanted = self._carried(scene, T_tool_thing, yaw_rad, rng, near)
            q_rad = self._posture(T_wanted)
            if q_rad is None:
                continue
            env.world.move_thing(scene.target, T_wanted @ T_tool_thing)
            env.place_arm(q_rad, open_hand=False)
            # the arm is there but for a fraction of a millimetre
            T_tool = env.proprioception().T_base_ee
            env.world.move_thing(scene.target, T_tool @ T_tool_thing)
            env.place_arm(q_rad, open_hand=False)
            if not _touches(env.world, scene.target) and self._holds(scene, T_tool_thing):
                return True
        return False

    def _carried(
        self,
        scene: Scene,
        T_tool_thing: NDArray[np.float64],
        yaw_rad: float,
        rng: np.random.Generator,
        near: bool,
    ) -> NDArray[np.float64]:
        """Tool pose with the thing in the hand: anywhere, or near the release."""
        if not near:
            z_m = rng.uniform(_CARRY_LOWEST_M, _HIGHEST_M)
            return downward(np.array([*self._anywhere(rng), z_m]), yaw_rad)
        place = place_of(scene, self._cell.table_top_z_m)
        R = downward(np.zeros(3), yaw_rad)[:3, :3]
        T_release = downward(release_m(place, R @ T_tool_thing[:3, 3]), yaw_rad)
        return _above(T_release, rng, (-0.03, 0.15), (0.003, 0.2), 0.0)

    def _holds(self, scene: Scene, T_tool_thing: NDArray[np.float64]) -> bool:
        self._rest(closed=True)
        state = self._env.privileged_state()
        now = invert(state.T_base_ee) @ state.poses[scene.target]
        slipped_m = np.linalg.norm(now[:3, 3] - T_tool_thing[:3, 3])
        return state.verdict.grasped and bool(slipped_m < _SLIPPED_M)

    def _put_down(self, scene: Scene, rng: np.random.Generator) -> bool:
        """Lay the thing where it shall go, the arm still at home."""
        env = self._env
        place = place_of(scene, self._cell.table_top_z_m)
        T_thing = env.privileged_state().poses[scene.target]
        yaw_rad = heading_rad(T_thing) + rng.uniform(-_HEADING_RAD, _HEADING_RAD)
        at_m = place.center_m + np.array([*rng.normal(0.0, 0.004, 2), 0.0005])
        env.world.move_thing(scene.target, compose(rpy_to_matrix([0.0, 0.0, yaw_rad]), at_m))
        self._rest(closed=False)
        self._rest(closed=False)
        return env.verdict().success

    def _rest(self, *, closed: bool) -> None:
        """One control period without a motion."""
        still = DeltaAction.from_values(np.zeros(3), np.zeros(3), closed, self._spec)
        self._env.move(still)


def _above(
    T_aim: NDArray[np.float64],
    rng: np.random.Generator,
    height_m: tuple[float, float],
    sideways: tuple[float, float],
    turn_sigma_rad: float,
) -> NDArray[np.float64]:
    """A tool pose somewhere in the funnel above an aim.

    Args:
        height_m: between which it is drawn; what is below 0 is right at the aim, so that what is
            done there is seen often enough.
        sideways: standard deviation of each horizontal axis [m]: at the aim, and what it grows by
            per metre of height.
    """
    up_m = max(0.0, rng.uniform(*height_m))
    off_m = rng.normal(0.0, sideways[0] + sideways[1] * up_m, 2)
    yaw_rad = heading_rad(T_aim) + rng.normal(0.0, turn_sigma_rad)
    return downward(T_aim[:3, 3] + np.array([*off_m, up_m]), float(yaw_rad))


def _touches(world: World, held: str = "") -> bool:
    """Whether the robot, or what it holds, is in contact with anything else."""
    model = world.model
    ours = np.array(
        [(name := model.body(k).name).startswith(ROBOT_PREFIX) or name == held
         for k in range(model.nbody)]
    )  # fmt: skip
    touching = ours[model.geom_bodyid[world.data.contact.geom]]
    return bool(np.any(touching[:, 0] != touching[:, 1]))
