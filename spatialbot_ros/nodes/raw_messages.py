"""Serialised messages as rclpy hands them out with ``raw=True``: peek without decoding."""

import struct

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

_STAMP = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}
_ENCAPSULATION_BYTES = 4


def peek_stamp_ns(data: bytes) -> int:
    """Stamp [ns] of a serialised message that starts with a std_msgs/Header.

    The CDR encapsulation's second byte tells the byte order; the stamp follows it.
    """
    seconds, nanoseconds = _STAMP[data[1] & 1].unpack_from(data, _ENCAPSULATION_BYTES)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def matching_qos(node: Node, topic: str, depth: int, *, latched: bool) -> QoSProfile:
    """A subscription's QoS that loses least and still matches everybody who publishes now.

    Reliable unless a publisher offers best effort only. `latched` asks for what was sent
    before; it is asked for only where it is meant, lest old events appear as new ones.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    best_effort = any(
        p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for p in publishers
    )
    volatile = not latched or any(
        p.qos_profile.durability == DurabilityPolicy.VOLATILE for p in publishers
    )
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=(ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE),
        durability=DurabilityPolicy.VOLATILE if volatile else DurabilityPolicy.TRANSIENT_LOCAL,
    )
