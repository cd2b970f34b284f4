"""Streams of demo actions to a strict FR3, which aborts what breaks the FCI's rules.

A second opinion on what the executor commands: franka-sim judges every millisecond's command as
the real FCI does and answers with its errors. It runs in a venv of its own (`make strict`).
"""

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import ConfigurationError, SimulationError
from spatialbot_ros.benchmarks.arm_rig import ArmRig
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.executor_types import State
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord, Severity
from spatialbot_sim.arm_only import write_arm_only_mjcf
from spatialbot_sim.expert_actions import expert_episodes

_ROOT = Path(__file__).resolve().parents[2]
_STREAM_S = 3.0
_REST_S = 0.6


@dataclass(slots=True)
class _Account:
    """What became of the streams, and of the ways home before them."""

    accepted: list[bool] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    refused_actions: int = 0
    num_actions: int = 0
    num_homings: int = 0
    failed_homings: int = 0
    success_rates: list[float] = field(default_factory=list)
    errors_m: list[float] = field(default_factory=list)
    way_m: float = 0.0


def run(
    streams: int = 50,
    seed: int = 0,
    task: str = "pick_place",
    address: str = "127.0.0.77",
    python: str = ".strict-venv/bin/python",
    output: str = "out/strict",
) -> BenchmarkResult:
    """Send the scripted expert's actions in streams of 3 s, each followed by a pause.

    The ratio is the share of streams that the strict robot took without an error.

    Args:
        streams: how many, one after the other.
        seed: of the first scene.
        task: whose actions.
        address: loopback address for the robot.
        python: interpreter of the venv that franka-sim is in.
        output: folder for the robot's model and log.

    Raises:
        ConfigurationError: nothing to do, or franka-sim is not set up.
    """
    if streams < 1:
        raise ConfigurationError(f"streams is {streams}, expected at least 1")
    interpreter, server = _ROOT / python, _ROOT / "tools" / "strict_server.py"
    if not interpreter.exists() or not server.exists():
        raise ConfigurationError(
            f"{interpreter} or {server} is missing: run `make strict` in a source tree"
        )
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "arm.xml"
    write_arm_only_mjcf(model)
    command = [str(interpreter), str(server), address, str(model)]
    account, begun_s = _Account(), time.monotonic()
    with ArmRig(address, command, log=folder / "server.log") as rig:
        # the model of the dynamics is another one: the first seconds would measure its start
        rig.pass_time(1.0)
        episodes = expert_episodes(rig.cell, rig.spec, task, seed)
        while len(account.accepted) < streams:
            _send_episode(rig, account, next(episodes), streams)
        robot_s = rig.time_s
    return BenchmarkResult(
        name="strict",
        figures=_figures(account, robot_s, time.monotonic() - begun_s),
        baseline="all streams taken without an error",
        ratio=round(sum(account.accepted) / streams, 3),
        n=streams,
    )


def _send_episode(rig: ArmRig, account: _Account, actions: list[DeltaAction], streams: int) -> None:
    length = round(_STREAM_S * rig.spec.rate_hz)
    account.num_homings += 1
    if not rig.owner.ask(Wish.HOME, 60.0).success:
        account.failed_homings += 1
        _recover(rig, account, rig.records)
        return
    for first in range(0, len(actions) - length + 1, length):
        if len(account.accepted) == streams:
            return
        seen = len(rig.records)
        _stream(rig, account, list(islice(actions, first, first + length)))
        new = rig.records[seen:]
        account.refused_actions += sum(r.severity is Severity.REFUSED for r in new)
        account.accepted.append(_recover(rig, account, new))
        if not account.accepted[-1]:
            return


def _stream(rig: ArmRig, account: _Account, actions: list[DeltaAction]) -> None:
    for action in actions:
        number = rig.executor.last_sequence + 1
        rig.owner.submit(ActionRequest.from_action(action, number, rig.now_ns()))
        before_m = _tool_m(rig)
        rig.pass_time(1.0 / rig.spec.rate_hz)
        account.num_actions += 1
        account.way_m += float(np.linalg.norm(_tool_m(rig) - before_m))
        measured = rig.executor.measured
        if measured is not None and measured.control_success_rate:
            account.success_rates.append(measured.control_success_rate)
    rig.pass_time(_REST_S)
    if rig.executor.state is State.HOLD:
        target_m = rig.executor.T_base_target[:3, 3]
        account.errors_m.append(float(np.linalg.norm(target_m - _tool_m(rig))))


def _recover(rig: ArmRig, account: _Account, records: list[SafetyRecord]) -> bool:
    """Whether the robot took it all; after an error it is made ready for the next."""
    wrong = [r for r in records if r.severity is Severity.FAULT or r.name == "motion_interrupted"]
    account.errors.update(f"{r.name}: {r.detail}" for r in wrong)
    if rig.losses:
        raise SimulationError(f"the strict robot is gone: {rig.losses[-1]}")
    if rig.executor.state is State.FAULT:
        rig.owner.ask(Wish.RECOVER, 20.0)
    if rig.executor.state is State.STOPPED:
        rig.owner.ask(Wish.RESUME, 10.0)
    return not wrong


def _tool_m(rig: ArmRig) -> np.ndarray:
    measured = rig.executor.measured
    assert measured is not None
    return measured.T_base_ee[:3, 3]


def _figures(account: _Account, robot_s: float, wall_s: float) -> dict[str, float]:
    rates = np.array(account.success_rates or [0.0])
    figures = {
        "streams": float(len(account.accepted)),
        "accepted": float(sum(account.accepted)),
        "errors": float(sum(account.errors.values())),
        "actions": float(account.num_actions),
        "refused_actions": float(account.refused_actions),
        "homings": float(account.num_homings),
        "failed_homings": float(account.failed_homings),
        "way_m": round(account.way_m, 2),
        "error_at_rest_max_mm": round(1e3 * max(account.errors_m, default=0.0), 2),
        "control_success_rate_mean": round(float(np.mean(rates)), 4),
        "control_success_rate_min": round(float(np.min(rates)), 4),
        "robot_s": round(robot_s, 1),
        "wall_s": round(wall_s, 1),
        "load_1_min": round(os.getloadavg()[0], 2),
        "realtime_priority": float(os.sched_getparam(0).sched_priority),
    }
    return figures | {f"error {text}": float(n) for text, n in sorted(account.errors.items())}
