"""The policy's side of the executor: actions out, acknowledgements and state in."""

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState
from std_srvs.srv import Trigger

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import RobotError, StaleDataError
from spatialbot_ros.executor_types import State
from spatialbot_ros.nodes.conversions import ns_to_stamp
from spatialbot_ros.nodes.qos import RECORDED

_POLL_S = 0.02
_BLOCKED_STATES = (ExecutorState.STOPPED, ExecutorState.FAULT, ExecutorState.DISCONNECTED)


class ExecutorLink:
    """Sends one action at a time and knows when it was taken."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._node = node
        self._timeout_s = timeout_s
        self._state: ExecutorState | None = None
        self._changed = threading.Condition()
        self._sequence = 0
        group = MutuallyExclusiveCallbackGroup()
        node.create_subscription(
            ExecutorState,
            "/spatialbot/executor_state",
            self._on_state,
            QoSProfile(depth=10),
            callback_group=group,
        )
        self._actions = node.create_publisher(DeltaActionMsg, "/spatialbot/action", RECORDED)
        self._home = node.create_client(Trigger, "/spatialbot/home", callback_group=group)

    @property
    def overridden(self) -> bool:
        """Whether a person has the arm; actions of others are refused meanwhile."""
        state = self._state
        return state is not None and state.state == State.TELEOP.value

    @property
    def tool_position_m(self) -> NDArray[np.float64]:
        """(3,) newest measured position of the tool centre point in the base frame."""
        p = self._known_state.measured.position
        return np.array([p.x, p.y, p.z])

    @property
    def tool_target_m(self) -> NDArray[np.float64]:
        """(3,) where the executor takes the tool centre point; measured while it holds."""
        p = self._known_state.target.position
        return np.array([p.x, p.y, p.z])

    def begin(self, check: Callable[[], None]) -> None:
        """Wait until the executor can move; counting goes on from its sequence.

        So a restarted policy node is not taken for a replay.

        Raises:
            RobotError: it cannot move; says why.
            StaleDataError: it does not answer.
        """
        state = self._wait(lambda state: True, "tell its state", check)
        self._sequence = int(state.last_sequence)

    def send(self, action: DeltaAction, observation_stamp_ns: int) -> int:
        """Publish an action; returns its sequence."""
        self._sequence += 1
        message = DeltaActionMsg(
            observation_stamp=ns_to_stamp(observation_stamp_ns),
            sequence=self._sequence,
            source="policy",
            action_spec_id=action.spec.id,
            bins=list(action.bins),
            translation=action.translation_m,
            rotation=action.rotation_rad,
            gripper_closed=action.gripper_closed,
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.header.frame_id = action.spec.frame
        self._actions.publish(message)
        return self._sequence

    def wait_taken(self, check: Callable[[], None]) -> None:
        """Until the executor has taken the last action.

        Raises:
            RobotError: it cannot move; says why.
            StaleDataError: it does not take it.
        """
        self._wait(
            lambda state: state.last_sequence >= self._sequence,
            f"take action {self._sequence}",
            check,
        )

    def go_home(self, check: Callable[[], None]) -> None:
        """Move the arm to the home pose, gripper open.

        Raises:
            RobotError: home was not reached; says why.
            StaleDataError: the executor does not answer.
        """
        if not self._home.wait_for_service(self._timeout_s):
            raise StaleDataError("/spatialbot/home does not answer; is the executor running?")
        future = self._home.call_async(Trigger.Request())
        while not future.done():
            check()
            time.sleep(_POLL_S)
        response = future.result()
        if response is None or not response.success:
            raise RobotError(f"could not move home: {response.message if response else ''}")

    @property
    def _known_state(self) -> ExecutorState:
        if self._state is None:
            raise StaleDataError("the executor has not told its state yet; is it running?")
        return self._state

    def _on_state(self, message: ExecutorState) -> None:
        with self._changed:
            self._state = message
            self._changed.notify_all()

    def _wait(
        self, is_met: Callable[[ExecutorState], bool], what: str, check: Callable[[], None]
    ) -> ExecutorState:
        deadline_s = time.monotonic() + self._timeout_s
        with self._changed:
            while True:
                check()
                state = self._state
                if state is not None and state.state in _BLOCKED_STATES:
                    raise RobotError(f"the executor is {state.state}: {state.detail}")
                # the state that says `homing` may be older than the answer that home is reached
                if state is not None and state.state != ExecutorState.HOMING and is_met(state):
                    return state
                if time.monotonic() > deadline_s:
                    raise StaleDataError(
                        f"the executor did not {what} within {self._timeout_s} s; is it running?"
                    )
                self._changed.wait(_POLL_S)
