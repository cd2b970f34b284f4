"""From the arguments of a collection to the policy that drives it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell

if TYPE_CHECKING:
    from spatialbot_sim.rollout import RolloutOptions

_PATIENCE_S = 60.0
"""What a busy machine may need for an answer; episodes must not depend on how busy it is."""


@dataclass(frozen=True, slots=True)
class RolloutArguments:
    """What a user says about the policy.

    Attributes:
        policy: name in the registry.
        checkpoint: folder or name of its weights.
        round_number: of the aggregation, from 1.
        policy_share: of the steps, in (0, 1].
        device: of the weights.
        url: of a policy server.
    """

    policy: str
    checkpoint: str = ""
    round_number: int = 1
    policy_share: float = 0.6
    device: str = "auto"
    url: str = ""

    def options(self, cell: Cell, spec: ActionSpec) -> "RolloutOptions":
        """The options of the collector.

        Raises:
            ConfigurationError: a share or round that cannot be used.
        """
        from spatialbot_model.policies.base import PolicyConfig
        from spatialbot_sim.rollout import RolloutOptions
        from spatialbot_sim.takeover import TakeoverOptions

        config = PolicyConfig(
            action_spec=spec,
            cell=cell,
            checkpoint=self.checkpoint,
            device=self.device,
            num_threads=1,
            timeout_s=_PATIENCE_S,
            url=self.url,
        )
        takeover = TakeoverOptions(policy_share=self.policy_share)
        return RolloutOptions(self.policy, config, self.round_number, takeover)

    def provenance(self) -> dict[str, str | int | float]:
        """What to write into the episodes: the weights by content, for the folder may change.

        Raises:
            CheckpointError: a folder that holds no checkpoint.
        """
        from spatialbot_model.evaluation.trials_file import checkpoint_hash

        folder = Path(self.checkpoint).expanduser()
        known = bool(self.checkpoint) and folder.is_dir()
        return {
            "policy": self.policy,
            "checkpoint": self.checkpoint or self.url,
            "checkpoint_hash": checkpoint_hash(folder) if known else "",
            "round": self.round_number,
            "policy_share": self.policy_share,
        }
