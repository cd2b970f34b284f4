"""Collecting episodes, rendered and written, against the robot time of the same episodes."""

import shutil
import tempfile
import time
from pathlib import Path

from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.episodes.step_writer import StepWriterFactory
from spatialbot_sim.collect import CollectOptions, Job, JobResult
from spatialbot_sim.collect_pool import CollectorRecipe, run_jobs
from spatialbot_sim.expert_noise import NoiseOptions

BASELINE = "real time: the robot time of the same episodes, one robot"


def run(
    episodes: int = 16,
    workers: int = 2,
    task: str = "pick_place",
    seed: int = 0,
    images: str = "compressed",
    folder: str = "",
) -> BenchmarkResult:
    """Collect episodes with noise into a temporary folder.

    The clock starts when every worker has made its first episode: how fast a long collection
    goes does not depend on the start of its processes.

    Args:
        episodes: that are measured; each worker makes one more before.
        images: raw or compressed.
        folder: where the temporary folder is made; "" = where the system has it.

    Raises:
        ConfigurationError: a number below 1, or an unknown form of images.
    """
    if episodes < 1 or workers < 1:
        raise ConfigurationError(
            f"episodes={episodes} and workers={workers}, expected at least 1 of each"
        )
    formats = {"raw": ImageFormats(), "compressed": ImageFormats("jpeg", "png")}
    if images not in formats:
        raise ConfigurationError(f"images={images}, expected one of: {', '.join(formats)}")
    output = Path(tempfile.mkdtemp(prefix="spatialbot-collect-", dir=folder or None))
    try:
        recipe = CollectorRecipe(
            load_cell(),
            load_action_spec(),
            CollectOptions(noise=NoiseOptions()),
            StepWriterFactory(output, formats[images]),
        )
        jobs = [Job(task, seed + k) for k in range(episodes + workers)]
        measured: list[JobResult] = []
        begun_s = first_s = time.perf_counter()
        for k, result in enumerate(run_jobs(recipe, jobs, num_workers=workers)):
            if k < workers:
                first_s = time.perf_counter()
            else:
                measured.append(result)
        wall_s = time.perf_counter() - first_s
        num_bytes = sum(file.stat().st_size for file in output.rglob("*.mcap"))
    finally:
        shutil.rmtree(output, ignore_errors=True)
    robot_s = sum(result.robot_time_s for result in measured)
    frames = sum(result.steps + 1 for result in measured)
    ratio = robot_s / wall_s
    return BenchmarkResult(
        name="collect",
        figures={
            "episodes_per_minute": round(60.0 * len(measured) / wall_s, 2),
            "frames_per_s": round(frames / wall_s, 2),
            "robot_time_s": round(robot_s, 1),
            "wall_time_s": round(wall_s, 2),
            "start_wall_time_s": round(first_s - begun_s, 2),
            "mb_per_episode": round(num_bytes / 1e6 / len(jobs), 2),
            "success_rate": round(sum(r.success for r in measured) / len(measured), 4),
            "workers": workers,
        },
        baseline=BASELINE,
        ratio=round(ratio, 3),
        n=len(measured),
    )
