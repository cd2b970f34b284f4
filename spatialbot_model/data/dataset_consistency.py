"""What all episodes of one converted dataset must agree on."""

from dataclasses import dataclass

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode_contents import EpisodeContents
from spatialbot_model.contracts.errors import ActionSpecMismatchError, RecordingError


@dataclass(frozen=True, slots=True)
class DatasetTraits:
    """Properties that a dataset states once, for all its episodes."""

    spec: ActionSpec
    joint_names: tuple[str, ...]
    width: int
    height: int
    first_name: str

    @classmethod
    def of(cls, episode: EpisodeContents) -> "DatasetTraits":
        """Those of a dataset that begins with this episode."""
        return cls(
            spec=episode.metadata.spec,
            joint_names=episode.joint_names,
            width=episode.intrinsics.width,
            height=episode.intrinsics.height,
            first_name=episode.name,
        )

    @property
    def fps(self) -> int:
        """Control steps per second.

        Raises:
            RecordingError: not a whole number.
        """
        if self.spec.rate_hz != round(self.spec.rate_hz):
            raise RecordingError(
                f"the control rate is {self.spec.rate_hz} Hz; LeRobot stores a whole number of"
                " frames per second"
            )
        return round(self.spec.rate_hz)

    def check(self, episode: EpisodeContents) -> None:
        """Refuse an episode that does not belong into this dataset.

        Raises:
            ActionSpecMismatchError: its bins mean something else.
            RecordingError: no steps, another image size or other joints.
        """
        if not len(episode.steps):
            raise RecordingError(
                f"episode {episode.name} holds no action with a frame to go with it; leave it out"
            )
        try:
            self.spec.check_compatible(episode.metadata.spec)
        except ActionSpecMismatchError as error:
            raise ActionSpecMismatchError(
                f"episodes {self.first_name} and {episode.name} do not fit into one dataset:"
                f" {error}"
            ) from error
        size = (episode.intrinsics.width, episode.intrinsics.height)
        if size != (self.width, self.height):
            raise RecordingError(
                f"episode {episode.name} has images of {size[0]}x{size[1]}, {self.first_name} of"
                f" {self.width}x{self.height}; convert them into separate datasets"
            )
        if episode.joint_names != self.joint_names:
            raise RecordingError(
                f"episode {episode.name} has the joints {', '.join(episode.joint_names)},"
                f" {self.first_name} {', '.join(self.joint_names)}; convert them into separate"
                " datasets"
            )
