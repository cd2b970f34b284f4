"""The data loader: samples a second in random order, against plain rosbags on the same bags.

Both run in the same number of worker processes, read the same shuffled samples (four frames of
colour and depth each), shrink them for the same vision tower and hand batches of them to this
process. Before anything is timed, the frames of both are compared, pixel for pixel.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.episode import LABELS
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.history import HISTORY_LENGTH
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.data.episode_index import build_index
from spatialbot_model.data.frame_file import Images
from spatialbot_model.data.naive_reading import NaiveReader, Step
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.processing.images import ImageSettings, fit_pixels
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.benchmarks.synthetic_episodes import write_synthetic_episode

_BATCH = 16
_ROUNDS = 5

Row = dict[str, NDArray[Any]]


class _Rows:
    """A dataset of stacked frames, as a collator gets them: (4, H, W, 3) and (4, H, W)."""

    def __init__(self, samples: Any, order: Sequence[int]) -> None:
        self.samples = samples
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, number: int) -> Row:
        images = self.samples.images(self.order[number])
        return {
            "color": np.stack([color for color, _ in images]),
            "depth_mm": np.stack([depth_mm for _, depth_mm in images]),
        }


class _Loader:
    """The subject: indexed, and cached if it was built."""

    def __init__(self, dataset: EpisodeDataset, settings: ImageSettings | None) -> None:
        self.dataset = dataset
        self.settings = settings

    def images(self, number: int) -> list[Images]:
        return [
            _fit((frame.color, frame.depth_mm), self.settings)
            for frame in self.dataset[number].frames
        ]


class _Naive:
    """The baseline."""

    def __init__(self, reader: NaiveReader, steps: list[Step], settings: ImageSettings) -> None:
        self.reader = reader
        self.steps = steps
        self.settings = settings

    def images(self, number: int) -> list[Images]:
        return [_fit(images, self.settings) for images in self.reader.frames(self.steps[number])]


def run(
    source: str = "",
    size: int = 224,
    workers: int = 2,
    num_samples: int = 2000,
    num_naive_samples: int = 320,
    num_episodes: int = 8,
    num_steps: int = 50,
    seed: int = 0,
) -> BenchmarkResult:
    """Measure; takes about a minute.

    Args:
        source: folder of raw-image episodes; empty = episodes of synthetic 640x480 frames at
            10 Hz are written first.
        size: side of the vision tower's square [px].
        workers: processes of both sides.
        num_samples, num_naive_samples: per figure, in five rounds that go by turns; the naive
            side needs far longer for each.
        num_episodes, num_steps: of what is written.

    Raises:
        ConfigurationError: an argument below 1, or the two sides read different frames.
        RecordingError: no usable episode in `source`.
    """
    counts = (size, workers, num_samples, num_naive_samples, num_episodes, num_steps)
    if min(counts) < 1:
        raise ConfigurationError(f"sizes and numbers are {counts}, expected all of them above 0")
    with tempfile.TemporaryDirectory(prefix="spatialbot-loader-") as temporary:
        root = Path(source) if source else Path(temporary) / "episodes"
        if not source:
            for number in range(num_episodes):
                write_synthetic_episode(root / f"episode_{number:03d}", num_steps, seed + number)
        return _measure(root, Path(temporary), size, workers, num_samples, num_naive_samples, seed)


def _measure(
    root: Path,
    temporary: Path,
    size: int,
    workers: int,
    num_samples: int,
    num_naive_samples: int,
    seed: int,
) -> BenchmarkResult:
    settings = ImageSettings(size)
    options = CacheOptions(temporary / "cache", settings)
    plain = EpisodeDataset.open(root, labels=LABELS)
    figures: dict[str, float] = {
        "episodes": len(plain.episodes),
        "samples": len(plain),
        "frame_width_px": plain.episodes[0].intrinsics.width,
        "frame_height_px": plain.episodes[0].intrinsics.height,
    }
    start_s = time.perf_counter()
    for episode in plain.episodes:
        build_index(episode.folder)
    figures["index_ms_per_episode"] = _ms_each(start_s, len(plain.episodes))
    cached = EpisodeDataset.open(root, labels=LABELS, cache=options)
    start_s = time.perf_counter()
    EpisodeDataset.open(root, labels=LABELS, cache=options)
    figures["stored_index_ms_per_episode"] = _ms_each(start_s, len(plain.episodes))

    naive_reader = NaiveReader([episode.folder for episode in plain.episodes], HISTORY_LENGTH)
    naive = _Naive(naive_reader, naive_reader.steps(), settings)
    rng = random.Random(seed)
    order = [rng.randrange(len(plain)) for _ in range(max(num_samples, num_naive_samples))]
    start_s = time.perf_counter()
    cached.build_cache()
    num_frames = sum(episode.num_frames for episode in plain.episodes)
    figures["cached_frames_s"] = round(num_frames / (time.perf_counter() - start_s), 1)
    figures["cache_mb"] = round(
        sum(path.stat().st_size for path in options.folder.rglob("*.frames")) / 1e6, 1
    )
    _check_equal(naive, (_Loader(plain, settings), _Loader(cached, None)), order[:5])
    naive_reader.close()
    for name, samples_s in _samples_s(
        {
            "naive": _Rows(naive, order[: num_naive_samples // _ROUNDS + 1]),
            "bags": _Rows(_Loader(plain, settings), order[: num_samples // _ROUNDS + 1]),
            "cached": _Rows(_Loader(cached, None), order[: num_samples // _ROUNDS + 1]),
        },
        workers,
    ).items():
        figures[f"{name}_samples_s"] = samples_s
    return BenchmarkResult(
        name="loader",
        figures=figures,
        baseline=(
            f"rosbags' AnyReader, kept open and asked by time, in the same {workers} worker"
            " processes, frames shrunk alike"
        ),
        ratio=round(figures["cached_samples_s"] / figures["naive_samples_s"], 2),
        n=num_samples,
    )


def _check_equal(naive: _Naive, loaders: Sequence[_Loader], order: Sequence[int]) -> None:
    for number in order:
        for loader in loaders:
            for expected, found in zip(naive.images(number), loader.images(number), strict=True):
                if not all(map(np.array_equal, expected, found)):
                    raise ConfigurationError(
                        f"sample {number} differs from what rosbags reads; figures would mean"
                        " nothing. Steps that are not learned from make the two count differently:"
                        " give episodes whose every action is usable"
                    )


def _samples_s(subjects: Mapping[str, _Rows], workers: int) -> dict[str, float]:
    """Samples a second, median of rounds that go by turns; a first one opens files."""
    from torch.utils.data import DataLoader

    loaders: dict[str, Any] = {
        name: DataLoader(rows, batch_size=_BATCH, num_workers=workers, persistent_workers=True)  # type: ignore[arg-type]
        for name, rows in subjects.items()
    }
    speeds: dict[str, list[float]] = {name: [] for name in subjects}
    for round_number in range(_ROUNDS + 1):
        for name, loader in loaders.items():
            start_s = time.perf_counter()
            num = sum(len(batch["color"]) for batch in loader)
            if round_number:
                speeds[name].append(num / (time.perf_counter() - start_s))
    return {name: round(statistics.median(values), 1) for name, values in speeds.items()}


def _fit(images: Images, settings: ImageSettings | None) -> Images:
    if settings is None:
        return images
    return fit_pixels(images[0], settings), fit_pixels(images[1], settings)


def _ms_each(start_s: float, num: int) -> float:
    return round((time.perf_counter() - start_s) * 1e3 / num, 2)
