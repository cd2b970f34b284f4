"""A policy drives, the expert says what would have been right and takes over in between.

Dataset aggregation: the policy gets into states that the expert alone never sees, and every one
of them is labelled. The policy is given exactly what the environment observes, at every step it
is asked; what it cannot answer is a hold, as on the robot.
"""

from dataclasses import dataclass, field

from spatialbot_model.contracts.action_codec import (
    DeltaAction,
    Finished,
    parse_action_text,
)
from spatialbot_model.contracts.errors import ActionParseError, ConfigurationError, PolicyError
from spatialbot_model.contracts.types import Observation
from spatialbot_model.policies.base import Policy, PolicyConfig, relocate
from spatialbot_model.policies.registry import make_policy
from spatialbot_sim.drivers import EXPERT_SOURCE, POLICY_SOURCE, Drive, DriveTally
from spatialbot_sim.proprioception import Proprioception
from spatialbot_sim.takeover import Takeover, TakeoverOptions
from spatialbot_sim.tasks import Scene

_PATIENCE = 5
"""So many questions without one answer, and nothing is to be expected any more."""


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """Which policy drives and how much; may be pickled.

    Attributes:
        policy: name in the registry of policies.
        config: what it is made from. Its time limit should be generous: a step that is too
            late is a hold, and then the episode depends on how busy the machine is.
        round_number: of the aggregation, from 1; part of the variant and of the seeds.
        takeover: when the expert drives.

    Raises:
        ConfigurationError: a round below 1.
    """

    policy: str
    config: PolicyConfig
    round_number: int = 1
    takeover: TakeoverOptions = field(default_factory=TakeoverOptions)

    def __post_init__(self) -> None:
        if self.round_number < 1:
            raise ConfigurationError(f"round is {self.round_number}, expected 1 or more")

    @property
    def variant(self) -> str:
        """Name of this way of making episodes."""
        return f"rollout{self.round_number}"


class PolicyDriver:
    """See the module docstring; implements `drivers.Driver`. Made by `open`.

    Args:
        policy: closed with the driver.
    """

    varies = True

    def __init__(self, policy: Policy, options: RolloutOptions) -> None:
        self._policy, self._options = policy, options
        self._takeover = Takeover(options.takeover, [0])
        self._drove = False
        self._num_failed = 0
        self._answers = False
        self.tally = DriveTally()

    @classmethod
    def open(cls, options: RolloutOptions) -> "PolicyDriver":
        """Make the policy.

        Raises:
            UnknownNameError: no such policy.
            SpatialBotError: the policy cannot be made, see `make_policy`.
        """
        return cls(make_policy(options.policy, options.config), options)

    def start(self, scene: Scene, attempt: int) -> None:
        """See `Driver`."""
        seed = [scene.seed % 2**63, self._options.round_number]
        self._takeover = Takeover(self._options.takeover, seed, attempt)
        self._drove = True
        self.tally = DriveTally()
        self._policy.start(scene.instruction)

    def drive(self, observation: Observation, robot: Proprioception, expert: DeltaAction) -> Drive:
        """See `Driver`."""
        if not self._takeover.policy_is_next():
            self._drove = False
            return Drive(expert, EXPERT_SOURCE)
        if not self._drove:
            relocate(self._policy, robot.T_base_ee[:3, 3])
            self._drove = True
        self.tally.num_policy += 1
        action, remark = self._ask(observation, expert)
        if action is None:
            action = DeltaAction.from_values(
                [0.0] * 3, [0.0] * 3, robot.gripper_closed, expert.spec
            )
        return Drive(action, POLICY_SOURCE, remark)

    def close(self) -> None:
        """See `Driver`."""
        self._policy.close()

    def _ask(self, observation: Observation, expert: DeltaAction) -> tuple[DeltaAction | None, str]:
        """The policy's action, or None and what it said instead."""
        tally = self.tally
        try:
            text = self._policy.step(observation).text
        except PolicyError as error:
            tally.num_unanswered += 1
            self._num_failed += 1
            if self._num_failed == _PATIENCE and not self._answers:
                raise PolicyError(
                    f"the policy {self._options.policy!r} has answered none of {_PATIENCE}"
                    f" questions, nothing can be collected with it: {error}"
                ) from error
            self._takeover.give_up()
            return None, f"no answer: {error}"
        self._answers = True
        try:
            action = parse_action_text(text, expert.spec)
        except ActionParseError as error:
            tally.num_malformed += 1
            return None, f"unreadable: {error}"
        if isinstance(action, Finished):
            tally.num_early_ends += 1
            self._takeover.give_up()
            return None, text
        tally.compare(action, expert)
        return action, ""
