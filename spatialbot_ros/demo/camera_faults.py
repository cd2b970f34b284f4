"""Camera faults during pick and place: detected, the arm holds, the stream and the work go on.

Each fault is injected into the simulated sensor while the arm is on its way; everything from
librealsense to franky is the suite as it runs. Figures are in simulation time, which is the
robot's.
"""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.errors import SpatialBotError, StaleDataError
from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.demo.stack import Stack
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.fault_trace import FaultFigures, judge, summarise
from spatialbot_ros.nodes.camera_fault_client import CameraFaultClient
from spatialbot_ros.nodes.lab_client import ExecutionResult, LabClient
from spatialbot_sim.camera_faults import FAULTS, RECALIBRATED, InjectedFault, draw_faults

TASK = "pick_place"
BASELINE = "one period of the sensor, 66.7 ms: before the next frame nothing can be known"
_PERIOD_MS = 1e3 / 15.0
_READY_TIMEOUT_S = 120.0
_INSTRUCTION_TIMEOUT_S = 900.0
_FAULT_TIMEOUT_S = 180.0
_POLL_S = 0.02
_PAUSE_S = 1.0
_FIRST_S = 2.0


def run(
    repeats: int = 3,
    seed: int = 0,
    speed: float = 1.0,
    address: str = "127.0.0.80",
    output: str = "",
) -> BenchmarkResult:
    """Inject every fault `repeats` times, in an order that `seed` decides, over many scenes.

    Args:
        speed: simulated seconds per wall second, at most; less on a busy machine.
        output: a folder that keeps episodes, log and ``camera_faults.json``; empty for none.

    Raises:
        SpatialBotError: a process of the stack ended, or a fault was never told or never ended.
    """
    faults = draw_faults(seed, repeats)
    with ExitStack() as open_things:
        folder = Path(output or open_things.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        arguments = {
            "simulation": "true",
            "robot_ip": address,
            "task": TASK,
            "speed": str(speed),
            "record": "true",
            "record_directory": str(folder / "episodes"),
        }
        stack = open_things.enter_context(Stack(arguments, folder / "stack.log"))
        lab = open_things.enter_context(LabClient(stack.check))
        client = open_things.enter_context(CameraFaultClient())
        lab.wait_ready(_READY_TIMEOUT_S, recorder=True)
        waiting = iter(faults)
        figures: list[FaultFigures] = []
        endings: list[str] = []
        problems: list[str] = []
        scene = seed
        while len(figures) < len(faults):
            ending, told, problem = _run_scene(lab, client, waiting, scene, stack.check)
            scene += 1
            figures += told
            endings.append(ending)
            problems += problem
        table = summarise(figures)
        result = {"seed": seed, "faults": table, "scenes": endings, "problems": problems}
        (folder / "camera_faults.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    detection_ms = float(np.median([f.detection_s for f in figures])) * 1e3
    totals = {
        "scenes": float(len(endings)),
        "scenes_finished": float(sum(e == "finished" for e in endings)),
        "blind_actions": float(sum(f.blind_actions for f in figures)),
        "moved_max_mm": round(max(f.moved_m for f in figures) * 1e3, 2),
        "episode_problems": float(len(problems)),
    }
    by_name = {f"{name}_{key}": v for name, row in table.items() for key, v in row.items()}
    return BenchmarkResult(
        name="camera_faults",
        figures={**totals, **by_name},
        baseline=BASELINE,
        ratio=round(_PERIOD_MS / max(detection_ms, 1e-3), 3),
        n=len(figures),
    )


def _run_scene(
    lab: LabClient,
    client: CameraFaultClient,
    faults: Iterator[InjectedFault],
    seed: int,
    check: Callable[[], None],
) -> tuple[str, list[FaultFigures], list[str]]:
    """One instruction with as many faults as it has room for."""
    lab.home()
    instruction = lab.reset(TASK, seed).instruction
    lab.start_episode(TASK, instruction, seed)
    results: list[ExecutionResult] = []
    running = threading.Thread(
        target=lambda: results.append(lab.execute(instruction, _INSTRUCTION_TIMEOUT_S)),
        name="instruction",
    )
    running.start()
    figures: list[FaultFigures] = []
    try:
        pause_s = _FIRST_S
        while _wait_moving(client, running, pause_s, check):
            fault = next(faults, None)
            if fault is None:
                break
            figures.append(_inject(client, fault, check))
            pause_s = 0.0
            if fault.name == RECALIBRATED:
                break
    finally:
        running.join()
    if not results:
        raise SpatialBotError("the instruction was not answered; see the stack's log")
    stopped = lab.stop_episode("unknown", results[0].reason)
    report = check_episode(Path(stopped.path))
    return results[0].reason, figures, [f"{stopped.path}: {p}" for p in report.problems]


def _wait_moving(
    client: CameraFaultClient,
    running: threading.Thread,
    pause_s: float,
    check: Callable[[], None],
) -> bool:
    """Until the arm has followed actions for `pause_s`; False when the instruction has ended."""
    since_s: float | None = None
    while running.is_alive():
        check()
        if client.state != "running":
            since_s = None
        elif since_s is None:
            since_s = client.state_s
        elif client.state_s - since_s >= pause_s:
            return True
        time.sleep(_POLL_S)
    return False


def _inject(
    client: CameraFaultClient, fault: InjectedFault, check: Callable[[], None]
) -> FaultFigures:
    trace = client.inject(fault.name, fault.duration_s)
    _wait(lambda: trace.is_over, f"the end of {fault.name}", check)
    resumed_by_s = client.state_s + _PAUSE_S
    _wait(lambda: client.state_s > resumed_by_s, "the pause after a fault", check)
    figures = judge(trace)
    if figures is None:
        raise SpatialBotError(f"the camera never told of {fault.name}: {FAULTS[fault.name]}")
    return figures


def _wait(condition: Callable[[], bool], what: str, check: Callable[[], None]) -> None:
    deadline_s = time.monotonic() + _FAULT_TIMEOUT_S
    while not condition():
        check()
        if time.monotonic() > deadline_s:
            raise StaleDataError(f"waited {_FAULT_TIMEOUT_S:.0f} s for {what}")
        time.sleep(_POLL_S)
