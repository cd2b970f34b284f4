"""Which faults are injected, for how long and in which order: a seed decides. Pure."""

from dataclasses import dataclass

import numpy as np

from spatialbot_ros.demo.faulty_answers import (
    GRIPPER_FLICKER,
    OSCILLATION,
    POLICY_FAULTS,
    SILENT,
)
from spatialbot_ros.demo.faulty_arm import ARM_FAULTS, SILENCE
from spatialbot_sim.camera_faults import FAULTS as CAMERA_FAULTS

ROBOT, CAMERA, POLICY = "robot", "camera", "policy"
EXECUTOR_STALLED = "executor_stalled"
"""The executor's thread does not get to run."""

ROBOT_FAULTS = (*ARM_FAULTS, EXECUTOR_STALLED)
_SHORTEST_S, _LONGEST_S = 1.3, 1.8
_LATE_S = 0.9
_LATE = (SILENT, SILENCE, OSCILLATION, GRIPPER_FLICKER)
"""It takes a while to notice them."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault; its place in the plan is its number."""

    number: int
    kind: str
    name: str
    duration_s: float


def plan_faults(seed: int, num_faults: int) -> tuple[PlannedFault, ...]:
    """A third of each kind, each fault of a kind as often as the others, in a random order.

    A longer plan of the same seed begins with the shorter one.
    """
    rng = np.random.default_rng(seed)
    decks: dict[str, list[str]] = {ROBOT: [], CAMERA: [], POLICY: []}
    names = {ROBOT: ROBOT_FAULTS, CAMERA: tuple(CAMERA_FAULTS), POLICY: tuple(POLICY_FAULTS)}
    order: list[str] = []
    plan = []
    for number in range(num_faults):
        if not order:
            order = [str(kind) for kind in rng.permutation(list(decks))]
        kind = order.pop()
        if not decks[kind]:
            decks[kind] = [str(name) for name in rng.permutation(names[kind])]
        name = decks[kind].pop()
        duration_s = float(rng.uniform(_SHORTEST_S, _LONGEST_S))
        duration_s += _LATE_S if name in _LATE else 0.0
        plan.append(PlannedFault(number, kind, name, round(duration_s, 3)))
    return tuple(plan)
