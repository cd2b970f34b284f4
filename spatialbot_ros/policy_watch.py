"""Watches what a policy answers and when: faults are named, and nothing of them is executed.

Pure: no rclpy, no clock, no thread. The node asks before it asks the policy (`observation`) and
before it sends an action (`answer`, `action`); a `PolicyFault` instead of None means that the
arm must not move for it. Times are ROS time.
"""

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import ActionParseError

STALE_OBSERVATION = "stale_observation"
CLOCK_SKEW = "clock_skew"
POLICY_SLOW = "policy_slow"
POLICY_UNREACHABLE = "policy_unreachable"
POLICY_SILENT = "policy_silent"
POLICY_GARBAGE = "policy_garbage"
POLICY_NOT_FINITE = "policy_not_finite"
POLICY_STAMP = "policy_stamp"
POLICY_JUMP = "policy_jump"
POLICY_OSCILLATES = "policy_oscillates"
GRIPPER_OSCILLATES = "gripper_oscillates"
POLICY_DEFECT = "policy_defect"

FAULT_NAMES = (
    *(STALE_OBSERVATION, CLOCK_SKEW, POLICY_SLOW, POLICY_UNREACHABLE, POLICY_SILENT),
    *(POLICY_GARBAGE, POLICY_NOT_FINITE, POLICY_STAMP, POLICY_JUMP, POLICY_OSCILLATES),
    *(GRIPPER_OSCILLATES, POLICY_DEFECT),
)
"""Everything that can be wrong with a policy's answer, in the order of docs/safety.md."""

_NO_NUMBER = re.compile(r"(?<![a-z])[+-]?(nan|inf|infinity)(?![a-z])", re.IGNORECASE)
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One thing that was wrong; `asked` are SI numbers that say how much, where there are any."""

    name: str
    detail: str
    asked: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """What is still taken from a policy.

    Attributes:
        max_age_s: from an image to its answer.
        max_future_s: how far a stamp may lie ahead of the node's clock.
        max_jump_m, max_jump_rad: change of the delta from one answer to the next; a larger one
            is executed only when the answer after it agrees. Demonstrations stay below 0.04 m
            and 0.06 rad; a full reversal on one axis is 0.06 m and 0.3 rad.
        window: answers that are looked at for oscillation.
        max_reversals: of the motion's direction within the window.
        reversal_m: motions shorter than this have no direction.
        max_gripper_changes: within two windows.
    """

    max_age_s: float = 0.9
    max_future_s: float = 0.2
    max_jump_m: float = 0.065
    max_jump_rad: float = 0.2
    window: int = 10
    max_reversals: int = 6
    reversal_m: float = 0.008
    max_gripper_changes: int = 5


class PolicyWatch:
    """See the module docstring; one for the life of a node, `begin` for each instruction."""

    def __init__(self, limits: WatchLimits) -> None:
        self._limits = limits
        self._counts: Counter[str] = Counter()
        self._executed_ns = -1
        self._last: DeltaAction | None = None
        self._moves_m: deque[NDArray[np.float64]] = deque(maxlen=limits.window + 1)
        self._grips: deque[bool] = deque(maxlen=2 * limits.window + 1)

    @property
    def counts(self) -> Mapping[str, int]:
        """Faults since the node's start, by name; names that never came up are 0."""
        return {name: self._counts[name] for name in FAULT_NAMES}

    @property
    def num_faults(self) -> int:
        """All faults since the node's start."""
        return self._counts.total()

    def begin(self) -> None:
        """A new instruction: answers of the last one say nothing about this one."""
        self.restart()
        self._executed_ns = -1

    def restart(self) -> None:
        """Somebody else has moved the arm; the next answer may differ from the last."""
        self._last = None
        self._moves_m.clear()
        self._grips.clear()

    def count(self, fault: PolicyFault) -> PolicyFault:
        """Account for a fault, also for one that was found elsewhere; returns it."""
        self._counts[fault.name] += 1
        return fault

    def executed(self, observation_stamp_ns: int) -> None:
        """An action of this observation was sent."""
        self._executed_ns = observation_stamp_ns

    def observation(self, stamp_ns: int, now_ns: int) -> PolicyFault | None:
        """Whether the policy may be asked about an image; no answer could be in time otherwise."""
        limits, age_s = self._limits, (now_ns - stamp_ns) / _NS_PER_S
        if age_s < -limits.max_future_s:
            return self._fault(
                CLOCK_SKEW,
                f"the image's stamp lies {-age_s:.3f} s ahead of this node's clock, at most"
                f" {limits.max_future_s} s is taken; do all machines follow one clock (chrony,"
                " PTP), and all nodes the same use_sim_time?",
                age_s,
            )
        if age_s > limits.max_age_s:
            return self._fault(
                STALE_OBSERVATION,
                f"the newest image is {age_s:.3f} s old before the policy has seen it, at most"
                f" {limits.max_age_s} s may pass until its action; does the camera stall, or do"
                " the machines' clocks differ?",
                age_s,
            )
        return None

    def answer(
        self, answered_ns: int, observation_ns: Sequence[int], now_ns: int
    ) -> PolicyFault | None:
        """Whether an answer belongs to this observation and comes in time.

        Args:
            answered_ns: stamp of the frame that the answer says it is about.
            observation_ns: stamps of the frames that the policy was shown.
        """
        if answered_ns not in observation_ns:
            return self._fault(
                POLICY_STAMP,
                f"the answer is about an image of {answered_ns} ns, which is none of the"
                f" {len(observation_ns)} that the policy was shown",
            )
        if answered_ns <= self._executed_ns:
            return self._fault(
                POLICY_STAMP,
                f"the answer is about an image of {answered_ns} ns, and one about"
                f" {self._executed_ns} ns was executed already; an answer is used once",
            )
        age_s = (now_ns - answered_ns) / _NS_PER_S
        if age_s > self._limits.max_age_s:
            return self._fault(
                POLICY_SLOW,
                f"late: {age_s:.2f} s from the image to its answer, at most"
                f" {self._limits.max_age_s} s may pass",
                age_s,
            )
        return None

    def unreadable(self, text: str, error: ActionParseError) -> PolicyFault:
        """Name what the parser refused."""
        is_number = isinstance(text, str) and _NO_NUMBER.search(text) is None
        return self._fault(POLICY_GARBAGE if is_number else POLICY_NOT_FINITE, str(error))

    def action(self, action: DeltaAction) -> PolicyFault | None:
        """Whether a well-formed action goes on from the ones before it; remembers it."""
        last, self._last = self._last, action
        self._moves_m.append(action.translation_m)
        self._grips.append(action.gripper_closed)
        if last is None:
            return None
        return self._jump(last, action) or self._reversal() or self._flicker()

    def _jump(self, last: DeltaAction, action: DeltaAction) -> PolicyFault | None:
        limits = self._limits
        jump_m = float(np.linalg.norm(action.translation_m - last.translation_m))
        jump_rad = float(np.linalg.norm(action.rotation_rad - last.rotation_rad))
        if jump_m <= limits.max_jump_m and jump_rad <= limits.max_jump_rad:
            return None
        return self._fault(
            POLICY_JUMP,
            f"the step changes by {jump_m * 1e3:.0f} mm and {jump_rad:.2f} rad from one answer to"
            f" the next, at most {limits.max_jump_m * 1e3:.0f} mm and {limits.max_jump_rad} rad"
            " are taken at once; it is executed when the next answer agrees",
            jump_m,
            jump_rad,
        )

    def _reversal(self) -> PolicyFault | None:
        moves_m = np.array(self._moves_m)
        lengths_m = np.linalg.norm(moves_m, axis=1)
        moves = lengths_m >= self._limits.reversal_m
        along = np.sum(moves_m[1:] * moves_m[:-1], axis=1)
        reverses = moves[1:] & moves[:-1] & (along < -0.5 * lengths_m[1:] * lengths_m[:-1])
        num_reversals = int(np.count_nonzero(reverses))
        if not reverses[-1] or num_reversals <= self._limits.max_reversals:
            return None
        return self._fault(
            POLICY_OSCILLATES,
            f"the motion has turned back {num_reversals} times in the last {len(reverses)}"
            f" answers, at most {self._limits.max_reversals} times are taken",
            float(num_reversals),
        )

    def _flicker(self) -> PolicyFault | None:
        changes = np.diff(np.array(self._grips, dtype=np.int8)) != 0
        num_changes = int(np.count_nonzero(changes))
        if not changes[-1] or num_changes <= self._limits.max_gripper_changes:
            return None
        return self._fault(
            GRIPPER_OSCILLATES,
            f"the gripper was opened and closed {num_changes} times in the last {len(changes)}"
            f" answers, at most {self._limits.max_gripper_changes} times are taken",
            float(num_changes),
        )

    def _fault(self, name: str, detail: str, *asked: float) -> PolicyFault:
        return self.count(PolicyFault(name, detail, asked))
