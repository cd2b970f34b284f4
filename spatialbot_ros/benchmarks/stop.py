"""From a request to stop to zero commanded velocity, in robot time, on the simulated FR3."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import ConfigurationError, SimulationError
from spatialbot_ros.benchmarks.arm_rig import ArmRig
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.configuration import load_safety_limits
from spatialbot_ros.fr3_limits import JOINT_ACCELERATION_RAD_S2
from spatialbot_ros.limit_checker import check_limits
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_ros.safety_records import ActionRequest
from spatialbot_sim.tick_log import TickLog, read_tick_log

_STILL_RAD_S = 2e-4
_JOINT_VELOCITY = 2
_LOW_M, _HIGH_M = np.array([0.35, -0.3, 0.03]), np.array([0.65, 0.3, 0.35])


def run(
    stops: int = 100,
    seed: int = 0,
    speed_factor: float = 1.0,
    max_stop_s: float = 0.0,
    address: str = "127.0.0.74",
) -> BenchmarkResult:
    """Stop the arm again and again while it runs to random places.

    Args:
        stops: how often.
        seed: of places and moments.
        speed_factor: share of the shipped speeds and of the length of the actions.
        max_stop_s: other than the shipped limit; 0 = shipped.
        address: loopback address for the simulated robot.

    Raises:
        ConfigurationError: no stops asked for.
    """
    if stops < 1:
        raise ConfigurationError(f"stops is {stops}, expected at least 1")
    limits = load_safety_limits().scaled(speed_factor)
    if max_stop_s:
        limits = replace(limits, max_stop_s=max_stop_s)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ticks.bin"
        with ArmRig(address, path, limits, paced=True) as rig:
            walls_s = _stop_often(rig, stops, np.random.default_rng(seed), 0.03 * speed_factor)
            cell = rig.cell
        log = read_tick_log(path)
    report = check_limits(log, cell.workspace_min_m, cell.workspace_max_m)
    moving = [found for wall_s in walls_s if (found := _measure(log, wall_s)) is not None]
    if not moving:
        raise SimulationError("the arm never moved when it was stopped")
    table = np.array(moving)
    took_ms, least_ms, speed_m_s, settled_ms = table.T
    p99_ms = float(np.percentile(took_ms, 99))
    figures = {
        "stops": float(stops),
        "stops_while_moving": float(len(table)),
        "stop_median_ms": float(np.median(took_ms)),
        "stop_p99_ms": p99_ms,
        "stop_max_ms": float(np.max(took_ms)),
        "before_slowing_median_ms": float(np.median(settled_ms)),
        "before_slowing_p99_ms": float(np.percentile(settled_ms, 99)),
        "least_possible_median_ms": float(np.median(least_ms)),
        "least_possible_p99_ms": float(np.percentile(least_ms, 99)),
        "speed_median_m_s": float(np.median(speed_m_s)),
        "speed_max_m_s": float(np.max(speed_m_s)),
        "limit_violations": float(report.num_violations),
        "joint_acceleration_peak_share": report.peaks["joint_acceleration"],
        "joint_jerk_peak_share": report.peaks["joint_jerk"],
    }
    return BenchmarkResult(
        name="stop",
        figures=figures,
        baseline="the least time that the FR3's joint acceleration limit allows (p99)",
        ratio=round(figures["least_possible_p99_ms"] / p99_ms, 3),
        n=len(table),
    )


def _stop_often(rig: ArmRig, stops: int, rng: np.random.Generator, step_m: float) -> list[float]:
    """Wall times of the requests."""
    goal_m = rig.cell.home_tcp_m
    walls_s: list[float] = []
    sequence = 0
    for _ in range(stops):
        for k in range(int(rng.integers(4, 8))):
            here_m = rig.executor.T_base_target[:3, 3]
            if np.linalg.norm(goal_m - here_m) < 0.1 or k == 0:
                goal_m = rng.uniform(_LOW_M, _HIGH_M)
            way_m = goal_m - here_m
            way_m = way_m / np.linalg.norm(way_m) * step_m
            sequence += 1
            action = DeltaAction.from_values(way_m, (0.0, 0.0, 0.0), False, rig.spec)
            rig.owner.submit(ActionRequest.from_action(action, sequence, rig.now_ns()))
            rig.pass_time(0.1)
        time.sleep(float(rng.uniform(0.0, 0.02)))
        walls_s.append(time.monotonic())
        rig.owner.ask(Wish.STOP, 10.0)
        rig.pass_time(0.3)
        rig.owner.ask(Wish.RESUME, 10.0)
    return walls_s


def _measure(log: TickLog, wall_s: float) -> tuple[float, float, float, float] | None:
    """Time to zero, least possible time, speed, time until it slows down for good."""
    first = int(np.searchsorted(log.wall_s, wall_s))
    rows = slice(first, first + 400)
    speed: NDArray[np.float64] = np.max(np.abs(log.dq_commanded_rad_s[rows]), axis=1)
    speed = np.where(log.motion[rows] == _JOINT_VELOCITY, speed, 0.0)
    if len(speed) < 300 or speed[0] < 0.01:
        return None
    took = int(np.argmax(speed <= _STILL_RAD_S))
    fastest_rad_s = float(np.max(np.abs(log.dq_commanded_rad_s[first])))
    slowing = np.diff(speed[: took + 1]) < 0.0
    rising = np.flatnonzero(~slowing)
    settled = int(rising[-1]) + 1 if len(rising) else 0
    return (
        float(took),
        fastest_rad_s / JOINT_ACCELERATION_RAD_S2 * 1e3,
        float(np.linalg.norm(log.twist_commanded[first, :3])),
        float(settled),
    )
