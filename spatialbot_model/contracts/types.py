"""Value types that cross module borders: frames, observations and policy steps.

All are immutable. Arrays inside them are not copied; whoever builds one hands it over.
Units are SI except depth images, which are uint16 millimetres with 0 = no return.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialbot_model.contracts.errors import ConfigurationError

COLOR_OPTICAL_FRAME = "camera_color_optical_frame"
BASE_FRAME = "fr3_link0"

ImageRole = Literal["rgb", "depth"]
"""What an image shown to the model is; declared, never guessed from its band count."""

IMAGE_ROLES: tuple[ImageRole, ...] = ("rgb", "depth")


@dataclass(frozen=True, slots=True)
class CameraIntrinsics:
    """Pinhole model of one image stream (plumb_bob distortion, REP-104).

    Attributes:
        width, height: image size in pixels.
        fx_px, fy_px: focal lengths in pixels.
        cx_px, cy_px: principal point in pixels; (0, 0) is the centre of the top-left pixel.
        distortion: k1, k2, p1, p2, k3 (unitless).
    """

    width: int
    height: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """K, shape (3, 3)."""
        return np.array(
            [[self.fx_px, 0.0, self.cx_px], [0.0, self.fy_px, self.cy_px], [0.0, 0.0, 1.0]]
        )

    def deproject(self, u_px: ArrayLike, v_px: ArrayLike, z_m: ArrayLike) -> NDArray[np.float64]:
        """Pixels and z-depths to points in the optical frame [m], shape (..., 3).

        Distortion is ignored: both RealSense streams used here are rectified.
        """
        z_m = np.asarray(z_m, dtype=np.float64)
        x_m = (np.asarray(u_px) - self.cx_px) / self.fx_px * z_m
        y_m = (np.asarray(v_px) - self.cy_px) / self.fy_px * z_m
        return np.stack([x_m, y_m, z_m], axis=-1)

    def project(self, points_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in the optical frame, shape (..., 3) [m], to pixels (u, v), shape (..., 2)."""
        points_m = np.asarray(points_m, dtype=np.float64)
        z_m = points_m[..., 2]
        u_px = points_m[..., 0] / z_m * self.fx_px + self.cx_px
        v_px = points_m[..., 1] / z_m * self.fy_px + self.cy_px
        return np.stack([u_px, v_px], axis=-1)


@dataclass(frozen=True, slots=True)
class RgbdFrame:
    """One synchronised colour image and the depth aligned to it.

    Attributes:
        stamp_ns: acquisition time, ROS time in nanoseconds (simulation time in simulation).
        color: (H, W, 3) uint8 RGB.
        depth_mm: (H, W) uint16 z-depth in millimetres in the colour optical frame, 0 = invalid.
        intrinsics: pinhole model of the colour image, valid for both arrays.
    """

    stamp_ns: int
    color: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    intrinsics: CameraIntrinsics

    def __post_init__(self) -> None:
        shape = (self.intrinsics.height, self.intrinsics.width)
        if self.color.dtype != np.uint8 or self.color.shape != (*shape, 3):
            raise ConfigurationError(
                f"color is {self.color.dtype} {self.color.shape}, expected uint8 {(*shape, 3)}"
            )
        if self.depth_mm.dtype != np.uint16 or self.depth_mm.shape != shape:
            raise ConfigurationError(
                f"depth_mm is {self.depth_mm.dtype} {self.depth_mm.shape}, expected uint16 {shape}"
                " in millimetres, aligned to colour"
            )


@dataclass(frozen=True, slots=True)
class PromptImage:
    """One image of a prompt with its declared role.

    Attributes:
        role: rgb or depth.
        pixels: rgb (H, W, 3) uint8 RGB; depth (H, W) uint16 or uint32 millimetres, not encoded.
        age: control steps before the newest frame, 0 = newest; images of one frame share it.

    Raises:
        ConfigurationError: an unknown role, pixels that do not fit it, or a negative age.
    """

    role: ImageRole
    pixels: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
    age: int = 0

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        fits = {
            "rgb": len(shape) == 3 and shape[-1] == 3 and dtype == np.uint8,
            "depth": len(shape) == 2 and dtype in (np.uint16, np.uint32),
        }
        if self.role not in fits:
            raise ConfigurationError(f"image role is {self.role!r}, expected one of {IMAGE_ROLES}")
        if not fits[self.role] or 0 in shape:
            raise ConfigurationError(
                f"an image of role {self.role!r} is {dtype} {shape}; expected rgb (H, W, 3) uint8"
                " or depth (H, W) uint16 or uint32 millimetres"
            )
        if self.age < 0:
            raise ConfigurationError(f"image age is {self.age}, expected 0 (newest) or more")


ROBOT_STATE_WIDTH = 21
"""Numbers of `RobotState.vector`."""


@dataclass(frozen=True, slots=True, eq=False)
class RobotState:
    """What the robot knows about itself when a frame is taken (proprioception).

    Attributes:
        T_base_ee: (4, 4) measured pose of the tool centre point in `fr3_link0`.
        T_base_target: (4, 4) where the actions so far have sent it; deltas add to this pose, and
            the measured one follows late.
        gripper_width_m: opening between the fingers.
        gripper_closed: what the gripper was last asked to do.
        gripper_speed_m_s: of the opening in the last tenth of a second, positive = opening; tells
            fingers that still close from those that hold something.

    Raises:
        ConfigurationError: no (4, 4) float64 poses, or numbers that are not finite.
    """

    T_base_ee: NDArray[np.float64]
    T_base_target: NDArray[np.float64]
    gripper_width_m: float
    gripper_closed: bool
    gripper_speed_m_s: float = 0.0

    def __post_init__(self) -> None:
        for pose in (self.T_base_ee, self.T_base_target):
            if pose.dtype != np.float64 or pose.shape != (4, 4):
                raise ConfigurationError(
                    f"a robot's state has a pose of {pose.dtype} {pose.shape}, expected float64"
                    " (4, 4)"
                )
            hand = (self.gripper_width_m, self.gripper_speed_m_s)
            if not (np.isfinite(pose).all() and np.isfinite(hand).all()):
                raise ConfigurationError(
                    f"a robot's state has the pose {pose.tolist()} and the gripper width and speed"
                    f" {hand} m, m/s; expected finite numbers"
                )

    @classmethod
    def from_vector(cls, vector: NDArray[np.float32]) -> "RobotState | None":
        """Inverse of `vector`; None where it is unknown (NaN).

        Raises:
            ConfigurationError: another number of numbers.
        """
        if vector.shape != (ROBOT_STATE_WIDTH,):
            raise ConfigurationError(
                f"a robot's state is a vector of shape {vector.shape}, expected"
                f" ({ROBOT_STATE_WIDTH},)"
            )
        if np.isnan(vector).any():
            return None
        values = vector.astype(np.float64)
        return cls(
            _pose(values[:9]),
            _pose(values[11:20]),
            float(values[9]),
            bool(values[10]),
            float(values[20]),
        )

    def vector(self) -> NDArray[np.float32]:
        """(21,): measured pose (9), width [m], closed (0, 1), target pose (9), finger speed [m/s].

        A pose is x, y, z [m] and the first two columns of the rotation.
        """
        measured, target = self.T_base_ee, self.T_base_target
        return np.concatenate(
            [
                measured[:3, 3],
                measured[:3, 0],
                measured[:3, 1],
                [self.gripper_width_m, self.gripper_closed],
                target[:3, 3],
                target[:3, 0],
                target[:3, 1],
                [self.gripper_speed_m_s],
            ]
        ).astype(np.float32)


def _pose(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    T = np.eye(4)
    T[:3, 0], T[:3, 1], T[:3, 3] = numbers[3:6], numbers[6:9], numbers[:3]
    T[:3, 2] = np.cross(numbers[3:6], numbers[6:9])
    return T


@dataclass(frozen=True, slots=True)
class Observation:
    """What a policy sees at one control step.

    Attributes:
        frames: newest first, padded by repeating the oldest (paper III-E: four frames).
        instruction: what the user asked for.
        T_base_camera: (4, 4) pose of the colour optical frame in `fr3_link0`.
        robot: at the moment of the newest frame; None when nobody tells.
    """

    frames: tuple[RgbdFrame, ...]
    instruction: str
    T_base_camera: NDArray[np.float64]
    robot: RobotState | None = None

    @property
    def newest(self) -> RgbdFrame:
        """The frame that the action will be attributed to."""
        return self.frames[0]


@dataclass(frozen=True, slots=True)
class DepthAnswer:
    """One answered `Depth(x,y)` call; x, y in [0, 1] of the original image, depth in mm."""

    x: float
    y: float
    depth_mm: int | None
    """None when neither the pixel nor its 5x5 neighbourhood has a return."""


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """What a policy answers: text in SpatialBot's language and how it came about.

    The text is the answer. It is parsed by `action_codec.parse_action_text`, the same
    for a model, a remote model and the classical policy.

    Attributes:
        text: e.g. ``The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>.``
        observation_stamp_ns: stamp of the newest frame that the step was computed from.
        depth_answers: depth-tool calls made on the way.
        stage: short name of what the policy is doing, for people ("reach", "" when unknown).
        stage_ms: wall milliseconds per pipeline stage.
        action_probabilities: (7,) probability of each chosen bin, empty when unknown.
    """

    text: str
    observation_stamp_ns: int
    depth_answers: tuple[DepthAnswer, ...] = ()
    stage: str = ""
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    action_probabilities: tuple[float, ...] = ()
