"""ROS parameters of the VLA node, and the policy configuration they make."""

from dataclasses import dataclass

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_model.policies.registry import POLICIES
from spatialbot_model.policies.supervised import Patience
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.nodes.parameters import parameter
from spatialbot_ros.policy_watch import WatchLimits

_STEP_MARGIN_S = 0.25
"""The policy's own time-out comes first, because it knows what it waits for."""


@dataclass(frozen=True, slots=True)
class VlaParameters:
    """ROS parameters of the node."""

    policy: str = parameter("classical", "policy by name", choices=tuple(POLICIES))
    checkpoint: str = parameter("", "folder or name of the policy's weights")
    device: str = parameter("auto", "where weights are put: auto, cpu, cuda or cuda:N")
    num_threads: int = parameter(
        0, "of a model on the CPU; 0 = as many as there are cores", low=0, high=1024
    )
    max_depth_queries: int = parameter(3, "rounds of the depth tool per step", low=0, high=100)
    url: str = parameter("", "policy server of policy remote, ws://host:port")
    ssh: str = parameter("", "user@host[:port] to reach the server through; empty = directly")
    token_file: str = parameter("", "file with the policy server's token")
    ca_file: str = parameter(
        "", "PEM certificates to trust with wss://; empty = those of the system"
    )
    allow_unencrypted: bool = parameter(
        False, "reach a policy server on another machine with neither TLS nor ssh"
    )
    policy_timeout_s: float = parameter(
        2.0, "wall seconds after which a step is given up; the arm holds", low=0.05, high=600.0
    )
    policy_start_timeout_s: float = parameter(
        60.0,
        "wall seconds to begin an instruction, loading a policy again that hung included",
        low=0.1,
        high=3600.0,
    )
    policy_outage_s: float = parameter(
        30.0,
        "wall seconds without any answer after which the instruction ends",
        low=0.1,
        high=3600.0,
    )
    max_answer_age_s: float = parameter(
        0.9,
        "ROS seconds since the image; older answers are dropped, not executed",
        low=0.05,
        high=60.0,
    )
    action_spec_file: str = parameter("", "action spec YAML; empty = shipped")
    cell_file: str = parameter("", "cell YAML; empty = shipped")
    max_steps: int = parameter(400, "control steps before giving up", low=1, high=100_000)
    max_malformed_answers: int = parameter(
        3, "answers in a row that cannot be executed before giving up", low=1, high=100
    )
    max_stamp_lead_s: float = parameter(
        0.2, "how far an image's stamp may lie ahead of this node's clock", low=0.0, high=1.0
    )
    max_jump_m: float = parameter(
        0.065,
        "change of the step from one answer to the next; larger ones need a second answer",
        low=0.005,
        high=1.0,
    )
    max_jump_rad: float = parameter(0.2, "the same for the rotation", low=0.01, high=3.2)
    max_reversals: int = parameter(
        6, "changes of direction within 10 answers until it is an oscillation", low=1, high=10
    )
    max_gripper_changes: int = parameter(
        5, "openings and closings within 20 answers until it is an oscillation", low=1, high=20
    )
    home_first: bool = parameter(True, "move to the home pose before each instruction")
    camera_timeout_s: float = parameter(
        15.0,
        "wall seconds that the arm holds for a newer image; a camera that is plugged in again"
        " takes up to ten",
        low=0.1,
        high=120.0,
    )
    executor_timeout_s: float = parameter(
        5.0, "wall seconds to wait for the executor", low=0.1, high=120.0
    )

    def policy_config(self, action_spec: ActionSpec) -> PolicyConfig:
        """What the policy is made from."""
        return PolicyConfig(
            action_spec=action_spec,
            cell=load_cell(self.cell_file),
            checkpoint=self.checkpoint,
            device=self.device,
            num_threads=self.num_threads,
            max_depth_queries=self.max_depth_queries,
            timeout_s=self.policy_timeout_s,
            url=self.url,
            ssh=self.ssh,
            token_file=self.token_file,
            ca_file=self.ca_file,
            allow_unencrypted=self.allow_unencrypted,
        )

    def patience(self) -> Patience:
        """How long the policy is waited for."""
        return Patience(self.policy_timeout_s + _STEP_MARGIN_S, self.policy_start_timeout_s)

    def watch_limits(self) -> WatchLimits:
        """What is taken from the policy."""
        return WatchLimits(
            max_age_s=self.max_answer_age_s,
            max_future_s=self.max_stamp_lead_s,
            max_jump_m=self.max_jump_m,
            max_jump_rad=self.max_jump_rad,
            max_reversals=self.max_reversals,
            max_gripper_changes=self.max_gripper_changes,
        )
