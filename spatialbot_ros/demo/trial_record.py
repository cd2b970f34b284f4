"""From what was heard of a trial to its record, by the same rules as in the fast environment."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spatialbot_model.contracts.smoothness import Smoothness, smoothness_of
from spatialbot_model.contracts.trial import Ending, Trial, TrialFacts, failure_class
from spatialbot_ros.nodes.lab_client import ExecutionResult
from spatialbot_ros.nodes.trial_listener import TrialTrace
from spatialbot_sim.collect import family_of
from spatialbot_sim.judge import COLLISION, FELL_OFF
from spatialbot_sim.objects import outside_by_m
from spatialbot_sim.tasks import Scene

_LIFTED_M = 0.01
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class _Lifting:
    """Times [ns] at which the target and something else were first lifted, 0 = never."""

    target_ns: int
    other_ns: int


def trial_record(
    scene: Scene,
    trace: TrialTrace,
    result: ExecutionResult,
    rate_hz: float,
    faults: int = 0,
    safety_events: int = 0,
    wall_s: float = 0.0,
) -> Trial:
    """The record of a trial through ROS.

    What the hand holds is known from its width and from the judge, so of something else that was
    lifted one does not know where it was put down.

    Args:
        trace: from the reset of the scene to the judge's last word.
        rate_hz: of control.
        faults, safety_events: of the executor during the trial.
    """
    last = trace.judged[-1] if trace.judged else None
    collisions = [s.reason for s in trace.judged if s.reason.startswith(COLLISION)]
    ending = _ending(result, trace, bool(collisions), faults)
    success = last is not None and last.success and ending in ("finished", "time-out")
    lifting = _lifting(trace)
    held = last is not None and last.grasped
    facts = TrialFacts(
        success=success,
        ending=ending,
        tried=any(sample.closed for sample in trace.hand),
        target_lifted=bool(lifting.target_ns),
        other_lifted=bool(lifting.other_ns),
        target_held=held,
        target_slipped=_slipped(trace),
    )
    smoothness = _smoothness(trace, rate_hz)
    reason = collisions[0] if collisions else ("" if last is None else last.reason)
    if ending in ("no answer", "fault"):
        reason = result.reason
    return Trial(
        task=scene.task,
        family=family_of(scene),
        seed=scene.seed,
        novelty=scene.novelty,
        instruction=scene.instruction,
        success=success,
        failure=failure_class(facts),
        reason="" if success else reason,
        ending=ending,
        steps=result.num_steps,
        right_object=_right_object(lifting),
        right_destination=_right_destination(scene, trace, lifting, held),
        placement_error_mm=None if last is None else round(last.placement_error_m * 1e3, 2),
        path_m=round(smoothness.path_m, 4),
        acceleration_m_s2=_rounded(smoothness.acceleration_m_s2),
        jerk_m_s3=_rounded(smoothness.jerk_m_s3),
        num_malformed=trace.num_malformed,
        num_unanswered=trace.num_unanswered,
        policy_ms=round(float(np.mean(trace.policy_ms)), 2) if trace.policy_ms else 0.0,
        wall_s=round(wall_s, 2),
        faults=faults,
        safety_events=safety_events,
        action_rate_hz=_rounded(_rate_hz(trace)),
    )


def _ending(result: ExecutionResult, trace: TrialTrace, collided: bool, faults: int) -> Ending:
    if faults:
        return "fault"
    if collided:
        return "collision"
    if any(sample.reason.endswith(FELL_OFF) for sample in trace.judged):
        return "lost"
    if result.finished:
        return "finished"
    return "time-out" if result.reason.startswith("not finished after") else "no answer"


def _lifting(trace: TrialTrace) -> _Lifting:
    """When the target, and when something else, was first off its support in the hand."""
    target_ns = other_ns = 0
    if trace.judged:
        start_z_m = trace.judged[0].target_m[2]
        lifted = [
            sample.stamp_ns
            for sample in trace.judged
            if sample.grasped and sample.target_m[2] > start_z_m + _LIFTED_M
        ]
        target_ns = lifted[0] if lifted else 0
    if trace.path and trace.judged:
        path_ns = np.array([stamp_ns for stamp_ns, _ in trace.path])
        path_z_m = np.array([position_m[2] for _, position_m in trace.path])
        judged_ns = np.array([sample.stamp_ns for sample in trace.judged])
        grasped = np.array([sample.grasped for sample in trace.judged])
        taken_z_m: float | None = None
        for hand in trace.hand:
            k = min(int(np.searchsorted(judged_ns, hand.stamp_ns)), len(grasped) - 1)
            # the judge speaks less often than the hand: look at both its words around
            with_target = bool(grasped[k] or grasped[max(0, k - 1)])
            if not hand.holding or with_target:
                taken_z_m = None
                continue
            z_m = float(np.interp(hand.stamp_ns, path_ns, path_z_m))
            taken_z_m = z_m if taken_z_m is None else taken_z_m
            if z_m > taken_z_m + _LIFTED_M:
                other_ns = hand.stamp_ns
                break
    return _Lifting(target_ns, other_ns)


def _right_object(lifting: _Lifting) -> bool | None:
    if not lifting.target_ns and not lifting.other_ns:
        return None
    if not lifting.target_ns:
        return False
    return not lifting.other_ns or lifting.target_ns < lifting.other_ns


def _right_destination(
    scene: Scene, trace: TrialTrace, lifting: _Lifting, held: bool
) -> bool | None:
    if not lifting.target_ns or held:
        return None
    x_m, y_m = trace.judged[-1].target_m[:2]
    beyond_m = outside_by_m(scene.place_named(scene.destination), float(x_m), float(y_m))
    if scene.relation == "outside":
        return beyond_m >= scene.object_named(scene.target).extent.radius_m
    return beyond_m <= 0.0


def _slipped(trace: TrialTrace) -> bool:
    """The target left closed fingers when it left them for the last time."""
    left_ns = [b.stamp_ns for a, b in pairwise(trace.judged) if a.grasped and not b.grasped]
    if not left_ns or not trace.hand:
        return False
    stamps_ns = np.array([sample.stamp_ns for sample in trace.hand])
    k = min(int(np.searchsorted(stamps_ns, left_ns[-1])), len(trace.hand) - 1)
    return trace.hand[k].closed


def _smoothness(trace: TrialTrace, rate_hz: float) -> Smoothness:
    """Of the measured path from the first action on, sampled at the control rate."""
    if not trace.action_ns or not trace.path:
        return smoothness_of([], rate_hz)
    stamps_ns = np.array([stamp_ns for stamp_ns, _ in trace.path], np.float64)
    path_m = np.array([position_m for _, position_m in trace.path])
    period_ns = _NS_PER_S / rate_hz
    first_ns, last_ns = float(trace.action_ns[0]), trace.action_ns[-1] + period_ns
    at_ns = np.arange(first_ns, min(last_ns, stamps_ns[-1]) + 1, period_ns)
    sampled = np.stack([np.interp(at_ns, stamps_ns, path_m[:, k]) for k in range(3)], axis=1)
    return smoothness_of(list(sampled), rate_hz)


def _rate_hz(trace: TrialTrace) -> float | None:
    if len(trace.action_ns) < 2:
        return None
    return (len(trace.action_ns) - 1) * _NS_PER_S / (trace.action_ns[-1] - trace.action_ns[0])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
