"""Seeded faults of robot, camera and policy, injected into simulated pick and place.

Everything runs on simulated time in this process, so that load changes no figure; what runs is in
`injection_lab`. Each fault is a line of a JSONL file; a run that was interrupted goes on there.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spatialbot_model.contracts.episode import EpisodeMetadata
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.demo.injection_lab import InjectionLab
from spatialbot_ros.demo.injection_plan import PlannedFault, plan_faults
from spatialbot_ros.demo.injection_run import STEP_S, FaultAccount, inject
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.writer import EpisodeWriter
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_ros.nodes.episode_feed import EpisodeFeed

TASK = "pick_place"
_PER_SCENE = 6
_FIRST_S, _PAUSE_S, _SCENE_S = 0.6, 0.3, 90.0
_MOVED_MM = 0.5
_OURS_MS = 200.0


def run(faults: int = 1000, seed: int = 0, output: str = "out/injected_faults") -> BenchmarkResult:
    """Inject, account, sum up. The ratio is what is allowed, 200 ms, to the longest recovery.

    Args:
        faults: how many; a third of each kind.
        seed: of the plan and of the scenes.
        output: folder for `faults.jsonl`; what it holds already is not run again.
    """
    folder = Path(output)
    begun_s = time.monotonic()
    lines = run_injections(faults, seed, folder)
    return summarise(lines, time.monotonic() - begun_s)


def run_injections(num_faults: int, seed: int, folder: Path) -> list[dict[str, Any]]:
    """All accounts of faults and scenes; see `run`.

    Raises:
        ConfigurationError: the folder holds another run.
    """
    plan = plan_faults(seed, num_faults)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"faults_seed{seed}.jsonl"
    lines = _read(path)
    done = [line for line in lines if "kind" in line]
    for line, planned in zip(done, plan, strict=False):
        if (line["number"], line["name"]) != (planned.number, planned.name):
            raise ConfigurationError(f"{path} holds another plan; choose another folder")
    lab = InjectionLab()
    try:
        while len(done) < num_faults:
            new = _run_scene(lab, seed, plan[len(done) : len(done) + _PER_SCENE])
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in new)
            lines += new
            done += [line for line in new if "kind" in line]
    finally:
        lab.close()
    return lines


def _run_scene(
    lab: InjectionLab, seed: int, waiting: Sequence[PlannedFault]
) -> list[dict[str, Any]]:
    """The faults that one instruction has room for, and what the recorder has to say."""
    first = waiting[0].number
    scene_seed = seed * 100_003 + first
    lab.begin(TASK, scene_seed)
    with tempfile.TemporaryDirectory() as temporary:
        writer = EpisodeWriter(Path(temporary) / "episode", _metadata(lab), durable=False)
        writer.open()
        feed = EpisodeFeed(writer)
        accounts: list[FaultAccount] = []
        lab.losses.clear()
        lab.attach(np.random.default_rng((seed, first)), feed)
        end_s = lab.time_s + _SCENE_S
        next_s = lab.time_s + _FIRST_S
        while len(accounts) < len(waiting) and not lab.ending and lab.time_s < end_s:
            if lab.time_s >= next_s and lab.is_moving:
                accounts.append(inject(lab, waiting[len(accounts)]))
                next_s = lab.time_s + _PAUSE_S
            else:
                lab.advance(STEP_S)
        # whoever still runs answers
        answered = lab.ask(Wish.STOP)
        ended = lab.detach()
        scene = _judge_recorder(lab, writer, feed)
        shutil.rmtree(temporary, ignore_errors=True)
    scene |= {
        "scene": scene_seed,
        "first": first,
        "faults": len(accounts),
        "ending": lab.ending,
        "executor_survived": answered and ended and not _internal(lab.losses),
        "losses": lab.losses.copy(),
    }
    return [asdict(account) for account in accounts] + [scene]


def _internal(losses: Sequence[str]) -> list[str]:
    return [reason for reason in losses if reason.startswith("internal error")]


def _judge_recorder(lab: InjectionLab, writer: EpisodeWriter, feed: EpisodeFeed) -> dict[str, Any]:
    error = writer.error
    metadata = writer.close("unknown", lab.ending, lab.now_ns())
    report = check_episode(writer.folder)
    return {
        "recorder_survived": not error and metadata.stop_ns is not None,
        "messages_sent": feed.sent.total(),
        "messages_lost": feed.sent.total() - sum(report.counts.values()),
        "messages_refused": feed.refused,
        "problems": list(report.problems),
    }


def _metadata(lab: InjectionLab) -> EpisodeMetadata:
    return EpisodeMetadata(
        task=TASK,
        instruction=lab.instruction,
        action_spec=load_action_spec().to_mapping(),
        seed=0,
        robot="faulty arm in memory",
        camera="simulated",
        software_version="bench",
        start_ns=lab.now_ns(),
    )


def _read(path: Path) -> list[dict[str, Any]]:
    """Whole scenes only: what follows the last one, of a run that was killed, is cut off."""
    if not path.is_file():
        return []
    texts = path.read_text(encoding="utf-8").splitlines(keepends=True)
    last = max(
        (k for k, text in enumerate(texts) if '"scene"' in text and text[-1] == "\n"), default=-1
    )
    path.write_text("".join(texts[: last + 1]), encoding="utf-8")
    return [json.loads(text) for text in texts[: last + 1]]


def summarise(lines: Sequence[dict[str, Any]], wall_s: float) -> BenchmarkResult:
    """Figures by fault, and what is asked of all of them."""
    faults = [line for line in lines if "kind" in line]
    scenes = [line for line in lines if "scene" in line]
    recovery_ms = [f["recovery_ms"] for f in faults if f["recovery_ms"] is not None]
    longest_ms = max(recovery_ms, default=0.0)
    figures: dict[str, float] = {
        "faults": float(len(faults)),
        "scenes": float(len(scenes)),
        "detected": float(sum(bool(f["told_as"]) for f in faults)),
        "recovered": float(sum(f["recovered"] for f in faults)),
        "moved_without_resume": float(sum(f["moved_mm"] > _MOVED_MM for f in faults)),
        "moved_max_mm": round(max((f["moved_mm"] for f in faults), default=0.0), 3),
        "resumed_too_early": float(sum(f["resumed_too_early"] for f in faults)),
        "recovery_median_ms": round(float(np.median(recovery_ms)), 1) if recovery_ms else 0.0,
        "recovery_max_ms": round(longest_ms, 1),
        "recoveries_over_200_ms": float(sum(ms > _OURS_MS + 1e-6 for ms in recovery_ms)),
        "scenes_executor_survived": float(sum(s["executor_survived"] for s in scenes)),
        "scenes_recorder_survived": float(sum(s["recorder_survived"] for s in scenes)),
        "messages": float(sum(s["messages_sent"] for s in scenes)),
        "messages_lost": float(sum(s["messages_lost"] for s in scenes)),
        "placed": float(sum(s["ending"] == "placed" for s in scenes)),
        "wall_s": round(wall_s, 1),
    }
    for kind, name in sorted({(f["kind"], f["name"]) for f in faults}):
        figures |= _row(f"{kind}_{name}", [f for f in faults if f["name"] == name])
    return BenchmarkResult(
        name="injected_faults",
        figures=figures,
        baseline="200 ms, the longest recovery that is allowed",
        ratio=round(_OURS_MS / max(longest_ms, 1.0), 3),
        n=len(faults),
    )


def _row(prefix: str, faults: Sequence[dict[str, Any]]) -> dict[str, float]:
    detections = [f["detection_ms"] for f in faults if f["detection_ms"] is not None]
    recoveries = [f["recovery_ms"] for f in faults if f["recovery_ms"] is not None]
    reconnected = [f["reconnected_ms"] for f in faults if f["reconnected_ms"] is not None]
    row = {
        "n": float(len(faults)),
        "told": float(sum(bool(f["told_as"]) for f in faults)),
        "detection_max_ms": round(max(detections, default=0.0), 1),
        "rest_max_ms": round(max(f["rest_ms"] for f in faults), 1),
        "coasted_max_mm": round(max(f["coasted_mm"] for f in faults), 1),
        "moved_max_mm": round(max(f["moved_mm"] for f in faults), 2),
        "recovered": float(sum(f["recovered"] for f in faults)),
        "recovery_max_ms": round(max(recoveries, default=0.0), 1),
    }
    if reconnected:
        row["reconnected_max_ms"] = round(max(reconnected), 1)
    return {f"{prefix}_{key}": value for key, value in row.items()}
