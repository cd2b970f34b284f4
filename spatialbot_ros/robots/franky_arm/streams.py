"""How joint speeds become motion of a Franka: one class for each backend."""

from typing import Any, Protocol

import franky
import numpy as np
from numpy.typing import NDArray

from spatialbot_ros.ports import Pace
from spatialbot_ros.robots.backends import IMPEDANCE, VELOCITY
from spatialbot_ros.robots.spring_reference import SpringReference

_SPEED_DECIMALS = 6
"""A microradian per second: finer differences are noise to the planner."""
_STIFFNESS_NM_RAD = np.array([600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 50.0])
_DAMPING_NMS_RAD = np.array([50.0, 50.0, 50.0, 50.0, 30.0, 25.0, 15.0])


class JointStream(Protocol):
    """Feeds one robot; errors are franky's."""

    def stream(self, robot: Any, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace) -> None:
        """See `ports.Arm.stream_joints`."""
        ...

    def reset(self) -> None:
        """The arm was told to stop, or is another one."""
        ...

    def commanded_rad_s(self, state: Any) -> NDArray[np.float64] | None:
        """(7,) speeds that the robot was commanded in its last millisecond, if there are any."""
        ...


class VelocityStream:
    """Velocity motions of two waypoints: the speeds, held for a while, and zero.

    The zero tail is executed in franky's own control loop, so an arm whose caller stalls comes to
    rest by itself, within the acceleration limits, which are bounds of each joint there.
    """

    def stream(self, robot: Any, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace) -> None:
        """See `JointStream`."""
        hold = franky.Duration(max(1, round(hold_s * 1e3)))
        waypoint = franky.JointVelocityWaypoint
        motion = franky.JointVelocityWaypointMotion(
            [
                waypoint(np.round(dq_rad_s, _SPEED_DECIMALS), hold_target_duration=hold),
                waypoint(np.zeros(7)),
            ],
            relative_dynamics_factor=_dynamics(pace),
        )
        # no limit_rate: it lags behind speeds that are within the limits and overshoots them
        robot.move(motion, asynchronous=True)

    def reset(self) -> None:
        """See `JointStream`."""

    def commanded_rad_s(self, state: Any) -> NDArray[np.float64] | None:
        """See `JointStream`."""
        return np.array(state.dq_d, dtype=np.float64)


class ImpedanceStream:
    """Torques of springs and dampers that pull the joints after a `SpringReference`."""

    def __init__(self) -> None:
        self._motion: Any = None
        self._reference: SpringReference | None = None

    def stream(self, robot: Any, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace) -> None:
        """See `JointStream`."""
        state = robot.state
        q_rad, time_s = np.array(state.q, dtype=np.float64), state.time.to_sec()
        kind = robot.current_control_signal_type if robot.is_in_control else None
        if self._reference is None or kind != franky.ControlSignalType.Torques:
            self._reference = SpringReference(q_rad, time_s)
            self._motion = franky.JointImpedanceTrackingMotion(
                stiffness=_STIFFNESS_NM_RAD, damping=_DAMPING_NMS_RAD
            )
            self._point(self._reference)
            robot.move(self._motion, asynchronous=True)
        self._reference.advance(time_s, dq_rad_s, hold_s, pace, q_rad)
        self._point(self._reference)

    def reset(self) -> None:
        """See `JointStream`."""
        self._motion = self._reference = None

    def commanded_rad_s(self, state: Any) -> NDArray[np.float64] | None:
        """See `JointStream`: springs may lag behind, which is no fault of a joint."""
        return None

    def _point(self, reference: SpringReference) -> None:
        self._motion.set_reference(franky.JointReference(reference.q_rad, reference.dq_rad_s))


STREAMS: dict[str, type[VelocityStream] | type[ImpedanceStream]] = {
    VELOCITY: VelocityStream,
    IMPEDANCE: ImpedanceStream,
}


def stop_motion(robot: Any, pace: Pace) -> None:
    """Bring the arm to rest whatever it does; nothing at rest."""
    kind = robot.current_control_signal_type
    if kind is None or not robot.is_in_control:
        return
    types = franky.ControlSignalType
    if kind == types.JointVelocities:
        robot.move(franky.JointVelocityStopMotion(_dynamics(pace)), asynchronous=True)
    elif kind == types.JointPositions:
        robot.move(franky.JointStopMotion(_dynamics(pace)), asynchronous=True)
    elif kind == types.Torques:
        robot.move(franky.TorqueStopMotion(), asynchronous=True)
    else:
        robot.stop()


def _dynamics(pace: Pace) -> Any:
    """A pace is a share of the limits that were set on connecting."""
    return franky.RelativeDynamicsFactor(1.0, pace.acceleration, pace.jerk)
