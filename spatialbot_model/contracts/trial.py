"""One trial of a policy on one scene: what came of it, and how a failure is classed.

The same record comes out of the fast environment and of the whole suite through ROS, so that both
can be summed up and compared with each other.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from spatialbot_model.contracts.errors import ConfigurationError

Ending = Literal["finished", "time-out", "collision", "lost", "no answer", "fault"]
"""Why a trial was over: the policy said so, no steps were left, an obstacle was touched, the object
fell off the table, the policy had no readable answer, or the robot stopped itself."""

FailureClass = Literal[
    "",
    "wrong object",
    "missed grasp",
    "dropped",
    "collision",
    "wrong place",
    "time-out",
    "no answer",
    "fault",
]
FAILURE_CLASSES: tuple[FailureClass, ...] = (
    "wrong object",
    "missed grasp",
    "dropped",
    "collision",
    "wrong place",
    "time-out",
    "no answer",
    "fault",
)


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """What a failure is classed by.

    Attributes:
        success: ground truth.
        ending: why the trial was over.
        tried: the gripper was asked to close.
        target_lifted, other_lifted: it was off its support between both fingers at some time.
        target_held: it is between both fingers at the end.
        target_slipped: when it left the fingers for the last time, they were closed.
    """

    success: bool
    ending: Ending
    tried: bool = False
    target_lifted: bool = False
    other_lifted: bool = False
    target_held: bool = False
    target_slipped: bool = False


def failure_class(facts: TrialFacts) -> FailureClass:
    """The class of a failed trial, "" for a success.

    What ended the trial by itself comes first; then how far the task got: the target is held when
    no steps are left ("time-out"), nothing was lifted ("missed grasp", or "time-out" when the hand
    was never closed), only something else was lifted ("wrong object"), the target slipped out of
    the closed hand or fell off the table ("dropped"), it was put down elsewhere ("wrong place").
    """
    if facts.success:
        return ""
    if facts.ending == "collision" or facts.ending == "no answer" or facts.ending == "fault":
        return facts.ending
    if facts.target_held and facts.ending == "time-out":
        return "time-out"
    if not facts.target_lifted:
        if facts.other_lifted:
            return "wrong object"
        if facts.ending == "lost":
            return "dropped"
        return "time-out" if facts.ending == "time-out" and not facts.tried else "missed grasp"
    if facts.ending == "lost" or (facts.target_slipped and not facts.target_held):
        return "dropped"
    return "wrong place"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one scene.

    Attributes:
        task: name of the scene's task; with the seed it says which scene.
        family: for statistics.
        novelty: what of the scene never occurs in training, "" for nothing.
        instruction: what the policy was told, and is judged by.
        counterfactual: what of it was changed: "object", "destination", or "" for nothing.
        success: the target rests, released, where it was asked for, and nothing was touched.
        failure: its class, "" for a success.
        reason: why not, in words.
        ending: why the trial was over.
        steps: control steps.
        right_object: the first object that was lifted is the one that was asked for; None when
            nothing was lifted.
        right_destination: the object that was lifted last lies over the destination asked for,
            whatever object it is; None when nothing was lifted, or it is still held.
        original_success: with a counterfactual: what the scene's own instruction asks for was
            done instead.
        placement_error_mm: horizontal distance of the target from where it should be.
        path_m: way of the tool centre point.
        acceleration_m_s2, jerk_m_s3: mean size of the tool centre point's acceleration and jerk,
            second and third differences of its measured positions at the control rate; None
            where there are too few.
        num_malformed, num_unanswered: steps that were held because the answer was no action, or
            because there was none.
        policy_ms: mean wall time of an answer.
        wall_s: of the whole trial.
        faults, safety_events: of the executor; 0 in the fast environment.
        action_rate_hz: mean rate of the executed actions in robot time; None where it is the
            control rate by construction.
    """

    task: str
    family: str
    seed: int
    novelty: str
    instruction: str
    success: bool
    failure: FailureClass
    reason: str
    ending: Ending
    steps: int
    counterfactual: str = ""
    right_object: bool | None = None
    right_destination: bool | None = None
    original_success: bool | None = None
    placement_error_mm: float | None = None
    path_m: float | None = None
    acceleration_m_s2: float | None = None
    jerk_m_s3: float | None = None
    num_malformed: int = 0
    num_unanswered: int = 0
    policy_ms: float = 0.0
    wall_s: float = 0.0
    faults: int = 0
    safety_events: int = 0
    action_rate_hz: float | None = None

    @property
    def scene(self) -> tuple[str, int]:
        """Which scene: task and seed."""
        return self.task, self.seed

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Trial":
        """The other way round.

        Raises:
            ConfigurationError: fields are missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigurationError(
                f"this is no trial of this version ({error}); expected the fields"
                f" {', '.join(sorted(known))}"
            ) from error
