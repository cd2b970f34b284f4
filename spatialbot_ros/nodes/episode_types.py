"""The message classes of the episode contract's topics, by full type name."""

from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import CameraInfo, Image, JointState
from spatialbot_msgs.msg import (
    Annotation,
    DeltaAction,
    ExecutorState,
    GripperState,
    PolicyStep,
    SafetyEvent,
)
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

EPISODE_TYPES = {
    f"{t.__module__.split('.')[0]}/msg/{t.__name__}": t
    for t in (
        *(CameraInfo, Image, JointState, PoseStamped, String, TFMessage),
        *(Annotation, DeltaAction, ExecutorState, GripperState, PolicyStep, SafetyEvent),
    )
}
