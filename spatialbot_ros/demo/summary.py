"""What a demo leaves behind: one record per episode and `summary.json`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatialbot_model.evaluation.statistics import success_rate


@dataclass(frozen=True, slots=True)
class EpisodeRecord:
    """Outcome of one episode.

    Attributes:
        success: ground truth of the simulated lab, not the policy's opinion.
        reason: why it ended, in words.
        steps: actions emitted.
        robot_time_s, wall_time_s: duration of the instruction.
        placement_error_mm: horizontal distance of object and board centre; None when unknown.
        faults: control faults of the executor.
        safety_events: everything that was clamped or refused.
        frames: colour images with their depth in the recording; 0 when not recorded.
        episode: folder of the rosbag2, "" when not recorded.
    """

    seed: int
    task: str
    instruction: str
    success: bool
    reason: str
    steps: int
    robot_time_s: float
    wall_time_s: float
    placement_error_mm: float | None
    faults: int
    safety_events: int
    frames: int
    episode: str


def summarise(
    records: Sequence[EpisodeRecord], policy: str, command: str, software_version: str
) -> dict[str, Any]:
    """The content of summary.json; `success` is true when every episode succeeded."""
    rate = success_rate(sum(record.success for record in records), len(records))
    return {
        "success": rate.successes == rate.n,
        "n": rate.n,
        "successes": rate.successes,
        "interval": [rate.low, rate.high],
        "policy": policy,
        "faults": sum(record.faults for record in records),
        "command": command,
        "software_version": software_version,
        "episodes": [asdict(record) for record in records],
    }


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Write as indented JSON."""
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
