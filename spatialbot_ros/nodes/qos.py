"""Quality-of-service profiles that more than one node uses."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Late subscribers get the last message: instruction, status."""

RECORDED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=200, reliability=ReliabilityPolicy.RELIABLE
)
"""Publishers of an episode's small topics: a recorder that the machine holds up for a while
(two seconds of states at twice real time) still gets every message. A writer's depth bounds
what it may send again; readers choose theirs alone."""

STOP = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""Requests to stop: none may be lost, and none is meant for an executor that starts later."""
