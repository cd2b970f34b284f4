"""What a run looks like in rerun; the only place that knows rerun.

`RerunView` takes messages of the episode's topics, live or from a bag, and logs them to a file
or to a viewer. Images are thinned to a few per second and compressed, so that a recording of a
minute stays in the megabytes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from numpy.typing import NDArray

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.frame_tree import FrameTree
from spatialbot_model.contracts.message_fields import image_of, intrinsics_of, transform_of
from spatialbot_model.contracts.types import BASE_FRAME, COLOR_OPTICAL_FRAME

_TIMELINE = "ros_time"
_JPEG_QUALITY = 80
_DEPTH_STRIDE = 2
_PATH_POINTS = 1200
_PATH_COLOR = (255, 140, 0)
_EPOCH_NS = 1_000_000_000_000_000_000


class RerunView:
    """Logs a run; `save` or `connect` first, then `log` what `wants` asks for.

    Args:
        image_period_s: shortest time between two logged images of one topic.
        state_period_s: the same for joints, poses and gripper.
    """

    def __init__(self, image_period_s: float = 0.2, state_period_s: float = 0.1) -> None:
        self._recording = rr.RecordingStream("spatialbot")
        # thinning is exact only if a stamp that is late by rounding still counts
        self._image_period_ns = int(image_period_s * 0.9e9)
        self._state_period_ns = int(state_period_s * 0.9e9)
        self._last_ns: dict[str, int] = {}
        self._frames = FrameTree()
        self._path: deque[tuple[float, float, float]] = deque(maxlen=_PATH_POINTS)
        self._executor_state = ""
        self._is_epoch: bool | None = None
        self._series_named = False
        self._calibrated = False

    def save(self, path: Path) -> None:
        """Log into an .rrd file.

        Raises:
            ConfigurationError: its folder cannot be made.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the recording cannot be written to {path}: {error.strerror}"
            ) from error
        self._recording.save(path, default_blueprint=_blueprint())
        self._begin()

    def connect(self, url: str) -> None:
        """Log to a running viewer or server."""
        self._recording.connect_grpc(url, default_blueprint=_blueprint())
        self._begin()

    def close(self) -> None:
        """Write out what is buffered."""
        self._recording.flush(timeout_sec=5.0)
        self._recording.disconnect()

    def wants(self, topic: str, stamp_ns: int) -> bool:
        """Whether `log` would use a message of this stamp; saves decoding the others."""
        role = contract.EPISODE_TOPICS[topic].role
        if role is contract.TopicRole.IMAGE:
            period_ns = self._image_period_ns
        elif role is contract.TopicRole.STATE:
            period_ns = self._state_period_ns
        else:
            return True
        last_ns = self._last_ns.get(topic)
        return last_ns is None or not 0 <= stamp_ns - last_ns < period_ns

    def log(self, topic: str, stamp_ns: int, message: Any) -> None:
        """Log one message of a topic of the episode contract.

        Args:
            message: rclpy's object, or one decoded from a bag.
        """
        self._last_ns[topic] = stamp_ns
        if topic != contract.STATIC_TF_TOPIC:
            self._set_time(stamp_ns)
        handler = _HANDLERS.get(topic)
        if handler is not None:
            handler(self, message)

    def _set_time(self, stamp_ns: int) -> None:
        if self._is_epoch is None:
            # a timeline keeps its kind: simulation time counts from zero, ROS time from 1970
            self._is_epoch = stamp_ns >= _EPOCH_NS
        if self._is_epoch:
            self._recording.set_time(_TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))
        else:
            self._recording.set_time(_TIMELINE, duration=np.timedelta64(stamp_ns, "ns"))

    def _begin(self) -> None:
        self._recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)

    def _on_color(self, message: Any) -> None:
        bgr = cv2.cvtColor(image_of(message), cv2.COLOR_RGB2BGR)
        encoded = _encode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        image = rr.EncodedImage(contents=encoded, media_type="image/jpeg")
        self._recording.log("world/camera/color", image)

    def _on_depth(self, message: Any) -> None:
        # nearest by striding: a mean of two depths is a surface that is not there
        depth_mm = np.ascontiguousarray(image_of(message)[::_DEPTH_STRIDE, ::_DEPTH_STRIDE])
        encoded = _encode(".png", depth_mm, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        image = rr.EncodedDepthImage(encoded, media_type="image/png", meter=1000.0)
        self._recording.log("world/depth_camera/depth", image)

    def _on_camera_info(self, message: Any) -> None:
        T = self._frames.lookup(BASE_FRAME, message.header.frame_id or COLOR_OPTICAL_FRAME)
        if self._calibrated or T is None:
            return
        self._calibrated = True
        intrinsics = intrinsics_of(message)
        size = np.array([intrinsics.width, intrinsics.height])
        for entity, scale in (("world/camera", 1.0), ("world/depth_camera", 1 / _DEPTH_STRIDE)):
            K = np.diag([scale, scale, 1.0]) @ intrinsics.matrix
            pinhole = rr.Pinhole(
                image_from_camera=K,
                resolution=size * scale,
                camera_xyz=rr.ViewCoordinates.RDF,
                image_plane_distance=0.15,
            )
            pose = rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3])
            self._recording.log(entity, pose, pinhole, static=True)

    def _on_static_transforms(self, message: Any) -> None:
        for entry in message.transforms:
            T = transform_of(entry.transform)
            self._frames.set(entry.header.frame_id, entry.child_frame_id, T)

    def _on_ee_pose(self, message: Any) -> None:
        p = message.pose.position
        point = (p.x, p.y, p.z)
        self._path.append(point)
        log = self._recording.log
        log("world/gripper", rr.Points3D([point], radii=0.012, colors=_PATH_COLOR))
        # the whole path each time: every other pose is often enough
        if len(self._path) % 2 == 0:
            strip = rr.LineStrips3D([list(self._path)], radii=0.003, colors=_PATH_COLOR)
            log("world/gripper_path", strip)
        log("plots/position", rr.Scalars(point))

    def _on_joints(self, message: Any) -> None:
        if not self._series_named:
            self._series_named = True
            for entity, names in (
                ("plots/joints", list(message.name)),
                ("plots/position", ["x [m]", "y [m]", "z [m]"]),
                ("plots/gripper", ["width [m]"]),
            ):
                self._recording.log(entity, rr.SeriesLines(names=names), static=True)
        self._recording.log("plots/joints", rr.Scalars(np.array(message.position)))

    def _on_gripper(self, message: Any) -> None:
        self._recording.log("plots/gripper", rr.Scalars([message.width]))

    def _on_policy_step(self, message: Any) -> None:
        text = f"[{message.stage}] {message.text}" if message.stage else message.text
        self._recording.log("text/policy", rr.TextLog(text, level="INFO"))

    def _on_action(self, message: Any) -> None:
        if message.source != "policy":
            bins = ", ".join(f"{k / 100:.2f}" for k in message.bins)
            self._recording.log("text/action", rr.TextLog(f"{message.source}: <{bins}>"))

    def _on_instruction(self, message: Any) -> None:
        self._path.clear()
        self._recording.log("text/instruction", rr.TextLog(message.data, level="INFO"))

    def _on_executor_state(self, message: Any) -> None:
        if message.state != self._executor_state:
            self._executor_state = message.state
            text = f"{message.state}: {message.detail}".rstrip(": ")
            self._recording.log("text/executor", rr.TextLog(text, level="DEBUG"))

    def _on_safety_event(self, message: Any) -> None:
        level = {0: "INFO", 1: "WARN"}.get(int(message.severity), "ERROR")
        text = f"{message.name}: {message.detail}".rstrip(": ")
        self._recording.log("text/safety", rr.TextLog(text, level=level))


_HANDLERS = {
    contract.COLOR_TOPIC: RerunView._on_color,
    contract.DEPTH_TOPIC: RerunView._on_depth,
    contract.COLOR_INFO_TOPIC: RerunView._on_camera_info,
    contract.STATIC_TF_TOPIC: RerunView._on_static_transforms,
    contract.EE_POSE_TOPIC: RerunView._on_ee_pose,
    contract.JOINTS_TOPIC: RerunView._on_joints,
    contract.GRIPPER_TOPIC: RerunView._on_gripper,
    contract.POLICY_STEP_TOPIC: RerunView._on_policy_step,
    contract.ACTION_TOPIC: RerunView._on_action,
    contract.INSTRUCTION_TOPIC: RerunView._on_instruction,
    contract.EXECUTOR_STATE_TOPIC: RerunView._on_executor_state,
    contract.SAFETY_EVENT_TOPIC: RerunView._on_safety_event,
}


class RerunProcess:
    """A rerun viewer (window) or server (browser) as a child, on the loopback only.

    Args:
        window: True for a window on this display, False to serve browsers.
        port: of the log stream; the browser's page is on `web_port`.
    """

    def __init__(self, *, window: bool, port: int, web_port: int) -> None:
        self.url = f"rerun+http://127.0.0.1:{port}/proxy"
        self.page = f"http://127.0.0.1:{web_port}?url={quote(self.url, safe='')}"
        self._arguments = ["--bind", "127.0.0.1", "--port", str(port)]
        self._arguments += (
            ["--expect-data-soon"]
            if window
            else ["--serve-web", "--web-viewer-port", str(web_port)]
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._settings: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        """Start the child."""
        self._settings = tempfile.TemporaryDirectory(prefix="spatialbot-rerun-")
        _turn_analytics_off(Path(self._settings.name))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rerun_cli", *self._arguments],
            env={**os.environ, "XDG_CONFIG_HOME": self._settings.name},
            start_new_session=True,
        )

    def close(self) -> None:
        """End the child and what it started; allowed more than once."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGTERM)
                try:
                    self._process.wait(3.0)
                except subprocess.TimeoutExpired:
                    os.killpg(self._process.pid, signal.SIGKILL)
                    self._process.wait()
            self._process = None
        if self._settings is not None:
            self._settings.cleanup()
            self._settings = None


def _turn_analytics_off(config_home: Path) -> None:
    # in a folder of its own: the user's own choice for rerun is not touched
    folder = config_home / "rerun"
    folder.mkdir(parents=True)
    file = folder / "analytics.json"
    settings = {
        "analytics_enabled": False,
        "analytics_id": "",
        "metadata": {},
        "config_file_path": str(file),
        "data_dir_path": str(folder),
    }
    file.write_text(json.dumps(settings), encoding="utf-8")


def _encode(extension: str, image: NDArray[Any], options: list[int]) -> bytes:
    _, encoded = cv2.imencode(extension, image, options)
    return encoded.tobytes()


def _blueprint() -> rrb.Blueprint:
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Spatial3DView(origin="world", name="Cell"),
            rrb.Vertical(
                rrb.Spatial2DView(origin="world/camera/color", name="Colour"),
                rrb.Spatial2DView(origin="world/depth_camera/depth", name="Aligned depth"),
            ),
            rrb.Vertical(
                rrb.TimeSeriesView(origin="plots/position", name="Gripper position"),
                rrb.TimeSeriesView(origin="plots/joints", name="Joints"),
                rrb.TimeSeriesView(origin="plots/gripper", name="Gripper width"),
                rrb.TextLogView(origin="text", name="Policy, executor, safety"),
            ),
            column_shares=[5, 3, 4],
        ),
        collapse_panels=True,
    )
