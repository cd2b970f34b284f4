"""Trials through ROS, librealsense and franky: the whole suite on the scenes of an evaluation."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spatialbot_model.contracts.trial import Trial
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.demo.stack import Stack
from spatialbot_ros.demo.trial_record import trial_record
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.lab_client import LabClient
from spatialbot_ros.nodes.trial_listener import TrialListener
from spatialbot_sim.evaluate import TrialJob
from spatialbot_sim.judge import COLLISION
from spatialbot_sim.tasks import Scene, sample_scene

_READY_TIMEOUT_S = 120.0
_JUDGE_TIMEOUT_S = 60.0
_SETTLE_NS = 3_000_000_000


@dataclass(frozen=True, slots=True)
class RosEvaluation:
    """How trials run through ROS.

    Attributes:
        max_steps: control steps before time is up.
        timeout_s: wall seconds for one instruction.
        log_file: of the stack.
        launch_arguments: further arguments of the stack by name.
    """

    policy: str
    checkpoint: str
    max_steps: int
    address: str
    log_file: Path
    timeout_s: float = 900.0
    launch_arguments: Mapping[str, str] = field(default_factory=dict)


def run_ros_trials(
    jobs: Sequence[TrialJob], options: RosEvaluation, tell: Callable[[str], None]
) -> Iterator[Trial]:
    """Run all trials in one stack, one after the other.

    Raises:
        SpatialBotError: the stack cannot be started or does not answer.
    """
    if not jobs:
        return
    arguments = {
        "simulation": "true",
        "robot_ip": options.address,
        "policy": options.policy,
        "checkpoint": options.checkpoint,
        "task": jobs[0].task,
        "seed": str(jobs[0].seed),
        "record": "false",
        **options.launch_arguments,
    }
    options.log_file.parent.mkdir(parents=True, exist_ok=True)
    tell(f"starting the stack; its log is {options.log_file}")
    with (
        Stack(arguments, options.log_file) as stack,
        LabClient(stack.check) as lab,
        TrialListener() as listener,
    ):
        lab.wait_ready(_READY_TIMEOUT_S, False, lambda part: tell(f"{part} is ready"))
        for job in jobs:
            yield _run(sample_scene(job.task, job.seed), options, lab, listener)


def _run(scene: Scene, options: RosEvaluation, lab: LabClient, listener: TrialListener) -> Trial:
    started_s = time.monotonic()
    lab.home()
    lab.reset(scene.task, scene.seed)
    before = lab.executor_state
    num_faults, num_events = before.num_faults, before.num_safety_events
    # the judge's word about the scene before may still be on its way
    lab.wait_task_status(lambda s: s.seed == scene.seed and s.task == scene.task, _JUDGE_TIMEOUT_S)
    listener.begin(scene.task, scene.seed)
    result = lab.execute(scene.instruction, options.timeout_s, max_steps=options.max_steps)
    first = lab.wait_task_status(lambda _: True, _JUDGE_TIMEOUT_S)
    until_ns = stamp_to_ns(first.header.stamp) + _SETTLE_NS
    status = lab.wait_task_status(
        lambda s: (
            s.success or s.reason.startswith(COLLISION) or stamp_to_ns(s.header.stamp) > until_ns
        ),
        _JUDGE_TIMEOUT_S,
    )
    trace = listener.end(stamp_to_ns(status.header.stamp), _JUDGE_TIMEOUT_S)
    after = lab.executor_state
    return trial_record(
        scene,
        trace,
        result,
        load_action_spec().rate_hz,
        faults=after.num_faults - num_faults,
        safety_events=after.num_safety_events - num_events,
        wall_s=time.monotonic() - started_s,
    )
