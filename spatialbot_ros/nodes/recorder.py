"""The recorder node: one rosbag2 MCAP episode between two service calls. It only listens.

`/spatialbot/episode/start` subscribes to the topics of the episode contract, opens the bag and
answers when every continuous topic (images, calibration, robot state) has delivered its first
message: from then on nothing is missed. `/spatialbot/episode/stop` labels the episode and keeps
or deletes it. Messages pass as the bytes that were received, images compressed if so asked. A
node that ends with an open episode closes it with the label ``unknown``; one that is started again
with the same folder goes on with its session: it tells what is there and counts on.
"""

import time
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.task import Future
from spatialbot_msgs.srv import StartEpisode, StopEpisode

from spatialbot_model.contracts.episode import (
    EPISODE_TOPICS,
    EpisodeMetadata,
    EpisodeTopic,
    TopicRole,
    check_label,
    episode_folder_name,
)
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.episodes.listing import SessionState, read_session
from spatialbot_ros.episodes.writer import EpisodeWriter
from spatialbot_ros.nodes.episode_types import EPISODE_TYPES
from spatialbot_ros.nodes.parameters import declare
from spatialbot_ros.nodes.raw_messages import matching_qos, peek_stamp_ns
from spatialbot_ros.nodes.recorder_diagnostics import diagnostics_msg
from spatialbot_ros.nodes.recorder_parameters import RecorderParameters
from spatialbot_ros.nodes.runtime import run_node

# a second of two cameras, for when this process is not scheduled
_IMAGE_DEPTH = 60
_OTHER_DEPTH = 100
_POLL_S = 0.02
_SETTLE_S = 0.2
_MAX_LEFTOVER_S = 1.0


class RecorderNode(Node):
    """Node `recorder`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self._settings = declare(self, RecorderParameters)
        self._spec = load_action_spec(self._settings.action_spec_file)
        self._writer: EpisodeWriter | None = None
        self._starting = False
        self._silent: set[str] = set()
        self._episode_subscriptions: list[Subscription[Any]] = []
        self._last_trouble = ""
        self._session: SessionState | None = None
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        # apart from the topics: the services wait while messages come in
        services = MutuallyExclusiveCallbackGroup()
        self.create_service(
            StartEpisode, "/spatialbot/episode/start", self._on_start, callback_group=services
        )
        self.create_service(
            StopEpisode, "/spatialbot/episode/stop", self._on_stop, callback_group=services
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(self._settings.diagnostics_period_s, self._watch, clock=self._steady)

    def close(self) -> None:
        """Finish an open episode; called once at the end of the process."""
        self._take_what_arrived()
        if self._writer is not None:
            try:
                self._finish("unknown", "the recorder was shut down")
            except RecordingError as error:
                self.get_logger().error(str(error))

    def _take_what_arrived(self) -> None:
        """Record until nothing came for a while, not for long where others go on publishing."""
        ends_s = time.monotonic() + _MAX_LEFTOVER_S
        while self._writer is not None and self.executor is not None:
            num_before, looked_s = self._writer.num_messages, time.monotonic()
            while time.monotonic() < looked_s + _SETTLE_S:
                self.executor.spin_once(timeout_sec=_POLL_S)
            done = self._writer is None or self._writer.num_messages == num_before
            if done or time.monotonic() > ends_s:
                return

    async def _on_start(
        self, request: StartEpisode.Request, response: StartEpisode.Response
    ) -> StartEpisode.Response:
        try:
            response.path = str(await self._start(request))
            session = "" if self._session is None else self._session.describe()
            response.success = True
            response.message = f"recording; {session}" if session else "recording"
        except RecordingError as error:
            self._last_trouble = response.message = str(error)
            self.get_logger().error(str(error))
        return response

    async def _on_stop(
        self, request: StopEpisode.Request, response: StopEpisode.Response
    ) -> StopEpisode.Response:
        try:
            if self._writer is None:
                raise RecordingError(
                    "no episode is open; call /spatialbot/episode/start first."
                    f" {self._last_trouble}".rstrip()
                )
            if not request.discard:
                check_label(request.label)
            # what was published before the call may still be on its way
            await self._until(lambda: False, _SETTLE_S)
            if self._writer is None:
                raise RecordingError(self._last_trouble or "the episode ended meanwhile")
            response.num_messages = self._writer.num_messages
            if request.discard:
                self._discard()
                response.message = "discarded"
            else:
                folder = self._writer.folder
                response.path = str(folder)
                metadata = self._finish(request.label, request.reason)
                response.num_messages = sum(metadata.counts.values())
                lost = sum(metadata.drops.values())
                response.message = f"{lost} messages were lost" if lost else "complete"
            response.success = True
        except RecordingError as error:
            self._last_trouble = response.message = str(error)
            self.get_logger().error(str(error))
        return response

    async def _start(self, request: StartEpisode.Request) -> Path:
        if self._writer is not None:
            raise RecordingError(
                f"episode {self._writer.folder} is still open; stop it before starting another"
            )
        wait_s = self._settings.wait_for_topics_s
        if not await self._until(lambda: self._now_ns() > 0, max(wait_s, _POLL_S)):
            raise RecordingError(
                "ROS time has not begun: nothing comes on /clock. Start the simulation, or set"
                " use_sim_time to false on hardware"
            )
        seed = None if request.seed < 0 else int(request.seed)
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        directory = self._directory
        # read each time: episodes may have been repaired, deleted or moved here meanwhile
        self._session = read_session(directory)
        name = episode_folder_name(request.task, seed, f"{now}Z", self._session.next_number)
        writer = EpisodeWriter(
            directory / name,
            self._metadata(request, seed),
            formats=self._settings.image_formats,
            queue_bytes=self._settings.queue_mb * 1_000_000,
            reserve_bytes=self._settings.reserve_mb * 1_000_000,
        )
        writer.open()
        self._writer = writer
        self._silent = {t.name for t in EPISODE_TOPICS.values() if t.continuous}
        self._silent |= {t.name for t in EPISODE_TOPICS.values() if t.role is TopicRole.STATIC}
        self._starting = True
        try:
            self._subscribe()
            if wait_s > 0.0 and not await self._until(lambda: not self._silent, wait_s):
                raise RecordingError(
                    f"nothing came within {wait_s:g} s on {', '.join(sorted(self._silent))}; are"
                    " the camera and executor nodes running? The episode was not begun"
                )
        except RecordingError:
            self._discard()
            raise
        finally:
            self._starting = False
        self.get_logger().info(f"recording {writer.folder}")
        return writer.folder

    def _metadata(self, request: StartEpisode.Request, seed: int | None) -> EpisodeMetadata:
        try:
            software = version("spatialbot_ros")
        except PackageNotFoundError:
            software = "unknown"
        return EpisodeMetadata(
            task=request.task,
            instruction=request.instruction,
            action_spec=self._spec.to_mapping(),
            seed=seed,
            robot=self._settings.robot,
            camera=self._settings.camera,
            software_version=software,
            start_ns=self._now_ns(),
        )

    def _subscribe(self) -> None:
        for topic in EPISODE_TOPICS.values():
            qos = matching_qos(
                self,
                topic.name,
                _IMAGE_DEPTH if topic.role is TopicRole.IMAGE else _OTHER_DEPTH,
                latched=topic.role is TopicRole.STATIC,
            )
            self._episode_subscriptions.append(
                self.create_subscription(
                    EPISODE_TYPES[topic.ros_type],
                    topic.name,
                    self._recorder_of(topic),
                    qos,
                    raw=True,
                    event_callbacks=SubscriptionEventCallbacks(
                        message_lost=self._loss_counter_of(topic.name)
                    ),
                )
            )

    def _unsubscribe(self) -> None:
        for subscription in self._episode_subscriptions:
            self.destroy_subscription(subscription)
        self._episode_subscriptions.clear()

    def _recorder_of(self, topic: EpisodeTopic) -> Callable[[bytes], None]:
        name, has_header = topic.name, topic.has_header

        def record(data: bytes) -> None:
            if self._writer is not None:
                stamp_ns = peek_stamp_ns(data) if has_header else self._now_ns()
                self._writer.write(name, data, stamp_ns)
                self._silent.discard(name)

        return record

    def _loss_counter_of(self, name: str) -> Callable[[Any], None]:
        def count(event: Any) -> None:
            if self._writer is not None:
                self._writer.count_drop(name, event.total_count_change)

        return count

    def _finish(self, label: str, reason: str) -> EpisodeMetadata:
        self._unsubscribe()
        writer, self._writer = self._writer, None
        assert writer is not None
        try:
            metadata = writer.close(label, reason, self._now_ns())
        except RecordingError as error:
            self._last_trouble = str(error)
            raise
        self._last_trouble = ""
        self.get_logger().info(f"episode {writer.folder} ended: {label}. {reason}")
        return metadata

    def _discard(self) -> None:
        self._unsubscribe()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()

    @property
    def _directory(self) -> Path:
        return Path(self._settings.output_directory).expanduser().resolve()

    def _tell_session(self) -> None:
        self._session = read_session(self._directory)
        text = self._session.describe()
        if text:
            log = self.get_logger()
            tell = log.warning if self._session.interrupted else log.info
            tell(f"going on in {self._directory}: {text}")

    def _watch(self) -> None:
        if self._session is None:
            self._tell_session()
        writer = self._writer
        if writer is not None and not self._starting:
            age_s = (self._now_ns() - writer.metadata.start_ns) / 1e9
            try:
                if writer.error:
                    self._finish("unknown", "")
                elif age_s > self._settings.max_duration_s:
                    limit = f"ended after max_duration_s = {self._settings.max_duration_s:g} s"
                    self._finish("unknown", limit)
                    self._last_trouble = f"Episode {writer.folder} was {limit}"
            except RecordingError as error:
                self.get_logger().error(str(error))
        self._diagnostics.publish(diagnostics_msg(self._writer, self._last_trouble, self._now_ns()))

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Let the executor go on until the condition holds; False when the time is over."""
        if condition():
            return True
        deadline_ns = self._steady.now().nanoseconds + int(timeout_s * 1e9)
        done: Future[bool] = Future()

        def look() -> None:
            if not done.done():
                if condition():
                    done.set_result(True)
                elif self._steady.now().nanoseconds > deadline_ns:
                    done.set_result(False)

        timer = self.create_timer(_POLL_S, look, clock=self._steady)
        try:
            return bool(await done)
        finally:
            self.destroy_timer(timer)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> int:
    """Console entry point."""
    return run_node(RecorderNode)


if __name__ == "__main__":
    raise SystemExit(main())
