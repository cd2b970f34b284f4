"""Asks the executor to stop, from a program that lives as long as the question."""

import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from spatialbot_model.contracts.errors import RobotError, StaleDataError
from spatialbot_ros.nodes.qos import STOP

_ASK_AGAIN_S = 0.5
STOP_TOPIC = "/spatialbot/stop_request"


def request_stop(timeout_s: float) -> str:
    """Latch the stop: say it on the topic again and again until the service has confirmed it.

    Returns:
        The executor's answer.

    Raises:
        StaleDataError: nobody answered in time.
        RobotError: the executor refused.
    """
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("stop_request", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        publisher = node.create_publisher(Empty, STOP_TOPIC, STOP)
        client = node.create_client(Trigger, "/spatialbot/stop")
        ends_s = time.monotonic() + timeout_s
        asked: list[Any] = []
        ask_again_s = 0.0
        while time.monotonic() < ends_s and not any(future.done() for future in asked):
            publisher.publish(Empty())
            # an executor that does not know this client yet answers nobody
            if time.monotonic() >= ask_again_s and client.service_is_ready():
                asked.append(client.call_async(Trigger.Request()))
                ask_again_s = time.monotonic() + _ASK_AGAIN_S
            executor.spin_once(timeout_sec=0.02)
        response = next((future.result() for future in asked if future.done()), None)
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.shutdown(context=context)
    if response is None:
        raise StaleDataError(
            f"no executor answered within {timeout_s} s. If the arm moves, use its emergency stop;"
            " then check ROS_DOMAIN_ID, and that the executor runs"
        )
    if not response.success:
        raise RobotError(f"the executor did not stop: {response.message}")
    return str(response.message)
