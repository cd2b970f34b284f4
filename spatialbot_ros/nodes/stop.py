"""Asks the executor to stop, from a program that lives as long as the question."""

import threading
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from spatialbot_model.contracts.errors import RobotError, StaleDataError
from spatialbot_ros.nodes.qos import STOP

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
        answered = threading.Event()
        future = None
        while time.monotonic() < ends_s and not answered.is_set():
            publisher.publish(Empty())
            if future is None and client.service_is_ready():
                future = client.call_async(Trigger.Request())
                future.add_done_callback(lambda _: answered.set())
            executor.spin_once(timeout_sec=0.02)
        response = future.result() if future is not None and answered.is_set() else None
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
