"""ROS parameters of the VLA node, and the policy configuration they make."""

from dataclasses import dataclass

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_model.policies.registry import POLICIES
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.nodes.parameters import parameter


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
    policy_timeout_s: float = parameter(
        2.0, "wall seconds after which a step is given up; the arm holds", low=0.05, high=600.0
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
        3, "unreadable answers in a row before giving up", low=1, high=100
    )
    home_first: bool = parameter(True, "move to the home pose before each instruction")
    camera_timeout_s: float = parameter(
        5.0, "wall seconds to wait for a newer image", low=0.1, high=120.0
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
        )
