"""Follows a trial from step to step: what was lifted, in which order, and how it was let go.

Sees the true state and remembers, which the judge does not.
"""

from dataclasses import dataclass

from spatialbot_model.contracts.trial import Ending, TrialFacts
from spatialbot_sim.judge import Verdict, touching_bodies
from spatialbot_sim.objects import outside_by_m
from spatialbot_sim.world import FINGER_BODIES, World

_LIFTED_M = 0.01
"""Higher than closing fingers tip an object, lower than any way over an edge."""


@dataclass(frozen=True, slots=True)
class Following:
    """Whether the instruction was followed, apart from how well.

    Attributes:
        right_object: the first object lifted is the target; None when nothing was lifted.
        right_destination: the object lifted last lies over the destination; None when nothing
            was lifted or it is still held.
    """

    right_object: bool | None
    right_destination: bool | None


class TrialWatch:
    """See the module docstring; `see` once after every step, the reset included."""

    def __init__(self, world: World) -> None:
        self._world, self._scene = world, world.scene
        self._start_z_m = {
            item.name: float(world.body_position_m(item.name)[2]) for item in world.scene.objects
        }
        self._lifted: list[str] = []
        self._held: frozenset[str] = frozenset()
        self._tried = False
        self._slipped = False

    @property
    def lifted(self) -> tuple[str, ...]:
        """Names of the objects that were lifted, in the order of their last lifting."""
        return tuple(self._lifted)

    def see(self, gripper_closed: bool) -> None:
        """Take in the state after a step.

        Args:
            gripper_closed: what the gripper is asked to do.
        """
        self._tried |= gripper_closed
        before = self._held
        self._held = frozenset(name for name in self._start_z_m if self._is_held(name))
        target = self._scene.target
        if target in before and target not in self._held:
            self._slipped = gripper_closed
        for name in sorted(self._held):
            height_m = self._world.body_position_m(name)[2] - self._start_z_m[name]
            if height_m > _LIFTED_M and (not self._lifted or self._lifted[-1] != name):
                self._lifted.append(name)

    def facts(self, verdict: Verdict, ending: Ending) -> TrialFacts:
        """What the trial's failure is classed by."""
        target = self._scene.target
        return TrialFacts(
            success=verdict.success,
            ending=ending,
            tried=self._tried,
            target_lifted=target in self._lifted,
            other_lifted=any(name != target for name in self._lifted),
            target_held=target in self._held,
            target_slipped=self._slipped,
        )

    def following(self) -> Following:
        """Whether the instruction was followed so far."""
        if not self._lifted:
            return Following(None, None)
        first, last = self._lifted[0], self._lifted[-1]
        there = None if last in self._held else self._is_there(last)
        return Following(first == self._scene.target, there)

    def _is_held(self, name: str) -> bool:
        touching = touching_bodies(self._world, name)
        return all(finger in touching for finger in FINGER_BODIES)

    def _is_there(self, name: str) -> bool:
        scene = self._scene
        destination = scene.place_named(scene.destination)
        x_m, y_m = self._world.body_position_m(name)[:2]
        beyond_m = outside_by_m(destination, float(x_m), float(y_m))
        if scene.relation == "outside":
            return beyond_m >= scene.object_named(name).extent.radius_m
        return beyond_m <= 0.0
