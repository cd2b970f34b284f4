"""What the robot side asks of a camera and of an arm. Pure: no device, no rclpy.

An adapter opens its device in `connect`, never in `__init__`, and is used from one
thread unless a method says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.types import CameraIntrinsics


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """Identity and calibration of a connected camera.

    Attributes:
        T_color_depth: (4, 4) pose of the depth optical frame in the colour optical frame.
    """

    name: str
    serial_no: str
    firmware: str
    color: CameraIntrinsics
    depth: CameraIntrinsics
    T_color_depth: NDArray[np.float64]
    rate_hz: float


@dataclass(frozen=True, slots=True)
class CameraFrameset:
    """One synchronised set; all images carry one stamp.

    The arrays may be views of the device's few buffers: they stay as they are, but whoever
    keeps more than eight framesets has to copy them.

    Attributes:
        stamp_ns: ROS time of the exposure in nanoseconds.
        frame_number: counter of the colour stream; gaps are lost frames.
        color: (H, W, 3) uint8 RGB.
        depth_mm: (h, w) uint16 in the depth optical frame, 0 = invalid.
        aligned_depth_mm: (H, W) uint16 in the colour optical frame, or None when not asked for.
        clock_jumped: the device's clock jumped before this set; its stamp was mapped anew.
    """

    stamp_ns: int
    frame_number: int
    color: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    aligned_depth_mm: NDArray[np.uint16] | None
    clock_jumped: bool = False


class Camera(Protocol):
    """A colour-and-depth camera."""

    def connect(self) -> CameraInfo:
        """Open the device and start streaming.

        Raises:
            CameraNotFoundError: nothing matches; names what was looked for and what is there.
            CameraError: it is there but cannot be opened.
        """
        ...

    def read(self, timeout_s: float, *, align: bool = True) -> CameraFrameset:
        """Wait for the next frameset, at most `timeout_s`.

        Raises:
            CameraTimeoutError: none came in time; the camera may still be used.
            HalfFramesetError: only one of its two images came; the camera may still be used.
            CameraError: the device is gone; call `close`, then `connect`.
        """
        ...

    def close(self) -> None:
        """Stop streaming and release the device; allowed at any time, more than once."""
        ...


class ArmMode(Enum):
    """What the robot itself reports."""

    IDLE = "idle"
    MOVING = "moving"
    REFLEX = "reflex"
    USER_STOPPED = "user_stopped"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ArmState:
    """One measured state.

    Attributes:
        robot_time_s: the robot's own clock; pacing and watchdogs use it.
        q_rad, dq_rad_s, tau_nm: (7,) joint positions, velocities, torques.
        T_base_ee: (4, 4) measured pose of the tool centre point in `fr3_link0`.
        gripper_width_m: opening between the fingers.
        errors: names of active robot errors.
        dq_commanded_rad_s: (7,) joint speeds that the robot was commanded in its last millisecond:
            on the way to what `stream_joints` asked for; None where the arm has no such.
        control_success_rate: share of the newest control commands that reached the robot in time,
            0 while nothing is controlled; None where the arm has no such.
    """

    robot_time_s: float
    q_rad: NDArray[np.float64]
    dq_rad_s: NDArray[np.float64]
    tau_nm: NDArray[np.float64]
    T_base_ee: NDArray[np.float64]
    gripper_width_m: float
    mode: ArmMode
    errors: tuple[str, ...] = ()
    dq_commanded_rad_s: NDArray[np.float64] | None = None
    control_success_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly joint speeds may change.

    Attributes:
        acceleration, jerk: shares, above 0 and at most 1, of what may be commanded of each joint
            (`fr3_limits.COMMAND_ACCELERATION_RAD_S2`, `COMMAND_JERK_RAD_S3`).
    """

    acceleration: float
    jerk: float


class Arm(Protocol):
    """A 7-axis arm with a two-finger gripper, driven by joint speeds.

    One thread owns all calls. No method blocks longer than a control period except
    `connect`, `move_to_joints` and `recover`.
    """

    def connect(self) -> None:
        """Open the connection.

        Raises:
            RobotConnectionError: nobody answers at the address; names it.
        """
        ...

    def read_state(self) -> ArmState:
        """Newest state.

        Raises:
            RobotConnectionError: the connection is lost; call `close`, then `connect`.
        """
        ...

    def stream_joints(
        self, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace | None = None
    ) -> None:
        """Move the joints at speeds (7,) for `hold_s`.

        `pace` bounds the way there and the way to rest; the arm's own bounds when None. All
        joints take the same time for a change.

        The motion ends at rest by itself when no further call comes: a stalled caller
        stops the arm. Pre-empts the running motion.

        Raises:
            RobotReflexError: the robot stopped itself.
            RobotConnectionError: the connection is lost.
        """
        ...

    def stop(self, pace: Pace | None = None) -> None:
        """Bring the arm to rest, as fast as `pace` allows; harmless at rest."""
        ...

    def move_to_joints(
        self,
        q_rad: NDArray[np.float64],
        speed_factor: float,
        go_on: Callable[[ArmState], bool] | None = None,
    ) -> bool:
        """Blocking joint motion, e.g. to the home pose; `speed_factor` in (0, 1].

        `go_on` is called with each newest state on the way, at least every 20 ms while the
        robot answers; when it returns False the arm is brought to rest where it is.

        Returns:
            True when the joints were reached, False when `go_on` ended the motion.

        Raises:
            RobotReflexError: the robot stopped itself.
            RobotConnectionError: the connection is lost.
        """
        ...

    def command_gripper(self, closed: bool) -> None:
        """Ask the gripper to grasp or to open; returns at once, the latest wish wins."""
        ...

    def withdraw_gripper(self) -> None:
        """Take back a wish that the gripper has not begun; what it does ends by itself."""
        ...

    def take_gripper_failure(self) -> str:
        """Why a command of the gripper failed, once; empty when none did."""
        ...

    def recover(self) -> None:
        """Clear a reflex; never moves by itself.

        Raises:
            RobotError: errors persist; lists them.
        """
        ...

    def close(self) -> None:
        """Stop and disconnect; allowed at any time, more than once."""
        ...
