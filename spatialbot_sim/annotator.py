"""What the expert would answer to other instructions in the state of one frame.

Which other instructions a table allows is worked out once a scene; a frame only chooses among them
and finds words.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    Finished,
    format_action_text,
)
from spatialbot_sim.expert import Decision, Expert
from spatialbot_sim.judge import judge
from spatialbot_sim.objects import PlacedObject
from spatialbot_sim.privileged import PrivilegedState
from spatialbot_sim.tasks import Scene, place_of
from spatialbot_sim.tasks.alternatives import Alternatives, Errand
from spatialbot_sim.world import World

_SALT = 40_961
_PARAPHRASE = 0.5
"""Share of frames in which the own errand is said in other words, too."""
_MOVED_M = 0.01
_ROOM_M = 0.02
"""Between the footprints of what is put down and of what stands there."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """An instruction and the expert's answer to it in the state of one frame.

    Attributes:
        text: the answer, in SpatialBot's language.
        pick, place: (4,) of `Waypoints`; None where that is over.
    """

    instruction: str
    text: str
    pick: NDArray[np.float64] | None
    place: NDArray[np.float64] | None


class Annotator:
    """Annotates the frames of one scene after the other; `start` comes first.

    Args:
        num_instructions: per frame, the own one first; fewer where the table allows fewer. 0
            leaves frames without annotations.
    """

    def __init__(self, expert: Expert, table_top_z_m: float, num_instructions: int) -> None:
        self._expert = expert
        self._table_top_z_m = table_top_z_m
        self._num_instructions = num_instructions
        self._alternatives: Alternatives | None = None
        self._scenes: dict[Errand, Scene] = {}

    def start(self, scene: Scene, world: World, state: PrivilegedState) -> None:
        """Find out what can be asked for; the world is as it was laid."""
        self._scenes = {}
        self._alternatives = None
        if self._num_instructions < 2:
            return
        self._alternatives = alternatives = Alternatives(scene)
        for errand in alternatives.errands():
            asked = alternatives.scene_of(errand)
            verdict = judge(world, asked)
            hopeless = self._expert.hopeless(replace(state, verdict=verdict), asked)
            if errand == alternatives.own or not (verdict.success or hopeless):
                self._scenes[errand] = asked

    def annotate(
        self,
        scene: Scene,
        world: World,
        state: PrivilegedState,
        decision: Decision,
        frame_number: int,
    ) -> tuple[Annotation, ...]:
        """Of one frame, the scene's own instruction first.

        Args:
            state, decision: of the own instruction.
            frame_number: counts the frames of the scene; equal ones give equal words.
        """
        if self._num_instructions < 1:
            return ()
        found = [self._annotation(scene.instruction, state, scene, decision)]
        alternatives = self._alternatives
        if alternatives is None:
            return tuple(found)
        rng = np.random.default_rng([_SALT, scene.seed % 2**63, frame_number])
        moved = () if state.gripper_closed else self._moved(scene, state)
        said = {scene.instruction}
        for errand in self._order(scene, state, rng):
            if len(found) == self._num_instructions:
                break
            text = alternatives.say(errand, rng, moved)
            if not text or text in said:
                continue
            asked = self._scenes[errand]
            seen = state
            if errand != alternatives.own:
                seen = replace(state, verdict=judge(world, asked))
                if self._expert.hopeless(seen, asked) or self._is_taken(seen, asked):
                    continue
            said.add(text)
            found.append(self._annotation(text, seen, asked, self._expert.decide(seen, asked)))
        return tuple(found)

    def _order(
        self, scene: Scene, state: PrivilegedState, rng: np.random.Generator
    ) -> list[Errand]:
        """Errands for a frame: each once before any again."""
        assert self._alternatives is not None
        own = self._alternatives.own
        errands = list(self._scenes)
        if state.gripper_closed:
            # what is held would have to be put down first, wherever it is
            errands = [errand for errand in errands if errand.target == scene.target]
        others = [errand for errand in errands if errand != own]
        first = [own] if not others or rng.random() < _PARAPHRASE else []
        once = [others[k] for k in rng.permutation(len(others))]
        again = [errands[k] for k in rng.integers(len(errands), size=self._num_instructions)]
        return [*first, *once, *again]

    def _annotation(
        self, instruction: str, state: PrivilegedState, asked: Scene, decision: Decision
    ) -> Annotation:
        waypoints = self._expert.waypoints(state, asked)
        text = text_of(decision.action)
        return Annotation(instruction, text, waypoints.pick, waypoints.place)

    def _moved(self, scene: Scene, state: PrivilegedState) -> tuple[PlacedObject, ...]:
        """The objects where they are now; empty while they are where they were laid."""
        now, any_moved = [], False
        for item in scene.objects:
            x_m, y_m, z_m = state.poses[item.name][:3, 3]
            base_z_m = z_m - self._table_top_z_m - item.rest_height_m
            way_m = (x_m - item.x_m, y_m - item.y_m, base_z_m - item.base_z_m)
            if np.linalg.norm(way_m) > _MOVED_M:
                item = replace(item, x_m=float(x_m), y_m=float(y_m), base_z_m=float(base_z_m))
                any_moved = True
            now.append(item)
        return tuple(now) if any_moved else ()

    def _is_taken(self, state: PrivilegedState, asked: Scene) -> bool:
        """Something else stands where the thing would be put."""
        center_m = place_of(asked, self._table_top_z_m).center_m[:2]
        reach_m = asked.object_named(asked.target).extent.radius_m + _ROOM_M
        for item in asked.objects:
            if item.name != asked.target:
                box = state.boxes[item.name]
                beyond_m = np.maximum(box.low_m[:2] - center_m, center_m - box.high_m[:2])
                if beyond_m.max() < reach_m:
                    return True
        return False


def text_of(action: DeltaAction | Finished) -> str:
    """What the expert says, in SpatialBot's language."""
    return FINISHED_TEXT if isinstance(action, Finished) else format_action_text(action)
