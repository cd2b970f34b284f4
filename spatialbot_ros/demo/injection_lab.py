"""The lockstep lab with the arm's real owner, a watched policy and a recorder, all made to fail.

What runs is what the nodes run: `ArmOwner` with its thread and `Executor`, `CameraWatch`,
`PolicyWatch`, `EpisodeWriter` with its thread. The policy does not stop acting when the robot
is stopped: its actions have to be refused.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction, Finished, parse_action_text
from spatialbot_model.contracts.errors import ActionParseError
from spatialbot_model.contracts.frame_link import RawFrame
from spatialbot_model.contracts.types import Observation, PolicyStep, RgbdFrame
from spatialbot_model.policies.base import relocate
from spatialbot_ros.camera_faults import CameraFault
from spatialbot_ros.configuration import load_safety_limits
from spatialbot_ros.demo.faulty_answers import AnswerFaults
from spatialbot_ros.demo.faulty_arm import FaultyArm
from spatialbot_ros.demo.lockstep import LockstepLab
from spatialbot_ros.demo.simulated_wake import SimulatedWake
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.nodes.arm_owner import ArmOwner, OwnerConfig, Wish
from spatialbot_ros.nodes.episode_feed import EpisodeFeed
from spatialbot_ros.policy_watch import POLICY_SLOW, PolicyFault, PolicyWatch, WatchLimits
from spatialbot_ros.ports import ArmState
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord, Severity
from spatialbot_sim.judge import judge

_TIMESTEP_S = 0.001
_PERIOD_S = 0.02
_NS_PER_S = 1_000_000_000
_CLOSE_S = 20.0


@dataclass(slots=True)
class Heard:
    """What the lab has noticed since `InjectionLab.listen`; times in s.

    Attributes:
        events: (time, name) of safety events from everybody.
        followed: times at which the executor took an action and moved on.
        poses: (time, position (3,) [m]) of the tool, each command period.
        good_answers: times of answers that nobody had spoiled.
    """

    events: list[tuple[float, str]] = field(default_factory=list)
    followed: list[float] = field(default_factory=list)
    poses: list[tuple[float, NDArray[np.float64]]] = field(default_factory=list)
    good_answers: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pending:
    """An answer on its way."""

    due_s: float
    answer: PolicyStep | None
    seen: Observation
    is_good: bool


class InjectionLab(LockstepLab):
    """See the module docstring. `begin`, `attach`, then `advance`; `detach` at the end.

    Attributes:
        arm, answers: to be made to fail; the camera is through `inject`.
        heard: since the last `listen`.
        losses: why the owner lost the robot, each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard = Heard()
        self.losses: list[str] = []
        self.answers = AnswerFaults(np.random.default_rng(0))
        self._owner: ArmOwner | None = None
        self._feed: EpisodeFeed | None = None
        self._watched = PolicyWatch(WatchLimits())
        self._pending: _Pending | None = None
        self._camera_fault = ""
        self._stalled_until_s = 0.0

    def attach(self, rng: np.random.Generator, feed: EpisodeFeed) -> None:
        """After `begin`: the arm that can fail, its owner, and the recorder."""
        cell = self._cell
        self.arm = FaultyArm(
            cell.home_joints_rad, self._clock, self._width_m, self._drive.hand.command
        )
        limits, spec = load_safety_limits(), self._spec
        envelope = SafetyEnvelope(
            limits, cell.workspace_min_m, cell.workspace_max_m, spec, cell.table_top_z_m
        )
        # an arm in memory answers at once
        self._executor = Executor(ExecutorConfig(response_lag_s=0.0), envelope)
        self._wake = SimulatedWake(self._clock)
        config = OwnerConfig(_PERIOD_S, cell.home_joints_rad)
        self._owner = ArmOwner(self.arm, self._executor, config, self, self._wake)
        self._feed = feed
        self.answers = AnswerFaults(rng)
        self._watched.begin()
        self._pending, self._answer_lost, self._stalled_until_s = None, False, 0.0
        feed.begin(cell, self._instruction, self._now_ns)
        self._owner.start()
        self._wake.begin()
        self.listen()

    def detach(self) -> bool:
        """End the owner; False when it does not end."""
        assert self._owner is not None
        self._wake.end()
        ended = self._owner.close(_CLOSE_S)
        self._owner = None
        return ended

    def listen(self) -> None:
        """Forget what was heard."""
        self.heard = Heard()

    @property
    def instruction(self) -> str:
        """Of the scene."""
        return self._instruction

    @property
    def state(self) -> State:
        """The executor's."""
        return self._executor.state

    def ask(self, wish: Wish) -> bool:
        """A person's wish; whether it was granted."""
        assert self._owner is not None
        return self._owner.ask(wish, _CLOSE_S).success

    def go_on(self) -> bool:
        """A person resumes, and the policy is told where the arm is."""
        granted = self.ask(Wish.RESUME)
        relocate(self._policy, self.arm.truth().T_base_ee[:3, 3])
        self._watched.restart()
        return granted

    def stall(self, duration_s: float) -> None:
        """The owner's thread does not get to run for a while."""
        self._stalled_until_s = self.time_s + duration_s

    def advance(self, duration_s: float) -> None:
        """One command period."""
        self._expose_when_due()
        self._look_after_camera()
        stalled = self.time_s < self._stalled_until_s
        if not stalled:
            self._ask_policy_when_due()
        before = self.arm.truth()
        until_s = self._clock.now_s + duration_s
        (self._wake.skip_until if stalled else self._wake.run_until)(until_s)
        measured = self.arm.truth()
        way_m = measured.T_base_ee[:3, 3] - before.T_base_ee[:3, 3]
        self._speed_m_s = float(np.linalg.norm(way_m)) / duration_s
        self._drive.move(before.q_rad, measured.q_rad, round(duration_s / _TIMESTEP_S))
        place = (self.time_s, measured.T_base_ee[:3, 3].copy())
        self.heard.poses.append(place)
        if self._trace is not None and self._trace.onset_s is not None:
            self._trace.poses.append(place)

    def on_state(self, executor: Executor) -> None:
        """See `OwnerListener`."""
        if self._feed is not None:
            self._feed.state(executor, self._now_ns)

    def on_records(self, records: tuple[SafetyRecord, ...]) -> None:
        """See `OwnerListener`."""
        for record in records:
            self._tell(record)

    def on_disconnected(self, reason: str) -> None:
        """See `OwnerListener`."""
        self.losses.append(reason)
        self.heard.events.append((self.time_s, "disconnected"))

    def now_ns(self) -> int:
        """See `OwnerListener`."""
        return self._now_ns

    def _width_m(self) -> float:
        return float(self._drive.finger_m.sum())

    def _measured(self) -> ArmState:
        return self.arm.truth()

    def _tell(self, record: SafetyRecord) -> None:
        self.heard.events.append((self.time_s, record.name))
        if self._feed is not None:
            self._feed.event(record, self._now_ns)

    def _note(self, fault: CameraFault | None) -> None:
        super()._note(fault)
        if fault is None:
            self._camera_fault = ""
        elif fault.name != self._camera_fault and self._feed is not None:
            # told once, as by the camera node
            self._camera_fault = fault.name
            self._tell(SafetyRecord(fault.name, Severity.REFUSED, fault.detail, source="camera"))

    def _receive(self, raw: RawFrame) -> None:
        shown = self._shown
        super()._receive(raw)
        if self._shown is not shown and self._shown is not None and self._feed is not None:
            self._feed.frame(self._shown)

    def _ask_policy_when_due(self) -> None:
        """One control step of the VLA node."""
        now_s = self.time_s
        if self._pending is not None:
            if now_s >= self._pending.due_s:
                pending, self._pending = self._pending, None
                self._take(pending)
            return
        frame = self._shown
        if self.ending or now_s < self._policy_at_s or frame is None:
            return
        if frame.stamp_ns <= self._asked_ns:
            return
        if frame.intrinsics != self._intrinsics:
            self.ending = "the camera's calibration changed during the instruction"
            return
        self._ask(frame, now_s)

    def _ask(self, frame: RgbdFrame, now_s: float) -> None:
        self._asked_ns = frame.stamp_ns
        self._policy_at_s = now_s + 1.0 / self._spec.rate_hz
        self._history.push(frame)
        seen = self._observation()
        node_ns = self._now_ns + self.answers.skew_ns(now_s)
        fault = self._watched.observation(frame.stamp_ns, node_ns)
        if fault is not None:
            self._hold(fault, seen)
            return
        if self._answer_lost:
            relocate(self._policy, self._executor.T_base_target[:3, 3])
            self._answer_lost = False
        answer = self._policy.step(seen)
        action = parse_action_text(answer.text, self._spec)
        if isinstance(action, Finished):
            verdict = judge(self._world, self._world.scene)
            self.ending = "placed" if verdict.success else f"finished, {verdict.reason}"
            return
        is_good = not self.answers.is_on(now_s)
        spoiled = self.answers.spoil(answer, action, now_s)
        pending = _Pending(now_s + spoiled.late_s, spoiled.step, seen, is_good)
        if spoiled.late_s:
            self._pending = pending
        else:
            self._take(pending)

    def _take(self, pending: _Pending) -> None:
        answer, seen = pending.answer, pending.seen
        if answer is None:
            late = PolicyFault(POLICY_SLOW, "no answer within the time that a step may take")
            self._hold(self._watched.count(late), seen)
            return
        stamps_ns = [frame.stamp_ns for frame in seen.frames]
        fault = self._watched.answer(answer.observation_stamp_ns, stamps_ns, self._now_ns)
        action: DeltaAction | Finished | None = None
        if fault is None:
            try:
                action = parse_action_text(answer.text, self._spec)
            except ActionParseError as error:
                fault = self._watched.unreadable(answer.text, error)
        if isinstance(action, DeltaAction):
            fault = self._watched.action(action)
        if pending.is_good:
            self.heard.good_answers.append(self.time_s)
        if fault is not None or not isinstance(action, DeltaAction):
            assert fault is not None
            self._hold(fault, seen, answer)
            return
        self._send(action, answer, seen)

    def _send(self, action: DeltaAction, answer: PolicyStep, seen: Observation) -> None:
        assert self._owner is not None and self._feed is not None
        self._sequence += 1
        stamp_ns = answer.observation_stamp_ns
        request: ActionRequest = ActionRequest.from_action(action, self._sequence, stamp_ns)
        request = self.answers.spoil_request(request, self.time_s)
        self._feed.step(answer, seen, request, self._now_ns)
        self._watched.executed(stamp_ns)
        num_events = len(self.heard.events)
        self._owner.submit(request)
        if self._executor.state is State.RUNNING:
            self.heard.followed.append(self.time_s)
        elif len(self.heard.events) > num_events:
            self._answer_lost = True
        if self._trace is not None:
            self._trace.actions.append((self.time_s, stamp_ns / _NS_PER_S))

    def _hold(
        self, fault: PolicyFault, seen: Observation, answer: PolicyStep | None = None
    ) -> None:
        assert self._feed is not None
        self._answer_lost = True
        said = replace(
            answer or PolicyStep("", 0),
            observation_stamp_ns=seen.newest.stamp_ns,
            stage=f"hold, {fault.name}: {fault.detail}",
        )
        # a message carries neither
        said = replace(said, text=said.text.encode("utf-8", "replace").decode().replace("\0", "?"))
        self._feed.step(said, seen, None, self._now_ns)
        self._tell(SafetyRecord(fault.name, Severity.REFUSED, fault.detail, source="policy"))
