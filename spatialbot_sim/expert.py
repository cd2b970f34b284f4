"""A scripted expert that knows the truth: pick up, carry over what is in the way, put down.

Its answer depends on the state alone, never on what it did before. So it recovers from whatever
happened, can be asked in the middle of an episode, and can label any state that a policy got into.
It obeys the same action spec as everybody. Its answer also changes gradually with the state where
that can be had (`expert_funnel`): who learns from it does not see to the millimetre.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction, Finished
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.transforms import rotation_vector
from spatialbot_sim.expert_funnel import Funnel, way_through
from spatialbot_sim.expert_grasp import FINGER_REACH_M, choose_grasp, downward, heading_rad
from spatialbot_sim.expert_motion import CLEARANCE_M, free_height_m, step_towards
from spatialbot_sim.judge import COLLISION
from spatialbot_sim.objects import STANDING, Grasp, grasps_of
from spatialbot_sim.privileged import Box, PrivilegedState
from spatialbot_sim.tasks import Place, Scene, place_of

_CARRY_Z_M = 0.18
_HOVER_M = 0.10
_RETREAT_Z_M = 0.20
_NARROW_M = 0.006
"""Horizontal distance at which the hand goes down beside others; grows with the height left."""
_NARROW_SLOPE = 0.08
_FADE_M = 0.02
_TALL_M = 0.15
"""Over so much more of distance it comes up to the height over others."""
_TURN_M_PER_RAD = 0.08
"""A turn that is left counts like a distance that is left."""
_FINGER_OPENING_M = 0.08
_ROOM_SHARE = 0.75
"""Of the room beside a thing between open fingers, how far off the hand may be."""
_RADIUS_M = (0.006, 0.013)
_ROUND_RADIUS_M = 0.009
"""What has no sides slips out of fingers that are further off."""
_PLACE_FUNNEL = Funnel(0.010, 0.02)
_UNDERNEATH_M = 0.008
_OVER_M = 0.03
"""Above the height at which nothing is hit."""
_FALLEN_COSINE = 0.5
_ARRIVED_M = 0.003
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
class Waypoints:
    """Where the tool closes and opens, each (4,): x, y, z [m] and heading [rad], base frame.

    Attributes:
        pick: at the grasp to come; None while the thing is held and once it is placed.
        place: at the release to come; None once it is placed.
    """

    pick: NDArray[np.float64] | None = None
    place: NDArray[np.float64] | None = None


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
        action = step_towards(
            state, self._clipped(wish.position_m), wish.R, wish.closed, self._spec
        )
        return Decision(wish.stage, action)

    def waypoints(self, state: PrivilegedState, scene: Scene) -> Waypoints:
        """Where the tool will close on the thing and where it will let it go, as of this state."""
        place = place_of(scene, self._cell.table_top_z_m)
        item = scene.object_named(scene.target)
        T_thing = state.poses[item.name]
        if _is_placed(state, T_thing, place):
            return Waypoints()
        if _is_held(state):
            T_grasp, pick = state.T_base_ee, None
            held_m = T_thing[:3, 3] - T_grasp[:3, 3]
        else:
            T_grasp, _ = choose_grasp(state, item.name, grasps_of(item))
            held_m = T_thing[:3, 3] - T_grasp[:3, 3]
            pick = _waypoint(self._clipped(T_grasp[:3, 3]), T_grasp)
        return Waypoints(pick, _waypoint(self._clipped(release_m(place, held_m)), T_grasp))

    def hopeless(self, state: PrivilegedState, scene: Scene) -> str:
        """Why nothing can be saved any more, in words; "" while there is hope."""
        if state.verdict.reason.startswith(COLLISION):
            return state.verdict.reason
        item = scene.object_named(scene.target)
        T_thing = state.poses[item.name]
        what = f"the {item.name.replace('_', ' ')}"
        if T_thing[2, 3] < self._cell.table_top_z_m - 0.02:
            return f"{what} fell off the table"
        if item.kind in STANDING and T_thing[2, 2] < _FALLEN_COSINE and not _is_held(state):
            return f"{what} has fallen over"
        return ""

    def _wish(self, state: PrivilegedState, scene: Scene) -> _Wish | None:
        place = place_of(scene, self._cell.table_top_z_m)
        item = scene.object_named(scene.target)
        T_thing = state.poses[item.name]
        tool_m, here = state.T_base_ee[:3, 3], state.T_base_target
        if _is_placed(state, T_thing, place):
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
        if _is_held(state):
            return self._carry(state, item.name, place)
        T_grasp, grasp = choose_grasp(state, item.name, grasps_of(item))
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
        goal_m, R = self._clipped(T_grasp[:3, 3]), T_grasp[:3, :3]
        here_m = state.T_base_target[:3, 3]
        turned_rad = float(np.linalg.norm(rotation_vector(R @ state.T_base_target[:3, :3].T)))
        away_m = float(np.hypot(*(goal_m - here_m)[:2]))
        off_m = float(np.hypot(away_m, _TURN_M_PER_RAD * turned_rad))
        above_m = max(0.0, float(here_m[2] - goal_m[2]))
        top_m = float(state.boxes[name].high_m[2] - goal_m[2])
        funnel = Funnel(_radius_m(grasp), max(0.0, top_m) + FINGER_REACH_M)
        opened = state.gripper_width_m > max(grasp.width_m + 0.015, min(_OPEN_ENOUGH_M, 0.08))
        if opened and off_m < funnel.radius_m and self._arrived(state, goal_m[2]):
            return _Wish("grasp", goal_m, R, True)
        hover_m = max(_HOVER_M, funnel.throat_m + _OVER_M)
        height_m = goal_m[2] + min(funnel.height_from(above_m, off_m), hover_m)
        if not opened:
            height_m = max(height_m, goal_m[2] + 0.06)
        others = [box for other, box in state.boxes.items() if other != name]
        height_m = self._over_others(height_m, here_m, goal_m, above_m, others, FINGER_REACH_M)
        stage = "descend" if height_m < here_m[2] and off_m < 0.05 else "reach"
        return _Wish(stage, way_through(here_m, goal_m[:2], height_m), R, False)

    def _carry(self, state: PrivilegedState, name: str, place: Place) -> _Wish:
        # fingers that still close would lose what they lift
        here_m, R = state.T_base_target[:3, 3], state.T_base_target[:3, :3]
        if abs(state.gripper_speed_m_s) > _FINGERS_STILL_M_S:
            return _Wish("grasp", here_m, R, True)
        tool_m = state.T_base_ee[:3, 3]
        goal_m = release_m(place, state.poses[name][:3, 3] - tool_m)
        away_m = float(np.hypot(*(goal_m - here_m)[:2]))
        above_m = max(0.0, float(here_m[2] - goal_m[2]))
        upright = downward(here_m, heading_rad(state.T_base_target))[:3, :3]
        if away_m < _PLACE_FUNNEL.radius_m and self._arrived(state, goal_m[2]):
            return _Wish("release", goal_m, upright, False)
        hang_m = float(tool_m[2] - state.boxes[name].low_m[2])
        others = [box for other, box in state.boxes.items() if other != name]
        wished_m = goal_m[2] + _PLACE_FUNNEL.height_from(above_m, away_m)
        height_m = min(wished_m, max(_CARRY_Z_M, goal_m[2]))
        height_m = self._over_others(height_m, here_m, goal_m, above_m, others, hang_m)
        wish_m = way_through(here_m, goal_m[:2], height_m)
        lower = height_m < here_m[2]
        lift = not lower and np.allclose(wish_m[:2], here_m[:2])
        return _Wish("lower" if lower else "lift" if lift else "move", wish_m, upright, True)

    def _over_others(
        self,
        height_m: float,
        here_m: NDArray[np.float64],
        goal_m: NDArray[np.float64],
        above_m: float,
        others: list[Box],
        hang_m: float,
    ) -> float:
        """The height that is wished, or what is needed over others, less and less near the goal."""
        away_m = float(np.hypot(*(goal_m - here_m)[:2])) - _NARROW_M - _NARROW_SLOPE * above_m
        if away_m <= 0.0:
            return height_m
        # what the thing stands on, or will stand on, is in nobody's way
        bottom_m = goal_m[2] - hang_m + _UNDERNEATH_M
        high = [box for box in others if box.high_m[2] > bottom_m]
        free_m = free_height_m(here_m, goal_m, high, hang_m, self._cell.table_top_z_m)
        if not high or free_m <= self._cell.table_top_z_m + hang_m + CLEARANCE_M:
            return height_m
        over_m = free_m + _OVER_M - goal_m[2]
        # what is tall tips over when it is touched: nothing gradual beside it
        share = 1.0 if over_m > _TALL_M else min(1.0, away_m / _FADE_M)
        return max(height_m, goal_m[2] + share * over_m)

    def _arrived(self, state: PrivilegedState, height_m: float) -> bool:
        """The target is down there, the hand has followed, and it stands."""
        here_m = state.T_base_target[:3, 3]
        lowest_m = self._cell.workspace_min_m[2] + 0.001
        return bool(
            abs(max(height_m, lowest_m) - here_m[2]) < _ARRIVED_M
            and np.linalg.norm(state.T_base_ee[:3, 3] - here_m) < _FOLLOWED_M
            and np.linalg.norm(state.ee_velocity_m_s) < _STILL_M_S
        )

    def _clipped(self, position_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest point of the workspace, a little inside."""
        low_m, high_m = self._cell.workspace_min_m, self._cell.workspace_max_m
        return np.clip(position_m, low_m + 0.001, high_m - 0.001)


def _radius_m(grasp: Grasp) -> float:
    """How far off the open hand may be for a grasp."""
    room_m = (_FINGER_OPENING_M - grasp.width_m) / 2
    radius_m = float(np.clip(_ROOM_SHARE * room_m, *_RADIUS_M))
    return radius_m if grasp.yaws_rad else min(radius_m, _ROUND_RADIUS_M)


def _is_held(state: PrivilegedState) -> bool:
    return state.verdict.grasped and state.gripper_closed


def _is_placed(state: PrivilegedState, T_thing: NDArray[np.float64], place: Place) -> bool:
    """The thing is where it shall be, and the hand was told to open."""
    gap_m = T_thing[:3, 3] - place.center_m
    at_goal = bool(np.hypot(*gap_m[:2]) <= place.tolerance_m and -0.006 <= gap_m[2] <= 0.012)
    return state.verdict.success or (at_goal and not state.gripper_closed)


def release_m(place: Place, held_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) tool position at which a thing is let go that hangs at an offset (3,) from the tool."""
    goal_m = place.center_m - held_m
    goal_m[2] += _RELEASE_GAP_M
    return goal_m


def _waypoint(position_m: NDArray[np.float64], T_tool: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([*position_m, heading_rad(T_tool)])
