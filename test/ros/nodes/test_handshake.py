"""A client asks only nodes that know it."""

import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from spatialbot_ros.nodes.handshake import Handshake

TIMEOUT_S = 30.0


@pytest.fixture
def spinning() -> Iterator[tuple[SingleThreadedExecutor, Node, Node]]:
    """Executor, a node that asks, and one that is asked, in contexts of their own."""
    contexts = [rclpy.Context(), rclpy.Context()]
    for context in contexts:
        rclpy.init(args=[], context=context)
    asking = rclpy.create_node("asking", context=contexts[0])
    asked = rclpy.create_node("asked", context=contexts[1])
    executor = SingleThreadedExecutor(context=contexts[0])
    executor.add_node(asking)
    yield executor, asking, asked
    executor.shutdown()
    for node, context in ((asking, contexts[0]), (asked, contexts[1])):
        node.destroy_node()
        context.try_shutdown()


def test_it_is_done_once_the_node_answers_and_not_before(
    spinning: tuple[SingleThreadedExecutor, Node, Node],
) -> None:
    executor, asking, asked = spinning
    handshake, nobody = Handshake(asking, "asked"), Handshake(asking, "nobody")
    answering = SingleThreadedExecutor(context=asked.context)
    deadline_s = time.monotonic() + TIMEOUT_S

    # the node is there and does not spin: it knows nobody
    while "asked" not in asking.get_node_names():
        assert time.monotonic() < deadline_s, "the node was not discovered"
        executor.spin_once(timeout_sec=0.01)
    for _ in range(20):
        assert not handshake.is_done()
        executor.spin_once(timeout_sec=0.01)

    answering.add_node(asked)
    for _ in range(2):  # and again after it has been forgotten
        handshake.restart()
        assert not handshake.is_done()
        while not handshake.is_done():
            assert time.monotonic() < deadline_s, "the node did not answer"
            answering.spin_once(timeout_sec=0.01)
            executor.spin_once(timeout_sec=0.01)
    answering.shutdown()
    assert not nobody.is_done()
