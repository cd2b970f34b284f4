"""`--source NAME --data PATH` -> the recipe of a source."""

from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.annotated_scene import SourceRecipe
from spatialbot_model.contracts.errors import UnknownNameError

SOURCES = ("sim",)


@dataclass(frozen=True, slots=True)
class SourceArguments:
    """What the command line says about a source; see the options of `qa generate`."""

    source: str
    data: Path | None
    annotations: Path | None
    depth: Path | None
    task: str
    num: int
    scene_seed: int
    exact_depth: bool

    def recipe(self) -> SourceRecipe:
        """The source that is meant.

        Raises:
            UnknownNameError: no such source, layout or task.
            ConfigurationError: something that the source needs was not given.
        """
        if self.source == "sim":
            from spatialbot_ros.configuration import load_action_spec, load_cell
            from spatialbot_sim.qa_source import SimRecipe

            return SimRecipe(
                load_cell(),
                load_action_spec(),
                task=self.task,
                first_seed=self.scene_seed,
                num=self.num or 100,
                depth_noise=not self.exact_depth,
            )
        raise UnknownNameError("source", self.source, SOURCES)
