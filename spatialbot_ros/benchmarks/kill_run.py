"""One node killed during pick and place, and what became of the arm, the episode and the work."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.errors import SimulationError, SpatialBotError
from spatialbot_ros.benchmarks.kill_stack import SIMULATION, KillStack
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.repair import repair_episode
from spatialbot_ros.nodes.lab_client import ExecutionResult, LabClient
from spatialbot_sim.tick_log import TickLog

TASK = "pick_place"
HOLDS = ("camera", "executor", "vla")
"""Without these nodes the arm cannot go on; the others only look on."""

_READY_S, _END_S, _LOOK_S = 120.0, 300.0, 60.0
_WATCHED_S = 1.5
_STILL_RAD_S = 0.002
_STILL_TICKS = 250
_POLL_S = 0.02
_QUICK_STEPS = 12
_MS = 1e3


@dataclass(slots=True)
class KillAccount:
    """What one kill did; times are robot time.

    Attributes:
        moving: the arm was on its way when the node died.
        held: it came to rest and stayed there.
        rest_ms: from the kill to zero commanded and measured joint speed; 0 where nothing holds.
        coasted_mm: the tool's way until then.
        moved_mm: its greatest distance from there until somebody asked for the next motion.
        relaunch: who started the node again.
        relaunch_s: wall time until the suite was ready again.
        repaired: what the repair of the episode said; empty when it was closed as always.
        problems: what the check says about the episode.
        recovered_messages: in the episode.
        instruction: how the interrupted one ended.
        next_instruction: how the next one ended.
        next_ok: it did what was asked, and its episode passes the check.
    """

    name: str
    moving: bool = False
    held: bool = False
    rest_ms: float = 0.0
    coasted_mm: float = 0.0
    moved_mm: float = 0.0
    relaunch: str = ""
    relaunch_s: float = 0.0
    repaired: str = ""
    problems: tuple[str, ...] = ()
    recovered_messages: int = 0
    instruction: str = ""
    next_instruction: str = ""
    next_ok: bool = False
    others_ended: tuple[str, ...] = field(default_factory=tuple)


class _Instruction:
    """An instruction that runs in a thread of its own, with a client of its own."""

    def __init__(self, text: str, max_steps: int) -> None:
        self.num_steps = 0
        self.result: ExecutionResult | None = None
        self.reason = ""
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(text, max_steps))
        self._thread.start()

    def abandon(self) -> None:
        """Whoever executed it is dead and will not answer."""
        self._abandoned.set()
        self._thread.join()

    def wait(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self.abandon()

    def _run(self, text: str, max_steps: int) -> None:
        try:
            with LabClient(self._check) as lab:
                lab.wait_ready(_READY_S, recorder=False)
                self.result = lab.execute(text, _END_S, self._on_feedback, max_steps)
                self.reason = self.result.reason
        except SpatialBotError as error:
            self.reason = str(error)

    def _check(self) -> None:
        if self._abandoned.is_set():
            raise SimulationError("nobody answers any more")

    def _on_feedback(self, feedback: object) -> None:
        self.num_steps = int(getattr(feedback, "step", 0))


def kill_node(stack: KillStack, lab: LabClient, name: str, seed: int, quick: bool) -> KillAccount:
    """Kill a node of a ready stack during the scene of `seed`, and put all in order again.

    Args:
        quick: the next instruction is a few steps long; otherwise the whole task.

    Raises:
        SpatialBotError: the suite did not get so far as to be harmed, or is not ready again.
    """
    account = KillAccount(name)
    rng = np.random.default_rng(seed)
    kill_step = int(rng.integers(6, 20))
    lab.home()
    scene = lab.reset(TASK, seed)
    episode = lab.start_episode(TASK, scene.instruction, seed)
    work = _Instruction(scene.instruction, kill_step + 3 * _QUICK_STEPS if quick else 0)
    try:
        _wait(lambda: work.num_steps >= kill_step and _moves(stack.ticks()), _LOOK_S, work)
        killed_s = stack.kill(name)
        if name == SIMULATION:
            _wait(lambda: _state(lab) == "disconnected", _LOOK_S, work)
        else:
            _wait_ticks(stack, killed_s)
            _judge_motion(account, stack.ticks(), killed_s)
        _relaunch(stack, lab, account, work, episode)
    finally:
        if account.name in ("vla", SIMULATION):
            work.abandon()
        work.wait(_END_S)
    account.instruction = work.reason
    if name in ("executor", "vla"):
        _judge_rest(account, stack, killed_s)
    if name != SIMULATION:
        _close(lab, account, Path(episode))
    account.others_ended = tuple(n for n in stack.ended() if n != name)
    _next(lab, account, seed + 1000, quick)
    return account


def _relaunch(
    stack: KillStack, lab: LabClient, account: KillAccount, work: _Instruction, episode: str
) -> None:
    name = account.name
    begun_s = time.monotonic()
    if name == SIMULATION:
        # ROS time went with it: the launch ends all nodes, and is started again
        account.relaunch = "all, by hand"
        work.abandon()
        _close(lab, account, Path(episode))
        stack.end_all()
        lab.executor_state = lab.task_status = None
        stack.start_all()
    elif stack.is_supervised(name):
        account.relaunch = "supervisor"
        stack.let_respawn(name)
    else:
        account.relaunch = "by hand"
        if name == "vla":
            work.abandon()
        lab.executor_state = lab.task_status = None
        stack.start(name)
    lab.wait_ready(_READY_S, recorder=True)
    account.relaunch_s = time.monotonic() - begun_s


def _close(lab: LabClient, account: KillAccount, episode: Path) -> None:
    """The episode as a person finds it afterwards."""
    if account.name == "recorder":
        repaired = repair_episode(episode)
        account.repaired = repaired.what
    else:
        lab.stop_episode("failure", f"{account.name} was killed")
    report = check_episode(episode)
    account.problems = report.problems
    account.recovered_messages = sum(report.counts.values())


def _next(lab: LabClient, account: KillAccount, seed: int, quick: bool) -> None:
    """Work goes on: another scene, recorded and judged."""
    lab.home()
    scene = lab.reset(TASK, seed)
    episode = Path(lab.start_episode(TASK, scene.instruction, seed))
    result = lab.execute(scene.instruction, _END_S, max_steps=_QUICK_STEPS if quick else 0)
    account.next_instruction = result.reason
    if quick:
        done = result.num_steps == _QUICK_STEPS
    else:
        done = bool(lab.wait_task_status(lambda status: status.success, _LOOK_S).success)
        account.next_instruction = "placed" if done else result.reason
    lab.stop_episode("success" if done else "failure", result.reason)
    account.next_ok = done and check_episode(episode).ok


def _judge_motion(account: KillAccount, ticks: TickLog, killed_s: float) -> None:
    """How the arm came to rest after the kill, and that it stayed there in the watched time."""
    first = int(np.searchsorted(ticks.wall_s, killed_s))
    account.moving = bool(_speeds(ticks, slice(max(first - 20, 0), first + 1)).max() > _STILL_RAD_S)
    still = _speeds(ticks, slice(first, None)) < _STILL_RAD_S
    stretches = np.convolve(still, np.ones(_STILL_TICKS), "valid") >= _STILL_TICKS
    if account.name not in HOLDS or not stretches.any():
        return
    rest = first + int(np.argmax(stretches))
    account.rest_ms = float(rest - first)
    account.held = True
    account.coasted_mm = _MS * float(np.linalg.norm(ticks.tool_m[rest] - ticks.tool_m[first]))
    end = min(len(ticks), first + round(_WATCHED_S * _MS))
    account.moved_mm = _farthest_mm(ticks, rest, end)


def _judge_rest(account: KillAccount, stack: KillStack, killed_s: float) -> None:
    """Nothing has moved since, although the node is there again."""
    ticks = stack.ticks()
    rest = int(np.searchsorted(ticks.wall_s, killed_s)) + round(account.rest_ms)
    account.moved_mm = _farthest_mm(ticks, rest, len(ticks))


def _farthest_mm(ticks: TickLog, first: int, end: int) -> float:
    away_m = np.linalg.norm(ticks.tool_m[first:end] - ticks.tool_m[first], axis=1)
    return _MS * float(away_m.max(initial=0.0))


def _speeds(ticks: TickLog, rows: slice) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    both = np.maximum(np.abs(ticks.dq_rad_s[rows]), np.abs(ticks.dq_commanded_rad_s[rows]))
    return np.asarray(both.max(axis=1, initial=0.0))


def _moves(ticks: TickLog) -> bool:
    """In the newest part of the log the tool is clearly on its way."""
    last_m = ticks.tool_m[-100:]
    return len(last_m) == 100 and float(np.linalg.norm(last_m[-1] - last_m[0])) > 0.003


def _wait_ticks(stack: KillStack, killed_s: float) -> None:
    """Until the arm was watched for long enough after the kill."""

    def watched() -> bool:
        wall_s = stack.ticks().wall_s
        return int((wall_s >= killed_s).sum()) >= round(_WATCHED_S * _MS)

    _wait(watched, _LOOK_S, None)


def _state(lab: LabClient) -> str:
    state = lab.executor_state
    return "" if state is None else str(state.state)


def _wait(condition: Callable[[], bool], timeout_s: float, work: _Instruction | None) -> None:
    ends_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends_s or (work is not None and work.reason):
            told = work.reason if work is not None else ""
            raise SimulationError(f"waited {timeout_s:g} s for the arm in vain. {told}")
        time.sleep(_POLL_S)
