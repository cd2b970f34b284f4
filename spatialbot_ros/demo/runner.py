"""Runs the demo's episodes: lay a scene, record, execute, judge, write what is left behind."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.demo.stack import Stack
from spatialbot_ros.demo.summary import EpisodeRecord
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.report import write_report
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.lab_client import LabClient

_READY_TIMEOUT_S = 90.0
_JUDGE_TIMEOUT_S = 60.0
_JUDGE_SIM_NS = 3_000_000_000

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What to run.

    Attributes:
        seed: of the first episode; the next episodes count up.
        instruction: replaces the scene's own; "" = the scene's.
        record: which episodes are recorded: "first", "all" or "none".
        timeout_s: wall seconds for one instruction.
        max_steps: control steps of one instruction; 0 = the VLA node's own limit.
        launch_arguments: further arguments of the stack by name.
    """

    episodes: int = 1
    seed: int = 0
    task: str = "pick_place"
    instruction: str = ""
    policy: str = "classical"
    checkpoint: str = ""
    address: str = "127.0.0.61"
    viewer: str = "none"
    record: str = "first"
    timeout_s: float = 600.0
    output: Path = Path("out/demo")
    max_steps: int = 0
    launch_arguments: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigurationError(f"{self.episodes} episodes cannot be run; ask for 1 or more")


def run_demo(options: DemoOptions, tell: Tell) -> tuple[Path, list[EpisodeRecord]]:
    """Run all episodes in one stack.

    Returns:
        The run's folder, to which ``latest`` points, and one record per episode.

    Raises:
        SpatialBotError: the stack cannot be started or does not answer.
    """
    folder = _new_folder(options.output)
    recorder = options.record != "none"
    arguments = {
        "simulation": "true",
        "robot_ip": options.address,
        "policy": options.policy,
        "checkpoint": options.checkpoint,
        "task": options.task,
        "seed": str(options.seed),
        "record": str(recorder).lower(),
        "record_directory": str(folder / "episodes"),
        "viewer": options.viewer,
        **options.launch_arguments,
    }
    records: list[EpisodeRecord] = []
    tell(f"starting the stack; its log is {folder / 'stack.log'}")
    with Stack(arguments, folder / "stack.log") as stack, LabClient(stack.check) as lab:
        lab.wait_ready(_READY_TIMEOUT_S, recorder, lambda part: tell(f"{part} is ready"))
        for index in range(options.episodes):
            record = _run_episode(
                options, options.seed + index, recorder and (index == 0 or options.record == "all"),
                lab, tell,
            )  # fmt: skip
            records.append(record)
            tell(
                f"episode {index + 1}/{options.episodes}:"
                f" {'success' if record.success else 'failure'}, {record.reason}"
            )
    recorded = next((record.episode for record in records if record.episode), "")
    if recorded:
        tell("drawing overview.png and recording.rrd")
        (folder / "episode").symlink_to(Path(recorded).relative_to(folder))
        write_report(Path(recorded), folder)
    return folder, records


def _run_episode(
    options: DemoOptions, seed: int, record_it: bool, lab: LabClient, tell: Tell
) -> EpisodeRecord:
    lab.home()
    scene = lab.reset(options.task, seed)
    instruction = options.instruction or scene.instruction
    tell(f"scene {seed}: {instruction}")
    before = lab.executor_state
    num_faults, num_events = before.num_faults, before.num_safety_events
    episode = lab.start_episode(options.task, instruction, seed) if record_it else ""
    last_stage = ""

    def on_feedback(feedback: object) -> None:
        nonlocal last_stage
        stage = getattr(feedback, "stage", "")
        if stage != last_stage:
            last_stage = stage
            text = getattr(feedback, "text", "")
            tell(f"  step {getattr(feedback, 'step', 0):3d}  {stage:<8} {text}")

    started_s = time.monotonic()
    result = lab.execute(instruction, options.timeout_s, on_feedback, options.max_steps)
    wall_time_s = time.monotonic() - started_s
    first = lab.wait_task_status(lambda _: True, _JUDGE_TIMEOUT_S)
    until_ns = stamp_to_ns(first.header.stamp) + _JUDGE_SIM_NS
    status = lab.wait_task_status(
        lambda s: s.success or stamp_to_ns(s.header.stamp) > until_ns, _JUDGE_TIMEOUT_S
    )
    after = lab.executor_state
    # another instruction than the scene's own has no ground truth to be judged by
    judged = instruction == scene.instruction
    success = bool(status.success) if judged else result.finished
    reason = status.reason if judged and result.finished else result.reason
    reason = "placed" if success else reason
    num_frames = 0
    if episode:
        stopped = lab.stop_episode("success" if success else "failure", reason)
        report = check_episode(Path(stopped.path))
        for problem in report.problems:
            tell(f"  the episode has a problem: {problem}")
        episode, num_frames = stopped.path, report.num_pairs
    return EpisodeRecord(
        seed=seed,
        task=options.task,
        instruction=instruction,
        success=success,
        reason=reason,
        steps=result.num_steps,
        robot_time_s=round(result.duration_s, 3),
        wall_time_s=round(wall_time_s, 3),
        placement_error_mm=round(status.placement_error * 1e3, 1) if judged else None,
        faults=after.num_faults - num_faults,
        safety_events=after.num_safety_events - num_events,
        frames=num_frames,
        episode=episode,
    )


def _new_folder(output: Path) -> Path:
    """A fresh run folder; ``latest`` points to it from now on."""
    output.mkdir(parents=True, exist_ok=True)
    folder = output / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    folder.mkdir()
    latest = output / "latest"
    fresh = output / ".latest"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.replace(latest)
    return folder.resolve()
