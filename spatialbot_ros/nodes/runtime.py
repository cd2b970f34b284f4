"""How every node process starts and ends.

`run_node` gives each executable the same manners: a user error at start is one clear line
on stderr and exit code 1; SIGINT and SIGTERM end the node cleanly (its ``close`` runs
before the ROS context goes) with exit code 0.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Protocol

import rclpy
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    SingleThreadedExecutor,
)
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from spatialbot_model.contracts.errors import SpatialBotError
from spatialbot_ros.nodes.draining_executor import DrainingExecutor

_SIGNAL_POLL_S = 0.2


class ClosableNode(Protocol):
    """A node that owns threads, devices or files."""

    def close(self) -> None:
        """Stop threads and release devices; called once, on the main thread."""
        ...


def run_node(
    make_node: Callable[[], Node], args: Sequence[str] | None = None, num_threads: int = 1
) -> int:
    """Create a node, spin it until it is asked to end, close it.

    Args:
        make_node: builds the node; may raise `SpatialBotError` for anything a user can mend.
        args: command line, default ``sys.argv``.
        num_threads: 1 for a single-threaded executor.

    Returns:
        Process exit code.
    """
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    executor: Executor = (
        SingleThreadedExecutor() if num_threads == 1 else DrainingExecutor(num_threads)
    )

    end_requested = False

    def request_end(signum: int, frame: FrameType | None) -> None:
        # shutting the context down here would pull it from under whatever is running
        nonlocal end_requested
        end_requested = True

    node: Node | None = None
    exit_code = 0
    try:
        signal.signal(signal.SIGINT, request_end)
        signal.signal(signal.SIGTERM, request_end)
        node = make_node()
        executor.add_node(node)
        while rclpy.ok() and not end_requested:
            # Python runs signal handlers only between waits: an idle node would never end
            executor.spin_once(timeout_sec=_SIGNAL_POLL_S)
    except SpatialBotError as error:
        sys.stderr.write(f"error: {error}\n")
        exit_code = 1
    except (ExternalShutdownException, KeyboardInterrupt):
        exit_code = 0
    finally:
        close = getattr(node, "close", None)
        if close is not None:
            close()
        executor.shutdown(timeout_sec=1.0)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return exit_code
