"""`--source NAME --data PATH` -> the recipe of a source."""

from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.annotated_scene import SourceRecipe
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError

SOURCES = ("sim", "coco", "vg", "folder", "nyu", "tum", "episodes")


@dataclass(frozen=True, slots=True)
class SourceArguments:
    """What the command line says about a source; see the options of `qa generate`."""

    source: str
    data: Path | None
    annotations: Path | None
    depth: Path | None
    sam: str
    task: str
    num: int
    scene_seed: int
    exact_depth: bool
    every: int

    def recipe(self) -> SourceRecipe:
        """The source that is meant.

        Raises:
            UnknownNameError: no such source or task.
            ConfigurationError: something that the source needs was not given.
        """
        found = self._bare()
        if not self.sam:
            return found
        from spatialbot_model.spatialqa.sam import SamRecipe

        return SamRecipe(found, self.sam)

    def _bare(self) -> SourceRecipe:
        if self.source == "sim":
            return self._simulated()
        if self.source not in SOURCES:
            raise UnknownNameError("source", self.source, SOURCES)
        data = self._given("data", self.data)
        if self.source == "episodes":
            from spatialbot_model.spatialqa.readers.episodes import EpisodesRecipe

            return EpisodesRecipe(data, self.every, self.num)
        if self.source in ("coco", "vg"):
            from spatialbot_model.spatialqa.readers.coco import CocoRecipe
            from spatialbot_model.spatialqa.readers.visual_genome import VisualGenomeRecipe

            made = CocoRecipe if self.source == "coco" else VisualGenomeRecipe
            annotations = self._given("annotations", self.annotations)
            return made(data, annotations, self.depth, self.num)
        from spatialbot_model.spatialqa.readers.rgbd_folder import RgbdFolderRecipe

        return RgbdFolderRecipe(data, self.source, self.num)

    def _simulated(self) -> SourceRecipe:
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

    def _given(self, name: str, path: Path | None) -> Path:
        if path is None:
            raise ConfigurationError(f"--source {self.source} needs --{name}")
        return path.expanduser().resolve()
