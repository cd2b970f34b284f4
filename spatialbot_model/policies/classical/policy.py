"""The classical policy: look, reach, grasp, lift, check, move, release, retreat.

It knows where the gripper is by adding up its own deltas from the home pose, exactly as they
were quantised; the executor integrates the same numbers into the same absolute target.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    format_action_text,
)
from spatialbot_model.contracts.errors import PolicyError
from spatialbot_model.contracts.transforms import invert, transform_points
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_model.policies.classical.instruction import PickAndPlace, read_instruction
from spatialbot_model.policies.classical.perception import Blob, find_boards, find_objects

Point = NDArray[np.float64]

_CARRY_Z_M = 0.20
_LOWEST_GRASP_Z_M = 0.015
_RELEASE_CLEARANCE_M = 0.006
_SLOWDOWN = 0.45
"""Share of the remaining way per step: the steps shrink before a waypoint."""
_ACCELERATION_M = 0.008
"""Steps grow by at most this much from one to the next."""
_ARRIVED_M = 0.0006
"""Half a translation bin of the default spec is 0.3 mm."""
_SETTLE_STEPS = 4
_GRIPPER_STEPS = 9
_LOOK_STEPS = 3
_MAX_ATTEMPTS = 3
_HIGHEST_ON_TABLE_M = 0.12
_HANGS_BELOW_M = 0.06
_NEAR_GRIPPER_M = 0.07
# optical frame: x to the right, z away from the camera
_CAMERA_AXES = {"left": (0, 1.0), "right": (0, -1.0), "nearest": (2, 1.0), "farthest": (2, -1.0)}


@dataclass(slots=True)
class _Command:
    """What the current stage wants: go to `target_m` with the gripper `closed`."""

    stage: str
    target_m: Point
    closed: bool
    settle_steps: int = 0


class ClassicalPolicy:
    """See the module docstring; implements `policies.base.Policy`."""

    def __init__(self, config: PolicyConfig) -> None:
        self._spec = config.action_spec
        self._home_m = config.cell.home_tcp_m
        self._workspace = (config.cell.workspace_min_m, config.cell.workspace_max_m)
        self._position_m: Point = self._home_m
        self._last_step_m = 0.0
        self._plan: Iterator[_Command] | None = None
        self._command: _Command | None = None
        self._observation: Observation | None = None

    def start(self, instruction: str) -> None:
        """See `Policy.start`."""
        task = read_instruction(instruction)
        self._position_m = self._home_m.copy()
        self._last_step_m = 0.0
        self._command = None
        self._plan = self._pick_and_place(task)

    def step(self, observation: Observation) -> PolicyStep:
        """See `Policy.step`."""
        if self._plan is None:
            raise PolicyError("no instruction was started; call start(instruction) first")
        self._observation = observation
        command = self._command
        while command is None or self._is_done(command):
            command = next(self._plan, None)
            if command is None:
                self._plan = None
                return PolicyStep(FINISHED_TEXT, observation.newest.stamp_ns, stage="finished")
        self._command = command
        action = DeltaAction.from_values(
            self._next_delta(command.target_m), np.zeros(3), command.closed, self._spec, clip=True
        )
        self._position_m = self._position_m + action.translation_m
        return PolicyStep(
            format_action_text(action), observation.newest.stamp_ns, stage=command.stage
        )

    def relocate(self, tool_position_m: Point) -> None:
        """Go on from where a person has left the tool (3,) [m]; the plan stays."""
        self._position_m = np.asarray(tool_position_m, dtype=np.float64).copy()
        self._last_step_m = 0.0

    def close(self) -> None:
        """See `Policy.close`."""
        self._plan = None

    def _is_done(self, command: _Command) -> bool:
        if float(np.max(np.abs(command.target_m - self._position_m))) > _ARRIVED_M:
            return False
        self._last_step_m = 0.0
        command.settle_steps -= 1
        return command.settle_steps < 0

    def _next_delta(self, target_m: Point) -> Point:
        way_m = target_m - self._position_m
        distance_m = float(np.linalg.norm(way_m))
        if distance_m < _ARRIVED_M:
            return np.zeros(3)
        step_m = min(
            self._spec.translation_limit_m,
            self._last_step_m + _ACCELERATION_M,
            max(_SLOWDOWN * distance_m, 2.0 * _ARRIVED_M),
            distance_m,
        )
        self._last_step_m = step_m
        return way_m / distance_m * step_m

    def _pick_and_place(self, task: PickAndPlace) -> Iterator[_Command]:
        """The sequence of stages; runs on while the policy is asked for steps."""
        home_m = self._home_m
        yield _Command("look", home_m, False, _LOOK_STEPS)
        board = self._select(self._see(find_boards), task.board, "cutting board")
        target = self._select_object(task)
        for _ in range(_MAX_ATTEMPTS):
            above_m = self._reachable(target.center_m, _CARRY_Z_M)
            grasp_m = self._reachable(target.center_m, max(_LOWEST_GRASP_Z_M, target.top_m / 2.0))
            yield _Command("reach", above_m, False)
            yield _Command("descend", grasp_m, False, _SETTLE_STEPS)
            yield _Command("grasp", grasp_m, True, _GRIPPER_STEPS)
            yield _Command("lift", above_m, True, _SETTLE_STEPS)
            if self._is_lifted(target, above_m):
                break
            yield _Command("retry", above_m, False, _GRIPPER_STEPS)
            yield _Command("look", home_m, False, _LOOK_STEPS)
            target = self._find_again(target)
        else:
            raise PolicyError(
                f"the {target.label} object is still on the table after {_MAX_ATTEMPTS} attempts"
                " to grasp it"
            )
        release_z_m = grasp_m[2] + board.top_m + _RELEASE_CLEARANCE_M
        above_board_m = self._reachable(board.center_m, _CARRY_Z_M)
        release_m = self._reachable(board.center_m, release_z_m)
        yield _Command("move", above_board_m, True)
        yield _Command("lower", release_m, True, _SETTLE_STEPS)
        yield _Command("release", release_m, False, _GRIPPER_STEPS)
        yield _Command("retreat", above_board_m, False)
        yield _Command("retreat", home_m, False)

    def _see(self, find: Callable[..., list[Blob]]) -> list[Blob]:
        assert self._observation is not None
        low_m, high_m = self._workspace
        return [
            blob
            for blob in find(self._observation.newest, self._observation.T_base_camera)
            if np.all(blob.center_m > low_m[:2]) and np.all(blob.center_m < high_m[:2])
        ]

    def _select_object(self, task: PickAndPlace) -> Blob:
        objects = self._on_table()
        if task.color is not None:
            seen = sorted({blob.label for blob in objects})
            objects = [blob for blob in objects if blob.label == task.color]
            if not objects:
                raise PolicyError(
                    f"no {task.color} object is in view; visible colours: {', '.join(seen) or '-'}"
                )
        if task.relation is None and len(objects) > 1:
            raise PolicyError(
                f"{len(objects)} {task.color} objects are in view; say which one: leftmost,"
                " rightmost, nearest or farthest"
            )
        return self._select(objects, task.relation or "nearest", "object")

    def _is_lifted(self, target: Blob, above_m: Point) -> bool:
        """Whether something of the target's colour is seen in the raised gripper."""
        return any(
            blob.label == target.label
            and blob.top_m > above_m[2] - _HANGS_BELOW_M
            and float(np.linalg.norm(blob.center_m - above_m[:2])) < _NEAR_GRIPPER_M
            for blob in self._see(find_objects)
        )

    def _find_again(self, target: Blob) -> Blob:
        """The object on the table, next to where it was; it may have rolled."""
        found = [blob for blob in self._on_table() if blob.label == target.label]
        if not found:
            raise PolicyError(f"the {target.label} object was lost while grasping it")
        return min(found, key=lambda b: float(np.linalg.norm(b.center_m - target.center_m)))

    def _on_table(self) -> list[Blob]:
        return [blob for blob in self._see(find_objects) if blob.top_m < _HIGHEST_ON_TABLE_M]

    def _reachable(self, center_m: Point, z_m: float) -> Point:
        """A waypoint, kept a bin inside the workspace box."""
        low_m, high_m = self._workspace
        point_m = np.array([*center_m, z_m])
        return np.asarray(np.clip(point_m, low_m + _ARRIVED_M, high_m - _ARRIVED_M))

    def _select(self, blobs: list[Blob], relation: str, what: str) -> Blob:
        """The left, right, nearest or farthest of some blobs, seen from the camera."""
        if not blobs:
            raise PolicyError(f"no {what} is in view")
        assert self._observation is not None
        T_camera_base = invert(self._observation.T_base_camera)
        axis, sign = _CAMERA_AXES[relation]

        def key(blob: Blob) -> float:
            center_camera_m = transform_points(T_camera_base, [*blob.center_m, blob.top_m / 2.0])
            return sign * float(center_camera_m[axis])

        return min(blobs, key=key)
