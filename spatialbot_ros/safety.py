"""Safety filter: what may become the arm's next target. Pure and deterministic.

Every action goes through `SafetyEnvelope.check`. Input that is wrong in kind (not finite,
stale, another action spec, out of order) is refused; input that is only too large is
shortened. Both are reported as `SafetyRecord`. Whatever goes in, the target that comes out
lies in the workspace box and within the lead bound of the measured pose.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError, SafetyError
from spatialbot_model.contracts.target_step import StepLimits, advance_target, shorten
from spatialbot_model.contracts.transforms import compose
from spatialbot_ros.ports import ArmState, Pace
from spatialbot_ros.safety_bodies import ArmBodies
from spatialbot_ros.safety_joints import JointGuard, ShapedTwist
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_posture import PostureGuard
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord, Severity
from spatialbot_ros.safety_way import way_problem

_NS_PER_S = 1_000_000_000
_BIN_TOLERANCE = 1e-6
_MAX_SOURCES = 16
_MAX_GAP = 10_000
_MAX_FIRST = 10_000_000
"""A source may be older than the executor: eleven days at 10 Hz."""
_CLOCK_SET_BACK_NS = 12 * _NS_PER_S
"""A replay of something so old is refused for its age, whatever the limits."""

WALL_ROOM_M = 0.003
"""Targets and commands keep this much of the workspace free at its walls and its ceiling: joints
that turn round there are late by different times, which carries the tool beyond what was
commanded. At the floor the table is nearer."""
_FLOOR_ROOM_M = np.array([WALL_ROOM_M, WALL_ROOM_M, 0.0])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the envelope makes of one action.

    Attributes:
        T_base_target: (4, 4) new target, None when the action is refused.
        records: every intervention, in the order of the checks.
    """

    T_base_target: NDArray[np.float64] | None
    records: tuple[SafetyRecord, ...]

    @property
    def accepted(self) -> bool:
        """Whether the action may move the arm."""
        return self.T_base_target is not None


class SafetyEnvelope:
    """Checks actions against limits, workspace and action spec; remembers sequence numbers.

    Args:
        limits: step, speed, lead and age limits.
        workspace_min_m, workspace_max_m: (3,) corners of the box in the base frame; `WALL_ROOM_M`
            of it is not used.
        spec: the action spec that this robot is configured for.
        table_top_z_m: height of the table in the base frame.
    """

    def __init__(
        self,
        limits: SafetyLimits,
        workspace_min_m: NDArray[np.float64],
        workspace_max_m: NDArray[np.float64],
        spec: ActionSpec,
        table_top_z_m: float = 0.0,
    ) -> None:
        self.limits = limits
        self.spec = spec
        self._step_limits = StepLimits(
            max_step_translation_m=limits.max_step_translation_m,
            max_step_rotation_rad=limits.max_step_rotation_rad,
            max_lead_m=limits.max_lead_m,
            max_lead_rad=limits.max_lead_rad,
            workspace_min_m=np.asarray(workspace_min_m, dtype=np.float64) + _FLOOR_ROOM_M,
            workspace_max_m=np.asarray(workspace_max_m, dtype=np.float64) - WALL_ROOM_M,
        )
        box = self._step_limits
        self._bodies = bodies = ArmBodies(table_top_z_m, limits.keep_out)
        self._joints = JointGuard(limits, box.workspace_min_m, box.workspace_max_m, bodies)
        self._postures = PostureGuard(limits, bodies)
        self._newest: dict[str, tuple[int, int]] = {}
        self._last = 0

    def check(
        self,
        request: ActionRequest,
        now_ns: int,
        T_base_target: NDArray[np.float64],
        T_base_measured: NDArray[np.float64],
        q_rad: NDArray[np.float64] | None = None,
    ) -> Verdict:
        """Judge one action.

        Args:
            now_ns: ROS time.
            T_base_target: (4, 4) the target so far.
            T_base_measured: (4, 4) where the tool is.
            q_rad: (7,) measured joints; without them, postures are not judged.
        """
        order = self.note_sequence(request)
        refusal = next((r for r in order if r.severity is Severity.REFUSED), None)
        refusal = refusal or self._refusal(request, now_ns, T_base_measured)
        if refusal is not None:
            kept = tuple(r for r in order if r is not refusal)
            return Verdict(None, self._signed((*kept, refusal), request))
        T_target, records = self._advance(request, T_base_target, T_base_measured)
        if q_rad is not None:
            T_target, drawn_back = self._postures.limit(T_target, T_base_target, q_rad)
            records.extend(drawn_back)
            if drawn_back:
                # the old target may have lost its lead bound when the arm was pushed away
                none = np.zeros(3)
                T_target = advance_target(
                    self._step_limits, none, none, T_target, T_base_measured
                ).T_base_target
        return Verdict(T_target, self._signed((*order, *records), request))

    def note_sequence(self, request: ActionRequest) -> tuple[SafetyRecord, ...]:
        """Account for a sequence number, also of an action that is refused for other reasons.

        Number 1 about a newer observation starts again; otherwise numbers of a source only go
        up. A source may also go on from the last number that the executor acknowledged to anyone.
        Numbers that leap are refused and forgotten: those that follow would seem to come late.
        Sources beyond `_MAX_SOURCES` are refused: what is remembered of them must not grow
        without end.
        """
        number, stamp_ns = request.sequence, request.observation_stamp_ns
        if self.leaps(request):
            detail = (
                f"sequence {number} of {request.source[:40]!r} leaps ahead, further than"
                f" {_MAX_GAP} lost actions explain; numbers must go up by one, or start again at 1"
            )
            return self._signed((SafetyRecord("sequence", Severity.REFUSED, detail),), request)
        if request.source not in self._newest and len(self._newest) >= _MAX_SOURCES:
            detail = (
                f"{request.source[:40]!r} would be one more than the {_MAX_SOURCES} sources of"
                " actions that are told apart; restart the executor if it is meant"
            )
            return self._signed((SafetyRecord("sequence", Severity.REFUSED, detail),), request)
        newest, newest_stamp_ns = self._newest.get(request.source, (0, -1))
        # what is older is a replay, or comes from a clock that was set back
        older_ns = newest_stamp_ns - stamp_ns
        restarts = number == 1 and (older_ns < 0 or older_ns > _CLOCK_SET_BACK_NS)
        if number <= newest and not restarts:
            detail = (
                f"sequence {number} of {request.source!r} came after {newest}; numbers must go"
                " up by one, or start again at 1"
            )
            return self._signed((SafetyRecord("sequence", Severity.REFUSED, detail),), request)
        self._newest[request.source] = (number, stamp_ns)
        last, self._last = self._last, number
        if newest and not restarts and number not in (newest + 1, last + 1):
            detail = (
                f"{number - newest - 1} actions of {request.source!r} are missing between"
                f" sequence {newest} and {number}"
            )
            return self._signed((SafetyRecord("sequence_gap", Severity.CLAMPED, detail),), request)
        return ()

    def leaps(self, request: ActionRequest) -> bool:
        """Whether its number is so far ahead that it must be wrong; it counts for nothing."""
        newest, _ = self._newest.get(request.source, (_MAX_FIRST, 0))
        return request.sequence > max(newest, self._last) + _MAX_GAP

    def clamp_to_workspace(self, position_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Nearest point of the workspace box."""
        return self._step_limits.clamp_to_workspace(position_m)

    def resync(self, T_base_measured: NDArray[np.float64]) -> NDArray[np.float64]:
        """Target that asks for no motion: the measured pose, or the nearest point of the box."""
        return compose(T_base_measured[:3, :3], self.clamp_to_workspace(T_base_measured[:3, 3]))

    def way_problem(self, q_from_rad: NDArray[np.float64], q_to_rad: NDArray[np.float64]) -> str:
        """What forbids a straight motion of the joints (7,), in words; empty when nothing does."""
        return way_problem(self._bodies, self.limits.collision_margin_m, q_from_rad, q_to_rad)

    def limit_twist(self, twist_base: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shorten both halves of a twist (6,) to the speed limits, keeping their directions.

        Raises:
            SafetyError: not finite.
        """
        if not np.all(np.isfinite(twist_base)):
            raise SafetyError(f"twist {twist_base} is not finite; the arm is not moved")
        linear = shorten(twist_base[:3], self.limits.max_speed_m_s)
        angular = shorten(twist_base[3:], self.limits.max_speed_rad_s)
        return np.concatenate([linear, angular])

    def shape_twist(
        self, twist_base: NDArray[np.float64], measured: ArmState, hold_s: float = 0.05
    ) -> ShapedTwist:
        """Bound a twist (6,) by the tool's speeds, then by what the joints can do.

        Args:
            hold_s: how long it will be commanded before the arm comes to rest by itself.

        Raises:
            SafetyError: not finite.
        """
        return self._joints.shape(self.limit_twist(twist_base), measured, hold_s)

    def stop_pace(self, measured: ArmState) -> Pace:
        """The quickest way to rest from the last command that keeps the arm's limits."""
        return self._joints.stop_pace(measured)

    def at_rest(self) -> None:
        """The arm was told to rest: what slows the next twist is told again."""
        self._joints.reset()

    def _refusal(
        self, request: ActionRequest, now_ns: int, T_base_measured: NDArray[np.float64]
    ) -> SafetyRecord | None:
        asked = tuple(float(v) for v in (*request.translation_m, *request.rotation_rad))
        if len(asked) != 6 or not np.all(np.isfinite(asked)):
            return _refused(
                "not_finite", f"action values {asked} must be six finite numbers", asked
            )
        if request.action_spec_id != self.spec.id:
            return _refused(
                "action_spec",
                f"action was made for action spec {request.action_spec_id!r}, this executor runs"
                f" {self.spec.id!r}; start both with the same action spec",
                asked,
            )
        mismatch = self._bin_mismatch(request)
        if mismatch:
            return _refused("bins", mismatch, asked)
        if request.sent_stamp_ns:
            late_s = (now_ns - request.sent_stamp_ns) / _NS_PER_S
            if late_s > self.limits.max_action_age_s:
                return _refused(
                    "late",
                    f"the action was on its way for {late_s:.3f} s, at most"
                    f" {self.limits.max_action_age_s} s are taken",
                    (late_s,),
                )
        age_s = (now_ns - request.observation_stamp_ns) / _NS_PER_S
        if age_s > self.limits.max_observation_age_s:
            return _refused(
                "stale",
                f"observation is {age_s:.3f} s old, at most"
                f" {self.limits.max_observation_age_s} s may pass until its action",
                (age_s,),
            )
        if age_s < -self.limits.max_future_s:
            return _refused(
                "future",
                f"observation stamp lies {-age_s:.3f} s ahead of the executor's clock; at most"
                f" {self.limits.max_future_s} s is taken. Do both nodes use the same clock"
                " (use_sim_time)?",
                (age_s,),
            )
        measured_m = T_base_measured[:3, 3]
        outside_m = float(np.linalg.norm(self.clamp_to_workspace(measured_m) - measured_m))
        if outside_m > self.limits.max_lead_m:
            return _refused(
                "outside_workspace",
                f"the tool is {outside_m * 1e3:.0f} mm outside the workspace box; call home first",
                tuple(float(v) for v in measured_m),
            )
        return None

    def _bin_mismatch(self, request: ActionRequest) -> str:
        try:
            action = DeltaAction(request.bins, self.spec)
        except ConfigurationError as error:
            return str(error)
        expected = np.concatenate([action.translation_m, action.rotation_rad])
        given = np.concatenate([request.translation_m, request.rotation_rad])
        if np.max(np.abs(expected - given)) > _BIN_TOLERANCE:
            return (
                f"bins {request.bins} mean {expected.tolist()}, but the values are {given.tolist()}"
            )
        if action.gripper_closed != request.gripper_closed:
            return (
                f"gripper bin {request.bins[6]} means closed={action.gripper_closed}, but the"
                f" action says {request.gripper_closed}"
            )
        return ""

    def _advance(
        self,
        request: ActionRequest,
        T_base_target: NDArray[np.float64],
        T_base_measured: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], list[SafetyRecord]]:
        limits, records = self.limits, []
        step = advance_target(
            self._step_limits,
            request.translation_m,
            request.rotation_rad,
            T_base_target,
            T_base_measured,
        )
        asked_m, asked_rad = request.translation_m, step.asked_turn_rad
        if step.step_m is not asked_m or step.step_turn_rad is not asked_rad:
            records.append(
                _clamped(
                    "step_size",
                    f"one step may be at most {limits.max_step_translation_m} m and"
                    f" {limits.max_step_rotation_rad} rad long",
                    (*asked_m, *asked_rad),
                    (*step.step_m, *step.step_turn_rad),
                )
            )
        if not np.array_equal(step.wanted_m, step.boxed_m):
            box = self._step_limits
            records.append(
                _clamped(
                    "workspace",
                    f"target must stay in the box {box.workspace_min_m.tolist()} to"
                    f" {box.workspace_max_m.tolist()} m",
                    step.wanted_m,
                    step.boxed_m,
                )
            )
        if step.position_m is not step.boxed_m or step.lead_rad is not step.wanted_lead_rad:
            records.append(
                _clamped(
                    "lead",
                    f"target may be at most {limits.max_lead_m} m and {limits.max_lead_rad} rad"
                    " ahead of the measured pose; is the arm blocked?",
                    (*step.boxed_m, *step.wanted_lead_rad),
                    (*step.position_m, *step.lead_rad),
                )
            )
        return step.T_base_target, records

    @staticmethod
    def _signed(
        records: tuple[SafetyRecord, ...], request: ActionRequest
    ) -> tuple[SafetyRecord, ...]:
        return tuple(
            replace(record, source=request.source, sequence=request.sequence) for record in records
        )


def _refused(name: str, detail: str, asked: tuple[float, ...] = ()) -> SafetyRecord:
    return SafetyRecord(name, Severity.REFUSED, detail, asked=asked)


def _clamped(name: str, detail: str, asked: object, given: object) -> SafetyRecord:
    return SafetyRecord(
        name,
        Severity.CLAMPED,
        detail,
        asked=tuple(float(v) for v in asked),  # type: ignore[attr-defined]
        given=tuple(float(v) for v in given),  # type: ignore[attr-defined]
    )
