"""Executes recorded episodes again in simulation, through ROS and franky."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.demo.stack import Stack
from spatialbot_ros.episodes.replay import (
    PathDifference,
    RecordedMotion,
    path_difference,
    recorded_motion,
)
from spatialbot_ros.nodes.action_replay import ActionReplay
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.lab_client import LabClient

_READY_TIMEOUT_S = 90.0
_JUDGE_TIMEOUT_S = 60.0
_JUDGE_SIM_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Reexecution:
    """How one episode went the second time.

    Attributes:
        episode: folder name.
        recorded_label: what the recording says of the first time.
        success: what the simulation's judge says now.
        difference: between the recorded path of the tool centre point and the new one.
    """

    episode: str
    task: str
    seed: int
    num_actions: int
    recorded_label: str
    success: bool
    reason: str
    difference: PathDifference

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def reexecute(
    folders: Sequence[Path],
    log_file: Path,
    address: str,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Reexecution]:
    """Lay each episode's scene and do its actions again, all in one stack.

    Raises:
        RecordingError: an episode is not from simulation, or cannot be read.
        ActionSpecMismatchError: its actions mean something else on this robot.
        SpatialBotError: the stack cannot be started or does not answer.
    """
    motions = []
    for folder in folders:
        motion = recorded_motion(folder)
        if motion.metadata.seed is None:
            raise RecordingError(
                f"{folder} has no seed, so its scene cannot be laid; only episodes from simulation"
                " can be executed again here"
            )
        load_action_spec().check_compatible(motion.spec)
        motions.append((folder, motion))
    arguments = {"simulation": "true", "robot_ip": address, "record": "false"}
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with Stack(arguments, log_file) as stack, LabClient(stack.check) as lab:
        lab.wait_ready(_READY_TIMEOUT_S, False, lambda part: tell(f"{part} is ready"))
        with ActionReplay(stack.check) as replay:
            for folder, motion in motions:
                yield _again(folder, motion, lab, replay)


def _again(
    folder: Path, motion: RecordedMotion, lab: LabClient, replay: ActionReplay
) -> Reexecution:
    metadata = motion.metadata
    assert metadata.seed is not None
    lab.home()
    lab.reset(metadata.task, metadata.seed)
    path_m = replay.run(motion.actions, motion.spec.rate_hz)
    first = lab.wait_task_status(lambda _: True, _JUDGE_TIMEOUT_S)
    until_ns = stamp_to_ns(first.header.stamp) + _JUDGE_SIM_NS
    status = lab.wait_task_status(
        lambda s: s.success or stamp_to_ns(s.header.stamp) > until_ns, _JUDGE_TIMEOUT_S
    )
    return Reexecution(
        episode=folder.name,
        task=metadata.task,
        seed=metadata.seed,
        num_actions=len(motion.actions),
        recorded_label=metadata.label,
        success=bool(status.success),
        reason="placed" if status.success else str(status.reason),
        difference=path_difference(motion.tcp_m, path_m),
    )
