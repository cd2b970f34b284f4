"""Camera faults during pick and place: detected, the arm holds, the stream and the work go on.

Everything runs in this process on simulated time, one command period of 20 ms after the other, so
that the figures are the robot's time and the same on every machine: the lab's physics, sensors and
fault injector, the camera's watch, the policy, the executor with its safety envelope, and an arm
that follows its twists. What is left out is the transport (ROS, librealsense, libfranka).
"""

from collections.abc import Mapping

import numpy as np

from spatialbot_ros.benchmarks.result import BenchmarkResult
from spatialbot_ros.demo.lockstep import LockstepLab
from spatialbot_ros.fault_trace import FaultFigures, judge, summarise
from spatialbot_sim.camera_faults import InjectedFault, draw_faults

TASK = "pick_place"
BASELINE = "the fault's own duration, for which an arm would go on that nobody holds"
_FIRST_S = 1.5
_PAUSE_S = 1.2
_SCENE_S = 60.0
_STEP_S = 0.02


def run(repeats: int = 3, seed: int = 0, faults_per_scene: int = 4) -> BenchmarkResult:
    """Inject every fault `repeats` times, in an order that `seed` decides, over many scenes."""
    waiting = list(draw_faults(seed, repeats))
    figures: list[FaultFigures] = []
    ends: list[str] = []
    num_injected = 0
    lab = LockstepLab()
    try:
        while waiting:
            now, waiting = waiting[:faults_per_scene], waiting[faults_per_scene:]
            num_left, of_scene = _run_scene(lab, seed + len(ends), now)
            # those that the instruction ended before go to the next scene
            waiting = now[len(now) - num_left :] + waiting
            num_injected += len(now) - num_left
            figures += of_scene
            ends.append(lab.ending)
    finally:
        lab.close()
    table = summarise(figures)
    rest_s = float(np.median([f.rest_s for f in figures]))
    duration_s = float(np.median([f.duration_s for f in figures]))
    return BenchmarkResult(
        name="camera_faults",
        figures={
            "scenes": float(len(ends)),
            "placed": float(ends.count("placed")),
            "ended_by_recalibration": float(sum("calibration" in end for end in ends)),
            "rest_median_ms": round(rest_s * 1e3, 1),
            "duration_median_ms": round(duration_s * 1e3, 1),
            "injected": float(num_injected),
            "detected": float(len(figures)),
            "blind_actions": float(sum(f.blind_actions for f in figures)),
            "moved_max_mm": round(max(f.moved_m for f in figures) * 1e3, 2),
            **_by_name(table),
        },
        baseline=BASELINE,
        ratio=round(duration_s / max(rest_s, _STEP_S), 3),
        n=num_injected,
    )


def _run_scene(
    lab: LockstepLab, seed: int, faults: list[InjectedFault]
) -> tuple[int, list[FaultFigures]]:
    """One instruction; answers how many faults found no room in it, and figures of the others."""
    lab.begin(TASK, seed)
    waiting, figures = list(faults), []
    next_s = lab.time_s + _FIRST_S
    end_s = lab.time_s + _SCENE_S
    trace = None
    while not lab.ending and lab.time_s < end_s:
        if waiting and lab.time_s >= next_s and lab.is_moving:
            fault = waiting.pop(0)
            trace = lab.inject(fault)
            next_s = lab.time_s + fault.duration_s + 2.0 * _PAUSE_S
        lab.advance(_STEP_S)
        if trace is not None and trace.is_over and lab.time_s >= next_s - _STEP_S:
            figures += [told] if (told := judge(trace)) is not None else []
            trace = None
    if trace is not None:
        # the instruction ended by the fault or right after it; the stream goes on
        stop_s = lab.time_s + 4.0
        while not trace.is_over and lab.time_s < stop_s:
            lab.advance(_STEP_S)
        figures += [told] if (told := judge(trace)) is not None else []
    return len(waiting), figures


def _by_name(table: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {f"{name}_{key}": value for name, row in table.items() for key, value in row.items()}
