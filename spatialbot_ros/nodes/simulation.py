"""The simulation node: the simulated lab with its clock, its judge and a reset.

Physics runs in a thread of its own; ROS callbacks only leave wishes that are done between two
milliseconds. This node makes simulation time, so it does not use it. Faults of the camera can be
injected on `/simulation/inject_camera_fault` (``NAME SECONDS``, docs/camera.md).
"""

import threading
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock as NodeClock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from spatialbot_msgs.msg import DeltaAction, TaskStatus
from spatialbot_msgs.srv import ResetSimulation
from std_msgs.msg import Header, String

from spatialbot_model.contracts.errors import ConfigurationError, SimulationError, SpatialBotError
from spatialbot_model.contracts.types import BASE_FRAME
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.nodes.conversions import ns_to_stamp, stamp_to_ns
from spatialbot_ros.nodes.diagnostics import diagnostics_msg, status_msg
from spatialbot_ros.nodes.parameters import declare, parameter
from spatialbot_ros.nodes.runtime import run_node
from spatialbot_ros.safety_records import TELEOP
from spatialbot_sim.camera_faults import InjectedFault
from spatialbot_sim.lab import Lab, LabOptions
from spatialbot_sim.tasks import TASKS
from spatialbot_sim.tick_log import TickLogWriter

_TICKS_PER_CLOCK = 10
_TICKS_PER_STATUS = 200
_RESET_TIMEOUT_S = 30.0
_DIAGNOSTICS_PERIOD_S = 1.0
_NS_PER_S = 1e9
_CLOCK_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)


@dataclass(frozen=True, slots=True)
class SimulationParameters:
    """ROS parameters of the node."""

    address: str = parameter("127.0.0.61", "loopback address of robot, gripper and sensors")
    task: str = parameter("pick_place", "simulated task", choices=tuple(TASKS))
    seed: int = parameter(0, "seed of the first scene", low=0, high=2**31 - 1)
    speed: float = parameter(
        1.0, "simulated seconds per wall second, at most", low=0.01, high=100.0
    )
    frame_rate: float = parameter(15.0, "sensor frames per simulated second", low=1.0, high=90.0)
    depth_noise: bool = parameter(True, "stereo noise on depth; false = exact")
    policy_lag_limit: float = parameter(
        0.2,
        "seconds that simulation time may run ahead of the policy; 0 = no limit",
        low=0.0,
        high=10.0,
    )
    cell_file: str = parameter("", "cell YAML; empty = shipped")
    tick_log: str = parameter("", "file for a log of the arm's every millisecond; empty = none")


class SimulationNode(Node):
    """Node `simulation`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("simulation")
        p = declare(self, SimulationParameters)
        self._lab = Lab(
            load_cell(p.cell_file),
            LabOptions(
                address=p.address,
                task=p.task,
                seed=p.seed,
                speed=p.speed,
                frame_rate_hz=p.frame_rate,
                depth_noise=p.depth_noise,
                policy_lag_limit_s=p.policy_lag_limit,
            ),
        )
        self._lab.on_tick = self._on_tick
        self._tick_log = TickLogWriter(Path(p.tick_log)) if p.tick_log else None
        self._clock_publisher = self.create_publisher(Clock, "/clock", _CLOCK_QOS)
        self._status_publisher = self.create_publisher(
            TaskStatus, "/simulation/task_status", QoSProfile(depth=10)
        )
        self.create_subscription(
            DeltaAction,
            "/spatialbot/action",
            self._on_action,
            QoSProfile(depth=10),
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        self.create_subscription(
            String,
            "/simulation/inject_camera_fault",
            self._on_inject,
            QoSProfile(depth=10),
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        # which fault began with the frame of this stamp; an empty name at its end
        self._fault_publisher = self.create_publisher(
            Header, "/simulation/camera_fault", QoSProfile(depth=10)
        )
        self._lab.on_camera_fault = self._on_camera_fault
        self._camera_fault = ""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._told = (time.monotonic(), self._lab.time_ns, 0)
        self.create_timer(
            _DIAGNOSTICS_PERIOD_S,
            self._publish_diagnostics,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=NodeClock(clock_type=ClockType.STEADY_TIME),
        )
        self.create_service(
            ResetSimulation,
            "/simulation/reset",
            self._on_reset,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        self._failed = self.create_guard_condition(self._on_failure)
        self._error: BaseException | None = None
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="physics")
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        self.get_logger().info(f"serving {p.address}: {self._lab.scene.instruction}")

    def close(self) -> None:
        """End physics and release the ports."""
        self._lab.stop()
        self._thread.join()

    def _run(self) -> None:
        # OpenGL's context belongs to the thread that made it
        try:
            try:
                self._lab.open()
            except SpatialBotError as error:
                self._error = error
                return
            finally:
                self._opened.set()
            with ExitStack() as stack:
                if self._tick_log is not None:
                    stack.enter_context(self._tick_log)
                self._lab.run()
        except Exception as error:
            # whatever it was: a clock that stands still must end the node, not freeze the others
            self._error = error
            self._failed.trigger()
            raise
        finally:
            self._lab.close()

    def _on_failure(self) -> None:
        raise SimulationError(f"the physics loop broke: {self._error!r}")

    def _on_tick(self, ticks: int, time_ns: int) -> None:
        if self._tick_log is not None:
            self._tick_log.append(self._lab.tick_state())
        if ticks % _TICKS_PER_CLOCK == 0:
            self._clock_publisher.publish(Clock(clock=ns_to_stamp(time_ns)))
        if ticks % _TICKS_PER_STATUS == 0:
            self._status_publisher.publish(self._task_status(time_ns))

    def _task_status(self, time_ns: int) -> TaskStatus:
        scene, verdict = self._lab.scene, self._lab.judge()
        message = TaskStatus(
            seed=scene.seed,
            task=scene.task,
            instruction=scene.instruction,
            target=scene.target,
            destination=scene.destination,
            success=bool(verdict.success),
            reason=verdict.reason,
            placement_error=float(verdict.placement_error_m),
            grasped=bool(verdict.grasped),
        )
        message.header.stamp = ns_to_stamp(time_ns)
        message.header.frame_id = BASE_FRAME
        position = message.target_position
        position.x, position.y, position.z = (float(v) for v in verdict.target_position_m)
        return message

    def _on_action(self, message: DeltaAction) -> None:
        if message.source == TELEOP:
            # a person lives in wall time: simulated time waits for nobody meanwhile
            self._lab.gate.clear()
            return
        self._lab.gate.on_action(stamp_to_ns(message.observation_stamp), time.monotonic())

    def _on_inject(self, message: String) -> None:
        try:
            fault = InjectedFault.parse(message.data)
        except ConfigurationError as error:
            self.get_logger().error(str(error))
            return
        self._lab.submit(lambda: self._lab.inject_camera_fault(fault))

    def _on_camera_fault(self, name: str, time_ns: int) -> None:
        self._camera_fault = name
        header = Header(frame_id=name)
        header.stamp = ns_to_stamp(time_ns)
        self._fault_publisher.publish(header)

    def _publish_diagnostics(self) -> None:
        before_s, before_ns, before_frames = self._told
        self._told = now_s, now_ns, num_frames = (
            time.monotonic(),
            self._lab.time_ns,
            self._lab.num_frames,
        )
        wall_s, passed_s = now_s - before_s, (now_ns - before_ns) / _NS_PER_S
        fault, scene = self._camera_fault, self._lab.scene
        level = DiagnosticStatus.WARN if fault or passed_s <= 0.0 else DiagnosticStatus.OK
        message = f"injected camera fault: {fault}" if fault else "running"
        status = status_msg(
            f"{self.get_name()}: lab",
            level,
            message if passed_s > 0.0 else "simulation time stands still",
            {
                "task": scene.task,
                "scene": scene.seed,
                "time [s]": f"{now_ns / _NS_PER_S:.1f}",
                "speed": f"{passed_s / wall_s:.2f}" if wall_s > 0.0 else "",
                "frames per simulated second": f"{(num_frames - before_frames) / passed_s:.1f}"
                if passed_s > 0.0
                else "0.0",
            },
        )
        self._diagnostics.publish(diagnostics_msg(status, stamp_ns=now_ns))

    def _on_reset(
        self, request: ResetSimulation.Request, response: ResetSimulation.Response
    ) -> ResetSimulation.Response:
        future = self._lab.submit(lambda: self._lab.reset(request.task, request.seed))
        try:
            scene = future.result(_RESET_TIMEOUT_S)
        except SpatialBotError as error:
            response.message = str(error)
        except FutureTimeoutError:
            response.message = f"physics did not answer within {_RESET_TIMEOUT_S} s"
        else:
            response.success = True
            response.message = "laid"
            response.instruction = scene.instruction
            response.target, response.destination = scene.target, scene.destination
            self.get_logger().info(f"scene {scene.seed}: {scene.instruction}")
        return response


def main() -> None:
    """Entry point of `simulation_node`."""
    raise SystemExit(run_node(SimulationNode, num_threads=2))


if __name__ == "__main__":
    main()
