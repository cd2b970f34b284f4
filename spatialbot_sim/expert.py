"""A scripted expert that knows the truth: pick up, carry over what is in the way, put down.

Its answer depends on the state alone, never on what it did before. So it recovers from whatever
happened, can be asked in the middle of an episode, and can label any state that a policy got into.
It obeys the same action spec as everybody.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction, Finished
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.transforms import rotation_vector, rpy_to_matrix
from spatialbot_sim.expert_motion import free_height_m, step_towards
from spatialbot_sim.judge import COLLISION
from spatialbot_sim.objects import STANDING, Grasp, grasps_of
from spatialbot_sim.privileged import Box, PrivilegedState
from spatialbot_sim.tasks import Place, Scene, place_of

R_DOWN = rpy_to_matrix([np.pi, 0.0, 0.0])
"""Tool pointing down as at home: its x axis is the base's, the fingers close along y."""

_CARRY_Z_M = 0.18
_HOVER_M = 0.10
_RETREAT_Z_M = 0.20
_FUNNEL_M = 0.006
"""Horizontal distance at which the hand goes down; grows with the height that is left."""
_FUNNEL_SLOPE = 0.08
_ALIGNED_RAD = 0.12
_FALLEN_COSINE = 0.5
_FINGER_REACH_M = 0.010
"""How far the fingertips reach below the tool centre point."""
_ARRIVED_M = 0.0016
_FOLLOWED_M = 0.004
_STILL_M_S = 0.02
_FINGERS_STILL_M_S = 0.006
_OPEN_ENOUGH_M = 0.072
_RELEASE_GAP_M = 0.004
_NEAR_GRASP_M = 0.03
_CLEAR_OF_M = 0.09


@dataclass(frozen=True, slots=True)
class Decision:
    """What the expert wants and what it calls that.

    Attributes:
        stage: for people and recordings.
        action: one step, or the end.
    """

    stage: str
    action: DeltaAction | Finished


@dataclass(frozen=True, slots=True)
class _Wish:
    stage: str
    position_m: NDArray[np.float64]
    R: NDArray[np.float64]
    closed: bool


class Expert:
    """See the module docstring.

    Args:
        cell: where things stand.
        spec: what the bins of actions mean.
    """

    def __init__(self, cell: Cell, spec: ActionSpec) -> None:
        self._cell, self._spec = cell, spec

    def act(self, state: PrivilegedState, scene: Scene) -> DeltaAction | Finished:
        """The action to take in a state, or that nothing is left to do."""
        return self.decide(state, scene).action

    def decide(self, state: PrivilegedState, scene: Scene) -> Decision:
        """Like `act`, with the name of the stage."""
        wish = self._wish(state, scene)
        if wish is None:
            return Decision("finished", Finished())
        low_m, high_m = self._cell.workspace_min_m, self._cell.workspace_max_m
        position_m = np.clip(wish.position_m, low_m + 0.001, high_m - 0.001)
        action = step_towards(state, position_m, wish.R, wish.closed, self._spec)
        return Decision(wish.stage, action)

    def hopeless(self, state: PrivilegedState, scene: Scene) -> str:
        """Why nothing can be saved any more, in words; "" while there is hope."""
        if state.verdict.reason.startswith(COLLISION):
            return state.verdict.reason
        item = scene.object_named(scene.target)
        T_thing = state.poses[item.name]
        what = f"the {item.name.replace('_', ' ')}"
        if T_thing[2, 3] < self._cell.table_top_z_m - 0.02:
            return f"{what} fell off the table"
        held = state.verdict.grasped and state.gripper_closed
        if item.kind in STANDING and T_thing[2, 2] < _FALLEN_COSINE and not held:
            return f"{what} has fallen over"
        return ""

    def _wish(self, state: PrivilegedState, scene: Scene) -> _Wish | None:
        place = place_of(scene, self._cell.table_top_z_m)
        item = scene.object_named(scene.target)
        T_thing = state.poses[item.name]
        tool_m, here = state.T_base_ee[:3, 3], state.T_base_target
        grasped = state.verdict.grasped and state.gripper_closed
        gap_m = T_thing[:3, 3] - place.center_m
        at_goal = bool(np.hypot(*gap_m[:2]) <= place.tolerance_m and -0.006 <= gap_m[2] <= 0.012)
        if state.verdict.success or (at_goal and not state.gripper_closed):
            clear = tool_m[2] - T_thing[2, 3] > _CLEAR_OF_M or (
                np.linalg.norm(tool_m - T_thing[:3, 3]) > 2 * _CLEAR_OF_M
            )
            if not clear and state.gripper_width_m < _OPEN_ENOUGH_M:
                return _Wish("release", here[:3, 3], here[:3, :3], False)
            if tool_m[2] < _RETREAT_Z_M - 0.01 and (state.verdict.success or not clear):
                up_m = np.array([*here[:2, 3], _RETREAT_Z_M])
                return _Wish("retreat", up_m, here[:3, :3], False)
            if state.verdict.success:
                return None
            if "moving" in state.verdict.reason:
                return _Wish("watch", here[:3, 3], here[:3, :3], False)
        if grasped:
            return self._carry(state, item.name, place)
        T_grasp, grasp = self._choose(state, item.name, grasps_of(item))
        if state.gripper_closed:
            near = np.linalg.norm(tool_m - T_grasp[:3, 3]) < _NEAR_GRASP_M
            moving = abs(state.gripper_speed_m_s) > _FINGERS_STILL_M_S
            if near and moving:
                return _Wish("grasp", here[:3, 3], here[:3, :3], True)
            return _Wish("open", here[:3, 3], here[:3, :3], False)
        return self._approach(state, item.name, T_grasp, grasp)

    def _approach(
        self, state: PrivilegedState, name: str, T_grasp: NDArray[np.float64], grasp: Grasp
    ) -> _Wish:
        goal_m, R = T_grasp[:3, 3], T_grasp[:3, :3]
        here_m = state.T_base_target[:3, 3]
        away_m = float(np.hypot(*(goal_m - here_m)[:2]))
        above_m = max(0.0, float(here_m[2] - goal_m[2]))
        turned_rad = np.linalg.norm(rotation_vector(R @ state.T_base_target[:3, :3].T))
        aligned = away_m < _FUNNEL_M + _FUNNEL_SLOPE * above_m and turned_rad < _ALIGNED_RAD
        opened = state.gripper_width_m > max(grasp.width_m + 0.015, min(_OPEN_ENOUGH_M, 0.08))
        others = [box for other, box in state.boxes.items() if other != name]
        if aligned and (opened or above_m > 0.06):
            if self._arrived(state, goal_m):
                return _Wish("grasp", goal_m, R, True)
            if not opened:
                goal_m = np.array([*goal_m[:2], goal_m[2] + 0.06])
            return _Wish("descend", goal_m, R, False)
        lowest_m = free_height_m(
            here_m, goal_m, [*others, state.boxes[name]], _FINGER_REACH_M, self._cell.table_top_z_m
        )
        hover_m = np.array([*goal_m[:2], max(lowest_m, goal_m[2] + _HOVER_M)])
        if here_m[2] < lowest_m - 0.005:
            return _Wish("rise", np.array([*here_m[:2], lowest_m]), state.T_base_target[:3, :3],
                         False)  # fmt: skip
        return _Wish("reach", hover_m, R, False)

    def _carry(self, state: PrivilegedState, name: str, place: Place) -> _Wish:
        # fingers that still close would lose what they lift
        here_m, R = state.T_base_target[:3, 3], state.T_base_target[:3, :3]
        if abs(state.gripper_speed_m_s) > _FINGERS_STILL_M_S:
            return _Wish("grasp", here_m, R, True)
        thing_m, tool_m = state.poses[name][:3, 3], state.T_base_ee[:3, 3]
        goal_m = place.center_m - (thing_m - tool_m)
        goal_m[2] += _RELEASE_GAP_M
        away_m = float(np.hypot(*(goal_m - here_m)[:2]))
        above_m = max(0.0, float(here_m[2] - goal_m[2]))
        upright = self._upright(R)
        if away_m < _FUNNEL_M + _FUNNEL_SLOPE * above_m:
            if self._arrived(state, goal_m):
                return _Wish("release", goal_m, upright, False)
            return _Wish("lower", goal_m, upright, True)
        hang_m = float(tool_m[2] - state.boxes[name].low_m[2])
        others = [box for other, box in state.boxes.items() if other != name]
        lowest_m = free_height_m(here_m, goal_m, others, hang_m, self._cell.table_top_z_m)
        if here_m[2] < lowest_m - 0.005:
            return _Wish("lift", np.array([*here_m[:2], max(lowest_m, _CARRY_Z_M)]), R, True)
        return _Wish("move", np.array([*goal_m[:2], max(lowest_m, _CARRY_Z_M)]), upright, True)

    def _choose(
        self, state: PrivilegedState, name: str, grasps: tuple[Grasp, ...]
    ) -> tuple[NDArray[np.float64], Grasp]:
        """The grasp that turns the hand least from home and whose fingers find room."""
        T_thing = state.poses[name]
        thing_yaw_rad = float(np.arctan2(T_thing[1, 0], T_thing[0, 0]))
        others = [box for other, box in state.boxes.items() if other != name]
        candidates = []
        for grasp in grasps:
            point_m = T_thing[:3, :3] @ grasp.point_m + T_thing[:3, 3]
            yaws_rad = [_wrap(thing_yaw_rad + yaw) for yaw in grasp.yaws_rad] or _ANY_YAWS_RAD
            for yaw_rad in yaws_rad:
                if abs(yaw_rad) > _MAX_YAW_RAD:
                    continue
                cost = abs(yaw_rad) + 10.0 * _crowded(point_m, yaw_rad, others)
                candidates.append((cost, yaw_rad, point_m, grasp))
        _, yaw_rad, point_m, grasp = min(candidates, key=lambda c: c[0])
        T = np.eye(4)
        T[:3, :3] = rpy_to_matrix([0.0, 0.0, yaw_rad]) @ R_DOWN
        T[:3, 3] = point_m
        return T, grasp

    def _arrived(self, state: PrivilegedState, goal_m: NDArray[np.float64]) -> bool:
        """The target is there, the hand has followed, and it stands."""
        here_m = state.T_base_target[:3, 3]
        clipped_m = np.clip(
            goal_m, self._cell.workspace_min_m + 0.001, self._cell.workspace_max_m - 0.001
        )
        return bool(
            np.linalg.norm(clipped_m - here_m) < _ARRIVED_M
            and np.linalg.norm(state.T_base_ee[:3, 3] - here_m) < _FOLLOWED_M
            and np.linalg.norm(state.ee_velocity_m_s) < _STILL_M_S
        )

    @staticmethod
    def _upright(R: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same heading, pointing straight down."""
        yaw_rad = float(np.arctan2(R[1, 0], R[0, 0]))
        return rpy_to_matrix([0.0, 0.0, yaw_rad]) @ R_DOWN


_MAX_YAW_RAD = 1.65
"""Further turned, the last joint comes near its limit."""
_ANY_YAWS_RAD = [float(v) for v in np.linspace(-1.5, 1.5, 13)]
_FINGER_OUTSIDE_M = (0.052, 0.012)
"""Half of what the open fingers take: along the closing direction and across."""


def _crowded(point_m: NDArray[np.float64], yaw_rad: float, others: list[Box]) -> float:
    """How much of the open fingers, at most 1, would stand in something else."""
    across = np.array([-np.sin(yaw_rad), np.cos(yaw_rad)])
    hits, places_m = 0, np.linspace(-_FINGER_OUTSIDE_M[0], _FINGER_OUTSIDE_M[0], 9)
    for place_m in places_m:
        at_m = point_m[:2] + across * place_m
        for box in others:
            if box.high_m[2] < point_m[2] - _FINGER_REACH_M:
                continue
            margin_m = _FINGER_OUTSIDE_M[1]
            if np.all(at_m > box.low_m[:2] - margin_m) and np.all(at_m < box.high_m[:2] + margin_m):
                hits += 1
                break
    return hits / len(places_m)


def _wrap(angle_rad: float) -> float:
    return float((angle_rad + np.pi) % (2 * np.pi) - np.pi)
