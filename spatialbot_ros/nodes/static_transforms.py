"""Static transforms: /tf_static out and in, through tf2_ros where a ROS desktop has it.

Without tf2_ros the same latched topic is written and read directly; only chains of static
transforms can be looked up then, which is all that the suite needs.
"""

from collections.abc import Iterable

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from tf2_msgs.msg import TFMessage

from spatialbot_model.contracts.frame_tree import FrameTree
from spatialbot_ros.nodes.conversions import msg_to_transform

try:
    import tf2_ros
except ImportError:  # no ROS desktop; see the module docstring
    tf2_ros = None

STATIC_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class StaticTransformPublisher:
    """Latches transforms on /tf_static; one per node."""

    def __init__(self, node: Node) -> None:
        self._backend = _Tf2Publisher(node) if tf2_ros else _WirePublisher(node)

    def send(self, transforms: Iterable[TransformStamped]) -> None:
        """Publish; a later transform of the same child frame replaces the earlier one."""
        self._backend.send(transforms)


class StaticTransformListener:
    """Keeps the static tree and answers `lookup`; never waits."""

    def __init__(self, node: Node) -> None:
        self._backend = _Tf2Listener(node) if tf2_ros else _WireListener(node)

    def lookup(self, target: str, source: str) -> NDArray[np.float64] | None:
        """Pose of `source` in `target`, (4, 4), or None while the chain is not known."""
        return self._backend.lookup(target, source)


class _Tf2Publisher:
    def __init__(self, node: Node) -> None:
        self._broadcaster = tf2_ros.StaticTransformBroadcaster(node)

    def send(self, transforms: Iterable[TransformStamped]) -> None:
        self._broadcaster.sendTransform(list(transforms))


class _Tf2Listener:
    def __init__(self, node: Node) -> None:
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def lookup(self, target: str, source: str) -> NDArray[np.float64] | None:
        try:
            found = self._buffer.lookup_transform(target, source, Time())
        except tf2_ros.TransformException:
            return None
        return msg_to_transform(found.transform)


class _WirePublisher:
    """Writes /tf_static directly; all transforms of the node in one latched message."""

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(TFMessage, "/tf_static", STATIC_QOS)
        self._transforms: dict[str, TransformStamped] = {}

    def send(self, transforms: Iterable[TransformStamped]) -> None:
        self._transforms.update({t.child_frame_id: t for t in transforms})
        self._publisher.publish(TFMessage(transforms=list(self._transforms.values())))


class _WireListener:
    """Reads /tf_static directly and keeps the tree."""

    def __init__(self, node: Node) -> None:
        self._tree = FrameTree()
        self._subscription = node.create_subscription(
            TFMessage, "/tf_static", self._on_message, STATIC_QOS
        )

    def _on_message(self, message: TFMessage) -> None:
        for transform in message.transforms:
            T = msg_to_transform(transform.transform)
            self._tree.set(transform.header.frame_id, transform.child_frame_id, T)

    def lookup(self, target: str, source: str) -> NDArray[np.float64] | None:
        return self._tree.lookup(target, source)
