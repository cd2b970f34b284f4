"""Tabletop scenes as annotated pictures: colour, depth as the sensor sees it, masks, contacts.

In part of the scenes the expert has moved the arm for a while, so that the hand is among things.
"""

from dataclasses import dataclass

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_sim.alignment import DepthAlignment
from spatialbot_sim.camera import SensorRenderer
from spatialbot_sim.crowd import crowd
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert import Expert
from spatialbot_sim.qa_objects import categories, contacts, visible_objects
from spatialbot_sim.stereo_noise import StereoNoise, to_millimetres
from spatialbot_sim.tasks import Scene, sample_scene

_LONGEST_MOVE_STEPS = 45


@dataclass(frozen=True, slots=True)
class SimRecipe:
    """Scenes of a task, seed after seed; may be pickled.

    Attributes:
        moving_share: of the scenes in which the arm has moved.
        extra_objects: at most so many more than the task lays, see `crowd`.
        depth_noise: False gives exact depth without holes.

    Raises:
        ConfigurationError: no scene, no share, or a negative number of objects.
        UnknownNameError: no such task.
    """

    cell: Cell
    spec: ActionSpec
    task: str = "spatialqa_e"
    first_seed: int = 0
    num: int = 100
    moving_share: float = 0.5
    depth_noise: bool = True
    extra_objects: int = 0

    def __post_init__(self) -> None:
        if self.num < 1 or not 0.0 <= self.moving_share <= 1.0 or self.extra_objects < 0:
            raise ConfigurationError(
                f"{self.num} scenes with {self.extra_objects} more objects, the arm moved in a"
                f" share of {self.moving_share} of them; expected at least one scene, a share"
                " between 0 and 1, and no negative number"
            )
        sample_scene(self.task, self.first_seed)

    def open(self) -> "SimSource":
        """A source for the calling thread, which owns OpenGL from the first scene on."""
        return SimSource(self)

    def describe(self) -> dict[str, object]:
        """What decides about the scenes."""
        return {
            "name": "sim",
            "task": self.task,
            "first_seed": self.first_seed,
            "num": self.num,
            "moving_share": self.moving_share,
            "depth_noise": self.depth_noise,
            "extra_objects": self.extra_objects,
            "action_spec": self.spec.id,
        }


class SimSource:
    """See the module docstring."""

    def __init__(self, recipe: SimRecipe) -> None:
        self._recipe = recipe
        # images are drawn once a scene, not at every step of the arm
        self._env = TabletopEnv(recipe.cell, recipe.spec, EnvOptions(render=False))
        self._expert = Expert(recipe.cell, recipe.spec)
        self._renderer = SensorRenderer(recipe.cell.camera)
        self._alignment: DepthAlignment | None = None

    def __len__(self) -> int:
        return self._recipe.num

    def load(self, index: int) -> AnnotatedScene:
        """Lay and draw one scene.

        Raises:
            SimulationError: the world cannot be built.
            MissingDependencyError: there is no off-screen OpenGL.
        """
        recipe = self._recipe
        scene = crowd(sample_scene(recipe.task, recipe.first_seed + index), recipe.extra_objects)
        self._env.reset(scene)
        self._move(scene)
        world, mount = self._env.world, recipe.cell.camera
        self._renderer.open(world)
        rgb = np.ascontiguousarray(self._renderer.render_color())
        bodies = self._renderer.render_bodies()
        depth_m = self._renderer.render_depth_m()
        if recipe.depth_noise:
            raw_mm = StereoNoise(mount, scene.seed).apply(depth_m, 1)
        else:
            raw_mm = to_millimetres(depth_m, mount.depth_range_m)
        if self._alignment is None:
            self._alignment = DepthAlignment(mount)
        objects, names = visible_objects(world, recipe.cell, bodies)
        counted, absent = categories(world, names)
        return AnnotatedScene(
            id=f"{scene.task}_{scene.seed:07d}",
            rgb=rgb,
            depth_mm=self._alignment.align(raw_mm),
            objects=objects,
            counted=counted,
            absent=absent,
            contacts=contacts(world, names),
            hand=names.index("") if "" in names else None,
            intrinsics=mount.color,
        )

    def close(self) -> None:
        """Release OpenGL; allowed more than once."""
        self._renderer.close()
        self._env.close()

    def _move(self, scene: Scene) -> None:
        """Let the expert act for a random while."""
        rng = np.random.default_rng([scene.seed, 0x9A])
        if rng.random() >= self._recipe.moving_share:
            return
        for _ in range(int(rng.integers(5, _LONGEST_MOVE_STEPS + 1))):
            action = self._expert.act(self._env.privileged_state(), scene)
            if not isinstance(action, DeltaAction):
                return
            self._env.step(action)
