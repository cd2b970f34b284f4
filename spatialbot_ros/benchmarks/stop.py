"""From a request to stop to zero commanded velocity, in robot time, on the simulated FR3."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    SimulationError,
    UnknownNameError,
)
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.benchmarks.stop_rigs import StopRig, node_rig, owner_rig
from spatialbot_ros.configuration import (
    load_action_spec,
    load_cell,
    load_safety_limits,
    load_yaml,
)
from spatialbot_ros.fr3_limits import JOINT_ACCELERATION_RAD_S2
from spatialbot_ros.limit_checker import check_limits
from spatialbot_sim.tick_log import TickLog, read_tick_log

_STILL_RAD_S = 2e-4
_JOINT_VELOCITY = 2
_WAYS = ("owner", "service", "topic")
_LOW_M, _HIGH_M = np.array([0.35, -0.3, 0.03]), np.array([0.65, 0.3, 0.35])


def run(
    stops: int = 100,
    seed: int = 0,
    speed_factor: float = 1.0,
    max_stop_s: float = 0.0,
    over: str = "owner",
    address: str = "127.0.0.74",
) -> BenchmarkResult:
    """Stop the arm again and again while it runs to random places.

    Args:
        stops: how often.
        seed: of places and moments.
        speed_factor: share of the shipped speeds and of the length of the actions.
        max_stop_s: other than the shipped limit; 0 = shipped.
        over: how it is asked for. ``owner``: another thread of the executor's process asks;
            ``service``, ``topic``: another process asks the executor node over ROS.
        address: loopback address for the simulated robot.

    Raises:
        ConfigurationError: no stops asked for.
        UnknownNameError: there is no such way to ask.
    """
    if stops < 1:
        raise ConfigurationError(f"stops is {stops}, expected at least 1")
    if over not in _WAYS:
        raise UnknownNameError("over", over, _WAYS)
    cell = load_cell()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ticks.bin"
        with _rig(over, address, path, speed_factor, max_stop_s) as rig:
            walls_s = _stop_often(rig, stops, np.random.default_rng(seed), 0.03 * speed_factor)
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


@contextlib.contextmanager
def _rig(
    over: str, address: str, log: Path, speed_factor: float, max_stop_s: float
) -> Iterator[StopRig]:
    limits = load_safety_limits()
    if max_stop_s:
        limits = replace(limits, max_stop_s=max_stop_s)
    if over == "owner":
        with owner_rig(address, log, limits.scaled(speed_factor)) as owner:
            yield owner
        return
    # the node reads its limits from a file
    data = load_yaml(find_resource("config/safety.yaml")) | {"max_stop_s": limits.max_stop_s}
    file = log.with_name("safety.yaml")
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    with node_rig(address, log, speed_factor, str(file), over == "topic") as node:
        yield node


def _stop_often(rig: StopRig, stops: int, rng: np.random.Generator, step_m: float) -> list[float]:
    """Wall times of the requests."""
    goal_m, spec = load_cell().home_tcp_m, load_action_spec()
    walls_s: list[float] = []
    for _ in range(stops):
        for k in range(int(rng.integers(4, 8))):
            here_m = rig.target_m
            if np.linalg.norm(goal_m - here_m) < 0.1 or k == 0:
                goal_m = rng.uniform(_LOW_M, _HIGH_M)
            way_m = goal_m - here_m
            way_m = way_m / np.linalg.norm(way_m) * step_m
            rig.act(DeltaAction.from_values(way_m, (0.0, 0.0, 0.0), False, spec))
            rig.pass_time(0.1)
        time.sleep(float(rng.uniform(0.0, 0.02)))
        walls_s.append(rig.stop())
        rig.pass_time(0.3)
        rig.resume()
    return walls_s


def _measure(log: TickLog, wall_s: float) -> tuple[float, ...] | None:
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
