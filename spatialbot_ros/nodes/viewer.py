"""The viewer node: what happens, live in rerun or into an .rrd file.

Shows colour, depth, the gripper's path, joints, the policy's text, executor state and safety
events. It only listens, and decodes only what is shown.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node
from rclpy.serialization import deserialize_message

from spatialbot_model.contracts.episode import EPISODE_TOPICS, EpisodeTopic, TopicRole
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    MissingDependencyError,
    RecordingError,
)
from spatialbot_ros.nodes.episode_types import EPISODE_TYPES
from spatialbot_ros.nodes.parameters import declare, parameter
from spatialbot_ros.nodes.raw_messages import matching_qos, peek_stamp_ns
from spatialbot_ros.nodes.runtime import run_node

_MODES = ("save", "serve", "spawn")


@dataclass(frozen=True, slots=True)
class ViewerParameters:
    """ROS parameters of the node."""

    mode: str = parameter(
        "serve",
        "save = write an .rrd file; serve = page for a browser on 127.0.0.1; spawn = window",
        choices=_MODES,
    )
    path: str = parameter("", "the .rrd file of mode save")
    port: int = parameter(9876, "port of the log stream on 127.0.0.1", low=1024, high=65535)
    web_port: int = parameter(9090, "port of the page of mode serve", low=1024, high=65535)
    image_rate_hz: float = parameter(5.0, "images shown per second", low=0.1, high=90.0)
    state_rate_hz: float = parameter(10.0, "states shown per second", low=0.1, high=100.0)


class ViewerNode(Node):
    """Node `viewer`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("viewer")
        try:
            # here and not above: a robot without rerun still runs everything else
            from spatialbot_ros.viewer_rerun import RerunProcess, RerunView
        except ImportError as error:
            raise MissingDependencyError(
                "the viewer needs rerun; install it with `pip install 'spatialbot_ros[viewer]'`"
                " or start without viewer:=rerun"
            ) from error
        parameters = declare(self, ViewerParameters)
        mode = parameters.mode
        if mode == "save" and not parameters.path:
            raise ConfigurationError("viewer mode save needs the parameter path, an .rrd file")
        if mode == "spawn" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            self.get_logger().warning("no display for a window; serving browsers instead")
            mode = "serve"
        self._view = RerunView(1.0 / parameters.image_rate_hz, 1.0 / parameters.state_rate_hz)
        self._process: RerunProcess | None = None
        if mode == "save":
            self._view.save(Path(parameters.path).expanduser())
        else:
            self._process = RerunProcess(
                window=mode == "spawn", port=parameters.port, web_port=parameters.web_port
            )
            self._process.start()
            self._view.connect(self._process.url)
            if mode == "serve":
                self.get_logger().info(f"open {self._process.page} in a browser")
        self._complained: set[str] = set()
        for topic in EPISODE_TOPICS.values():
            static = topic.role is TopicRole.STATIC
            self.create_subscription(
                EPISODE_TYPES[topic.ros_type],
                topic.name,
                self._shower_of(topic),
                matching_qos(self, topic.name, 100 if static else 5, latched=static),
                raw=True,
            )

    def close(self) -> None:
        """Write out what is buffered and end the viewer's process."""
        self._view.close()
        if self._process is not None:
            self._process.close()

    def _shower_of(self, topic: EpisodeTopic) -> Callable[[bytes], None]:
        name, message_type = topic.name, EPISODE_TYPES[topic.ros_type]

        def show(data: bytes) -> None:
            stamp_ns = (
                peek_stamp_ns(data) if topic.has_header else self.get_clock().now().nanoseconds
            )
            if not self._view.wants(name, stamp_ns):
                return
            try:
                self._view.log(name, stamp_ns, deserialize_message(data, message_type))
            except RecordingError as error:
                if name not in self._complained:
                    self._complained.add(name)
                    self.get_logger().warning(f"{name} is not shown: {error}")

        return show


def main() -> int:
    """Console entry point."""
    return run_node(ViewerNode)


if __name__ == "__main__":
    raise SystemExit(main())
