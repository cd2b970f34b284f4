"""Sends one instruction to `/spatialbot/execute` once the suite runs, and logs how it ends.

Started by the launch argument ``instruction``; stays afterwards, so that the stack stays up.
"""

from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.timer import Timer
from spatialbot_msgs.action import ExecuteInstruction

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.nodes.parameters import declare, parameter
from spatialbot_ros.nodes.runtime import run_node

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class InstructParameters:
    """ROS parameters of the node."""

    instruction: str = parameter("", "what the robot shall do")


class InstructNode(Node):
    """Node `instruct`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("instruct")
        self._instruction = declare(self, InstructParameters).instruction
        if not self._instruction.strip():
            raise ConfigurationError(
                "the instruct node has no instruction; set the parameter `instruction`"
            )
        self._client = ActionClient(self, ExecuteInstruction, "/spatialbot/execute")
        self._timer: Timer = self.create_timer(_POLL_S, self._send_when_ready)

    def _send_when_ready(self) -> None:
        if not self._client.server_is_ready():
            return
        self._timer.cancel()
        goal = ExecuteInstruction.Goal(instruction=self._instruction)
        self.get_logger().info(f"instruction: {self._instruction}")
        self._client.send_goal_async(goal).add_done_callback(self._on_accepted)

    def _on_accepted(self, future: Any) -> None:
        future.result().get_result_async().add_done_callback(self._on_result)

    def _on_result(self, future: Any) -> None:
        result = future.result().result
        log = self.get_logger().info if result.finished else self.get_logger().error
        log(f"{'finished' if result.finished else 'failed'}: {result.reason}")


def main() -> None:
    """Entry point of `instruct_node`."""
    raise SystemExit(run_node(InstructNode))


if __name__ == "__main__":
    main()
