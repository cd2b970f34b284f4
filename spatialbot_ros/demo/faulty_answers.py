"""What a faulty policy says in place of its answer. Pure; drawn with a seed."""

from dataclasses import dataclass, replace

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_model.contracts.types import PolicyStep
from spatialbot_ros.safety_records import ActionRequest

SLOW = "slow"
SILENT = "silent"
GARBAGE = "garbage"
NOT_FINITE = "not_finite"
JUMP = "jump"
OSCILLATION = "oscillation"
GRIPPER_FLICKER = "gripper_flicker"
REPLAYED_IMAGE = "replayed_image"
REPLAYED_SEQUENCE = "replayed_sequence"
CLOCK_AHEAD = "clock_ahead"
CLOCK_BEHIND = "clock_behind"
FROM_FUTURE = "from_future"
OTHER_SPEC = "other_spec"
WILD_NUMBERS = "wild_numbers"

POLICY_FAULTS = {
    SLOW: ("policy_slow",),
    SILENT: ("policy_slow",),
    GARBAGE: ("policy_garbage",),
    NOT_FINITE: ("policy_not_finite",),
    JUMP: ("policy_jump",),
    OSCILLATION: ("policy_oscillates", "policy_jump"),
    GRIPPER_FLICKER: ("gripper_oscillates",),
    REPLAYED_IMAGE: ("policy_stamp",),
    REPLAYED_SEQUENCE: ("sequence",),
    CLOCK_AHEAD: ("stale_observation",),
    CLOCK_BEHIND: ("clock_skew",),
    FROM_FUTURE: ("future",),
    OTHER_SPEC: ("action_spec",),
    WILD_NUMBERS: ("not_finite",),
}
"""Name -> the events by which it may be told: those of the policy's watch, then of the executor."""

_GARBAGE = (
    *("", "?", "The robot should <0.5>.", "I cannot see the red cube.", "\0\ud7ff", "x" * 20_000),
    "The robot should <0.50, 0.51, 0.44, 0.50, 0.50, 0.50, 7>.",
)
_NOT_FINITE = (
    "The robot should <nan, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.",
    "The robot should <inf, 0.5, 0.5, 0.5, -inf, 0.5, 0>.",
)
_SWING_M = 0.02
_SKEW_S = 1.5
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FaultyAnswer:
    """What comes in place of an answer.

    Attributes:
        step: None for nothing.
        late_s: how long it takes to come.
    """

    step: PolicyStep | None
    late_s: float = 0.0


class AnswerFaults:
    """The fault that is on.

    Args:
        rng: which garbage, how late.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._name = ""
        self._until_s = 0.0
        self._number = 0
        self._first: PolicyStep | None = None

    def begin(self, name: str, until_s: float) -> None:
        """From the next answer on.

        Raises:
            UnknownNameError: there is no such fault.
        """
        if name not in POLICY_FAULTS:
            raise UnknownNameError("fault of a policy", name, POLICY_FAULTS)
        self._name, self._until_s, self._number, self._first = name, until_s, 0, None

    def is_on(self, now_s: float) -> bool:
        """Whether answers are spoiled at this time."""
        return bool(self._name) and now_s < self._until_s

    def skew_ns(self, now_s: float) -> int:
        """How far the node's clock is ahead of the camera's."""
        if not self.is_on(now_s) or self._name not in (CLOCK_AHEAD, CLOCK_BEHIND):
            return 0
        return round(_SKEW_S * _NS_PER_S) * (1 if self._name == CLOCK_AHEAD else -1)

    def spoil(self, step: PolicyStep, action: DeltaAction, now_s: float) -> FaultyAnswer:
        """What is said instead of `step`, whose text means `action`."""
        if not self.is_on(now_s):
            return FaultyAnswer(step)
        self._number += 1
        self._first = self._first or step
        even = self._number % 2 == 0
        if self._name == SLOW:
            return FaultyAnswer(step, float(self._rng.uniform(0.95, 1.4)))
        if self._name == SILENT:
            return FaultyAnswer(None, self._until_s - now_s)
        if self._name == REPLAYED_IMAGE:
            first = self._first
            # the first one has not been seen before
            return FaultyAnswer(step if self._number == 1 else first)
        text = step.text
        spec = action.spec
        if self._name == GARBAGE:
            text = _GARBAGE[int(self._rng.integers(len(_GARBAGE)))]
        elif self._name == NOT_FINITE:
            text = _NOT_FINITE[int(self._rng.integers(len(_NOT_FINITE)))]
        elif self._name == JUMP:
            text = _text(DeltaAction((100 if even else 0,) * 6 + action.bins[6:], spec))
        elif self._name == OSCILLATION:
            x_m = _SWING_M if even else -_SWING_M
            closed = action.gripper_closed
            text = _text(DeltaAction.from_values([x_m, 0, 0], np.zeros(3), closed, spec))
        elif self._name == GRIPPER_FLICKER:
            grip = 100 if even else 0
            text = _text(DeltaAction((*action.bins[:6], grip), spec))
        return FaultyAnswer(replace(step, text=text))

    def spoil_request(self, request: ActionRequest, now_s: float) -> ActionRequest:
        """What is sent to the executor by somebody who does not watch."""
        if not self.is_on(now_s):
            return request
        if self._name == REPLAYED_SEQUENCE:
            return replace(request, sequence=max(request.sequence - 1 - self._number, 0))
        if self._name == FROM_FUTURE:
            stamp_ns = request.observation_stamp_ns + 5 * _NS_PER_S
            return replace(request, observation_stamp_ns=stamp_ns)
        if self._name == OTHER_SPEC:
            return replace(request, action_spec_id="0123456789ab")
        if self._name == WILD_NUMBERS:
            wild = float(self._rng.choice([np.nan, np.inf, -np.inf]))
            return replace(request, translation_m=np.array([0.01, wild, 0.0]))
        return request


def _text(action: DeltaAction) -> str:
    return format_action_text(action)
