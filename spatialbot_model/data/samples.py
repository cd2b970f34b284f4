"""Episodes as samples: four frames, an instruction and the action that was right.

A dataset is a sequence of samples with random access, in an order that depends on the episodes
only. It holds positions, no images and no open files, so that worker processes may be forked or
spawned at any time; `torch.utils.data.DataLoader` takes it as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.action_codec import (
    DeltaAction,
    Finished,
    parse_action_text,
    parse_action_tokens,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import LABELS
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import (
    ActionParseError,
    ActionSpecMismatchError,
    ConfigurationError,
    RecordingError,
    UnknownNameError,
)
from spatialbot_model.contracts.history import HISTORY_LENGTH
from spatialbot_model.contracts.types import RgbdFrame, RobotState
from spatialbot_model.contracts.worker_pool import worker_pool
from spatialbot_model.data.cache import CacheOptions, FrameStore
from spatialbot_model.data.episode_folders import (
    SPLITS,
    DatasetReport,
    exclusion,
    find_episodes,
)
from spatialbot_model.data.episode_index import EpisodeIndex
from spatialbot_model.data.index_files import load_or_build_index


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One control step.

    Attributes:
        frames: newest first, padded by repeating the oldest; as the policy saw them, or shrunk
            by the cache.
        instruction: what the robot was asked to do.
        action: what the robot did; `Finished` where the instruction ended.
        answer: what is to be learned: the recorded answer, which differs from the action where
            noise was added to it, else the action.
        source: of the action: policy, teleop, expert or noise.
        episode: name of the episode's folder.
        step: number of the step in its episode, from 0.
        stamp_ns: when the step was answered [ROS time].
        robot: what the robot measured at the newest frame; None when the bag does not tell.
    """

    frames: tuple[RgbdFrame, ...]
    instruction: str
    action: DeltaAction | Finished
    answer: DeltaAction | Finished
    source: str
    episode: str
    step: int
    stamp_ns: int
    robot: RobotState | None = None


class EpisodeDataset(Sequence[Sample]):
    """Samples of indexed episodes; most are made by `open`.

    Attributes:
        episodes: their indices, in order.
        report: what was used and what was not.

    Raises:
        ActionSpecMismatchError: the episodes' bins do not all mean the same.
    """

    def __init__(
        self,
        episodes: Sequence[EpisodeIndex],
        *,
        cache: CacheOptions | None = None,
        report: DatasetReport | None = None,
    ) -> None:
        self.episodes = tuple(episodes)
        self.report = report or DatasetReport(used=tuple(e.folder for e in episodes))
        self._frames = FrameStore(self.episodes, cache)
        self._ends = np.cumsum([len(episode) for episode in self.episodes], dtype=np.int64)
        for episode in self.episodes[1:]:
            _check_same_spec(self.episodes[0], episode)

    @classmethod
    def open(
        cls,
        source: Path | Iterable[Path],
        *,
        history: int = HISTORY_LENGTH,
        labels: Sequence[str] = ("success",),
        split: str = "all",
        cache: CacheOptions | None = None,
        on_episode: Callable[[Path], None] | None = None,
    ) -> "EpisodeDataset":
        """Index episodes; what cannot be used is listed in `report`.

        Args:
            source: an episode, a folder of episodes at any depth, or several of them.
            history: frames per sample.
            labels: which episodes to use.
            split: ``train`` = no seed or one below `FIRST_TEST_SEED`, ``test`` = the others.
            cache: keeps indices and frames; `build_cache` fills it.
            on_episode: called after each folder, for progress.

        Raises:
            RecordingError: no usable episode; names the first reasons.
            ActionSpecMismatchError: the episodes' bins do not all mean the same.
            ConfigurationError: an unknown label or split, or no frames asked for.
        """
        if split not in SPLITS:
            raise UnknownNameError("split", split, SPLITS)
        for label in labels:
            if label not in LABELS:
                raise UnknownNameError("label", label, LABELS)
        if history < 1:
            raise ConfigurationError(f"history is {history}, expected 1 frame or more")
        used: list[EpisodeIndex] = []
        skipped: list[tuple[Path, str]] = []
        excluded: list[tuple[Path, str]] = []
        folders = find_episodes(source)
        for folder in folders:
            try:
                why = exclusion(read_sidecar(folder), labels, split)
                if why:
                    excluded.append((folder, why))
                else:
                    used.append(
                        load_or_build_index(
                            folder, None if cache is None else cache.folder, history
                        )
                    )
            except (RecordingError, ActionSpecMismatchError) as error:
                skipped.append((folder, str(error)))
            if on_episode is not None:
                on_episode(folder)
        report = DatasetReport(
            used=tuple(index.folder for index in used),
            skipped=tuple(skipped),
            excluded=tuple(excluded),
            lost_steps=tuple((e.name, why, n) for e in used for why, n in e.lost.items()),
        )
        if not used:
            reasons = [f"{folder.name}: {why}" for folder, why in (*skipped, *excluded)][:3]
            raise RecordingError(
                f"no usable episode among {len(folders)} ({report.summary()})"
                f"{'; ' if reasons else ''}{'; '.join(reasons)}"
            )
        return cls(used, cache=cache, report=report)

    @property
    def action_spec(self) -> ActionSpec:
        """What the bins of all samples mean."""
        return self.episodes[0].metadata.spec

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        """One sample.

        Raises:
            IndexError: there is none of this number.
            RecordingError: a frame cannot be read; the bag was changed or damaged.
        """
        episode, step = self.position(index)
        indexed = self.episodes[episode]
        numbers = indexed.step_frames[step].tolist()
        frames = {number: self._frames.frame(episode, number) for number in set(numbers)}
        return Sample(
            frames=tuple(frames[number] for number in numbers),
            instruction=indexed.instructions[step],
            action=action_of(indexed, step),
            answer=answer_of(indexed, step),
            source=indexed.sources[step],
            episode=indexed.name,
            step=step,
            stamp_ns=int(indexed.step_stamps_ns[step]),
            robot=RobotState.from_vector(indexed.step_states[step]),
        )

    def newest_frame(self, index: int) -> RgbdFrame:
        """The newest frame of one sample; spares reading the older ones.

        Raises:
            IndexError, RecordingError: see `__getitem__`.
        """
        episode, step = self.position(index)
        return self._frames.frame(episode, int(self.episodes[episode].step_frames[step][0]))

    def __iter__(self) -> Iterator[Sample]:
        """All samples in order."""
        return (self[index] for index in range(len(self)))

    def position(self, index: int) -> tuple[int, int]:
        """Number of the episode, and of the step in it, of a sample."""
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"sample {index} of a dataset of {len(self)}")
        episode = int(np.searchsorted(self._ends, number, side="right"))
        return episode, number - (int(self._ends[episode - 1]) if episode else 0)

    def build_cache(
        self, *, workers: int = 1, on_episode: Callable[[int, bool], None] | None = None
    ) -> int:
        """Cache the frames of all episodes that are not cached yet.

        Interrupted, it goes on where it stopped: whole episodes are kept.

        Args:
            workers: processes.
            on_episode: called with the number of each episode and whether it is cached now.

        Returns:
            Number of episodes cached; the others had no room and are read from their bags.

        Raises:
            RecordingError: a frame cannot be read.
            OSError: the disk does not take it.
        """
        num_cached = 0
        for episode, done in self._built(min(workers, len(self.episodes))):
            num_cached += done
            if on_episode is not None:
                on_episode(episode, done)
        return num_cached

    def close(self) -> None:
        """Give files back; the dataset can be read on."""
        self._frames.close()

    def _built(self, workers: int) -> Iterator[tuple[int, bool]]:
        numbers = range(len(self.episodes))
        if workers <= 1:
            yield from ((number, self._frames.build(number)) for number in numbers)
            return
        with worker_pool(workers, _set_store, self._frames) as pool:
            yield from zip(numbers, pool.map(_build_episode, numbers), strict=True)


def _check_same_spec(first: EpisodeIndex, other: EpisodeIndex) -> None:
    try:
        first.metadata.spec.check_compatible(other.metadata.spec)
    except ActionSpecMismatchError as error:
        raise ActionSpecMismatchError(
            f"{first.folder} and {other.folder} cannot be trained on together: {error}"
        ) from error


def action_of(indexed: EpisodeIndex, step: int) -> DeltaAction | Finished:
    """What the robot did at a step."""
    bins = indexed.step_bins(step)
    return Finished() if bins is None else DeltaAction(bins, indexed.metadata.spec)


def answer_of(indexed: EpisodeIndex, step: int) -> DeltaAction | Finished:
    """What is to be learned at a step, see `Sample.answer`."""
    for parse in (parse_action_text, parse_action_tokens):
        try:
            return parse(indexed.texts[step], indexed.metadata.spec)
        except ActionParseError:
            continue
    # teleoperation answers with the action itself
    return action_of(indexed, step)


_store: FrameStore | None = None


def _set_store(store: FrameStore) -> None:
    global _store
    _store = store


def _build_episode(number: int) -> bool:
    assert _store is not None
    return _store.build(number)
