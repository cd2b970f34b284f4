"""Whether a node could answer us: that a service is there does not say so.

We may know a node's services before it knows our ends of them. What it answers then goes nowhere
(Fast DDS gives our end 0.1 s to be found), and whoever asked waits for ever. A node hears of our
ends in the order that they were made in; so once it has answered the one made here, it knows those
made before.
"""

import time
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.node import Node

_ASK_AGAIN_S = 0.5


class Handshake:
    """Asks a node for none of its parameters until it answers.

    Make it after the clients that it vouches for; `is_done` is polled while `node` spins.
    """

    def __init__(self, node: Node, name: str) -> None:
        self._client = node.create_client(GetParameters, f"/{name}/get_parameters")
        self._asked: list[Any] = []
        self._ask_again_s = 0.0

    def restart(self) -> None:
        """Forget its answers: it may be another process now."""
        for future in self._asked:
            future.cancel()
        self._asked.clear()
        self._ask_again_s = 0.0

    def is_done(self) -> bool:
        """Whether the node has answered since `restart`; asks again from time to time."""
        if any(future.done() for future in self._asked):
            return True
        if time.monotonic() >= self._ask_again_s and self._client.service_is_ready():
            self._asked.append(self._client.call_async(GetParameters.Request()))
            self._ask_again_s = time.monotonic() + _ASK_AGAIN_S
        return False
