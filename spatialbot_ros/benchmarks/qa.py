"""Making questions: items a second, memory, and what becomes of a run that is killed often.

- *subject*: `spatialbot qa generate` with worker processes: parts, deduplication, files that can be
  gone on with;
- *baseline*: a loop over the same pictures in one process that asks, writes the pictures and dumps
  one list at the end.

The questions of both are compared before anything is told.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.prompt_templates import image_user_text
from spatialbot_model.spatialqa.generate import KINDS, GenerateOptions, generate_items
from spatialbot_model.spatialqa.part import PARTS_NAME, WorkerRecipe
from spatialbot_model.spatialqa.pipeline import FACTS_NAME, QUESTIONS_NAME, REPORT_NAME, generate
from spatialbot_model.spatialqa.templates import load_templates
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.benchmarks.synthetic_pictures import SyntheticRecipe

_SMALL_PX = (160, 120)
_ITEMS_PER_SCENE = 33
_FILES = (QUESTIONS_NAME, FACTS_NAME, REPORT_NAME)
_LONGEST_S = 7200.0


def run(
    num_scenes: int = 120,
    workers: int = 2,
    few_items: int = 1_000,
    many_items: int = 100_000,
    kills: int = 20,
    kill_scenes: int = 160,
    seed: int = 0,
) -> BenchmarkResult:
    """Measure; takes some minutes.

    Args:
        num_scenes: 640x480 pictures of the timed runs.
        workers: processes of the subject.
        few_items, many_items: of the two runs whose memory is compared, one process each.
        kills: times that a run over `kill_scenes` small pictures is killed (SIGKILL).

    Raises:
        ConfigurationError: a number below 1, the two sides differ, or a killed run does.
    """
    if min(num_scenes, workers, few_items, many_items, kill_scenes) < 1 or kills < 0:
        raise ConfigurationError("every number has to be 1 or more, kills 0 or more")
    with tempfile.TemporaryDirectory(prefix="spatialbot-qa-") as temporary:
        folder = Path(temporary)
        figures = _speeds(folder, num_scenes, workers, seed)
        figures |= _memory(folder, few_items, many_items)
        figures |= _killed(folder, kills, kill_scenes, workers, seed)
    return BenchmarkResult(
        name="qa",
        figures=figures,
        baseline="a loop over the same pictures in one process",
        ratio=round(figures["items_s"] / figures["plain_loop_items_s"], 2),
        n=int(figures["items"]),
    )


def _speeds(folder: Path, num_scenes: int, workers: int, seed: int) -> dict[str, float]:
    recipe = SyntheticRecipe(num_scenes)
    figures: dict[str, float] = {"scenes": num_scenes, "workers": workers}
    start_s = time.perf_counter()
    plain = _plain_loop(recipe, folder / "plain", GenerateOptions(seed=seed))
    figures["plain_loop_items_s"] = round(len(plain) / (time.perf_counter() - start_s), 1)
    start_s = time.perf_counter()
    report = generate(
        WorkerRecipe(recipe, GenerateOptions(seed=seed), folder / "run"), num_workers=workers
    )
    figures["items_s"] = round(report["questions"] / (time.perf_counter() - start_s), 1)
    figures["items"] = report["questions"]
    if json.loads((folder / "run" / QUESTIONS_NAME).read_bytes()) != plain:
        raise ConfigurationError("the loop and the pipeline made different questions")
    return figures


def _plain_loop(
    recipe: SyntheticRecipe, folder: Path, options: GenerateOptions
) -> list[dict[str, Any]]:
    templates = load_templates(KINDS.values())
    source, records = recipe.open(), []
    for name in ("rgb", "depth"):
        (folder / "images" / name).mkdir(parents=True)
    for index in range(len(source)):
        scene = source.load(index)
        images = [f"rgb/{scene.id}.png", f"depth/{scene.id}.png"]
        pixels = (scene.rgb[..., ::-1], scene.depth_mm)
        for name, image in zip(images, pixels, strict=True):
            cv2.imwrite(str(folder / "images" / name), image)  # type: ignore[arg-type]
        for number, item in enumerate(generate_items(scene, templates, options)):
            turns = [{"from": speaker, "value": text} for speaker, text in item.turns]
            turns[0]["value"] = image_user_text(turns[0]["value"], len(images))
            records.append(
                {"id": f"{scene.id}_{number:03d}", "image": images, "conversations": turns}
            )
    (folder / QUESTIONS_NAME).write_text(json.dumps(records), encoding="utf-8")
    return records


def _memory(folder: Path, few: int, many: int) -> dict[str, float]:
    """Largest resident memory of a run in a process of its own."""
    figures: dict[str, float] = {}
    for name, items in (("few", few), ("many", many)):
        target, scenes = folder / f"memory_{name}", -(-items // _ITEMS_PER_SCENE)
        done = subprocess.run(
            [*_child(), "measure", str(target), str(scenes), "1", "0"],
            capture_output=True, text=True, timeout=_LONGEST_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ConfigurationError(f"the run of {items} items failed: {done.stderr[-500:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        figures[f"{name}_items"] = told["questions"]
        figures[f"{name}_items_rss_mb"] = told["rss_mb"]
    figures["rss_growth_mb"] = round(figures["many_items_rss_mb"] - figures["few_items_rss_mb"], 1)
    return figures


def _killed(folder: Path, kills: int, scenes: int, workers: int, seed: int) -> dict[str, float]:
    """Kill a run and its workers at random moments, let it go on, compare the files."""
    if not kills:
        return {}
    rng = random.Random(seed)
    untouched, target = folder / "untouched", folder / "killed"
    arguments = [str(scenes), str(workers), str(seed)]
    start_s = time.perf_counter()
    subprocess.run([*_child(), "run", str(untouched), *arguments], check=True, timeout=_LONGEST_S)
    whole_s = time.perf_counter() - start_s
    killed = parts_left = 0
    while killed < kills:
        process = subprocess.Popen(
            [*_child(), "run", str(target), *arguments], start_new_session=True
        )
        try:
            process.wait(rng.uniform(0.0, 1.2 * whole_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
            parts = target / PARTS_NAME
            parts_left += parts.is_dir() and any(parts.glob("[0-9]*.jsonl"))
            continue
        if process.returncode:
            raise ConfigurationError("a run that was killed before does not go on")
        # it was faster than the kill: the same moments are tried on a new one
        _check_same(untouched, target)
        target = folder / f"killed_{killed}"
    subprocess.run([*_child(), "run", str(target), *arguments], check=True, timeout=_LONGEST_S)
    _check_same(untouched, target)
    return {"kills": killed, "kills_with_work_left": parts_left, "identical": 1}


def _check_same(expected: Path, found: Path) -> None:
    for name in _FILES:
        if (expected / name).read_bytes() != (found / name).read_bytes():
            raise ConfigurationError(f"{name} of a run that was killed differs")


def _child() -> list[str]:
    return [sys.executable, "-c", f"from {__name__} import child; child()"]


def child() -> None:
    """A run in a process of its own: what, folder, scenes, workers and seed."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    scenes, workers, seed = (int(text) for text in sys.argv[3:6])
    recipe = SyntheticRecipe(scenes, *_SMALL_PX)
    options = GenerateOptions(seed=seed)
    report = generate(WorkerRecipe(recipe, options, folder), num_workers=workers)
    if what == "measure":
        told = {"questions": report["questions"], "rss_mb": _peak_rss_mb()}
        sys.stdout.write(json.dumps(told) + "\n")


def _peak_rss_mb() -> float:
    """Of this process; ru_maxrss would begin with that of the process it was forked from."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise ConfigurationError("the system does not tell the peak memory of a process")
