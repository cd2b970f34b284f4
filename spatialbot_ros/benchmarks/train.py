"""Training: samples a second from cached features, against encoding every image as it comes.

Both learn the same steps of the same episodes with the same weights; the baseline reads its
frames from the bags and runs the frozen vision tower on them in every step, as a loop without a
cache does. Before anything is timed, their losses are compared.
"""

import tempfile
import time
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks.result import BenchmarkResult, describe_machine
from spatialbot_ros.benchmarks.synthetic_episodes import write_synthetic_episode

_LOSS_TOLERANCE = 0.02


def run(
    source: str = "",
    preset: str = "mini",
    batch_size: int = 64,
    num_batches: int = 12,
    num_naive_batches: int = 2,
    num_episodes: int = 4,
    num_steps: int = 40,
    seed: int = 0,
) -> BenchmarkResult:
    """Measure; takes about two minutes.

    Args:
        source: folder of episodes; empty = episodes of synthetic frames are written first.
        preset: of the model.
        batch_size: samples of a step of both sides.
        num_batches, num_naive_batches: steps that are timed.
        num_episodes, num_steps: of what is written.
        seed: of weights and draws.

    Raises:
        ConfigurationError: a number below 1, or the two sides do not learn the same.
        RecordingError: no usable episode in `source`.
    """
    counts = (batch_size, num_batches, num_naive_batches, num_episodes, num_steps)
    if min(counts) < 1:
        raise ConfigurationError(f"numbers are {counts}, expected all of them above 0")
    with tempfile.TemporaryDirectory(prefix="spatialbot-train-") as temporary:
        root = Path(source) if source else Path(temporary) / "episodes"
        if not source:
            for number in range(num_episodes):
                write_synthetic_episode(root / f"episode_{number:03d}", num_steps, seed + number)
        return _measure(
            root, Path(temporary), preset, batch_size, num_batches, num_naive_batches, seed
        )


def _measure(
    root: Path,
    temporary: Path,
    preset: str,
    batch_size: int,
    num_batches: int,
    num_naive_batches: int,
    seed: int,
) -> BenchmarkResult:
    import torch

    from spatialbot_model.data.samples import EpisodeDataset
    from spatialbot_model.inference.checkpoints import create_checkpoint
    from spatialbot_model.training.action_data import ActionData, ActionDataOptions
    from spatialbot_model.training.features import FeatureStore, build_features
    from spatialbot_model.training.sampling import WeightedDraws
    from spatialbot_model.training.uncached import LiveFeatureData, SpeedTest

    dataset = EpisodeDataset.open(root)
    model, processor = create_checkpoint(
        preset, temporary / "model", seed=seed, action_spec=dataset.action_spec
    )
    store = FeatureStore(model, processor, temporary / "cache", torch.bfloat16)
    start_s = time.perf_counter()
    build_features(store, dataset.episodes)
    built_s = time.perf_counter() - start_s
    options = ActionDataOptions(position_noise_m=0.0, width_noise_m=0.0)
    cached = ActionData(dataset, processor, store, options)
    draws = WeightedDraws(cached.weights(), seed)
    subject = SpeedTest(model, cached, batch_size, draws)
    baseline = SpeedTest(
        model, LiveFeatureData(dataset, cached, model, processor), batch_size, draws
    )
    # files are opened and memory is taken once; and both have to learn the same
    losses = subject.run(1)[2], baseline.run(1)[2]
    if abs(losses[0] - losses[1]) > _LOSS_TOLERANCE * abs(losses[1]):
        raise ConfigurationError(
            f"cached features give a loss of {losses[0]:.4f} and live ones {losses[1]:.4f};"
            " figures would mean nothing"
        )
    speed, wait, _ = subject.run(num_batches)
    naive_speed, naive_wait, _ = baseline.run(num_naive_batches)
    num_frames = sum(episode.num_frames for episode in dataset.episodes)
    return BenchmarkResult(
        name="train",
        figures={
            "samples_s": round(speed, 1),
            "data_wait_percent": round(100 * wait, 2),
            "uncached_samples_s": round(naive_speed, 2),
            "uncached_data_wait_percent": round(100 * naive_wait, 1),
            "features_frames_s": round(num_frames / built_s, 1),
            "batch_size": batch_size,
            "trained_parameters_M": round(
                sum(p.numel() for n, p in model.named_parameters() if "vision_tower" not in n)
                / 1e6,
                2,
            ),
        },
        baseline="the same training with images encoded in every step (uncached_samples_s)",
        ratio=round(speed / naive_speed, 2),
        n=num_batches * batch_size,
        machine=describe_machine()
        | {"torch": torch.__version__, "threads": torch.get_num_threads()},
    )
