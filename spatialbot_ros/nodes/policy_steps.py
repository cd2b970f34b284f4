"""PolicyStep -> message: what the policy said, how it came about and what became of it."""

import zlib
from collections.abc import Mapping

from builtin_interfaces.msg import Time
from spatialbot_msgs.msg import DepthAnswer as DepthAnswerMsg
from spatialbot_msgs.msg import PolicyStep as PolicyStepMsg

from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_ros.nodes.conversions import ns_to_stamp


def policy_step_to_msg(
    step: PolicyStep,
    observation: Observation,
    *,
    policy: str,
    now: Time,
    latencies_ms: Mapping[str, float],
    finished: bool = False,
    sequence: int = 0,
) -> PolicyStepMsg:
    """The message of one step.

    Args:
        policy: registry name.
        now: when the step ended [ROS time].
        latencies_ms: stages outside the policy; its own follow them.
        sequence: of the DeltaAction that it led to, 0 for none.
    """
    # a policy may not overwrite what the node measured itself
    latencies_ms = {
        **latencies_ms,
        **{k: v for k, v in step.stage_ms.items() if k not in latencies_ms},
    }
    message = PolicyStepMsg(
        observation_stamp=ns_to_stamp(step.observation_stamp_ns),
        depth_checksum=zlib.crc32(observation.newest.depth_mm.data),
        sequence=sequence,
        policy=policy,
        instruction=observation.instruction,
        text=step.text,
        stage=step.stage,
        finished=finished,
        latency_names=list(latencies_ms),
        latencies=list(latencies_ms.values()),
        action_probabilities=list(step.action_probabilities),
        depth_answers=[
            DepthAnswerMsg(x=a.x, y=a.y, valid=a.depth_mm is not None, depth=int(a.depth_mm or 0))
            for a in step.depth_answers
        ],
    )
    message.header.stamp = now
    return message
