"""The teleoperation node: a person's keyboard, gamepad or SpaceMouse moves the arm.

Publishes `/spatialbot/action` with source ``teleop``, one per control step of ROS time while the
dead-man switch is held and none otherwise; the executor lets them override the policy. Buttons
call `/spatialbot/{stop, resume, recover, home}` and `/spatialbot/episode/{start, stop}`. Devices
are read on the steady clock: a person lives in wall time. A keyboard and the screen need the
terminal of the node: run it by `spatialbot teleop`.
"""

import sys
import time
from dataclasses import dataclass

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rich.console import Console
from rich.live import Live

from spatialbot_model.contracts.errors import TeleopDeviceError
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.nodes.parameters import declare, parameter
from spatialbot_ros.nodes.runtime import run_node
from spatialbot_ros.nodes.teleop_link import SERVICES, TeleopLink
from spatialbot_ros.teleop.core import LEVEL_BINS, VIEWS, TeleopConfig, TeleopCore
from spatialbot_ros.teleop.hand import Hand
from spatialbot_ros.teleop.inputs import Button
from spatialbot_ros.teleop.keyboard import KeyboardDevice
from spatialbot_ros.teleop.registry import DEVICES, DeviceSettings, make_device
from spatialbot_ros.teleop.screen import ScreenStatus, render
from spatialbot_ros.teleop.session import EpisodeSession, RecorderRequest

_POLL_PERIOD_S = 0.02
_SCREEN_PERIOD_S = 0.1
_NO_TIME = "ROS time has not begun: nothing comes on /clock; on hardware say --hardware"


@dataclass(frozen=True, slots=True)
class TeleopParameters:
    """ROS parameters of the node."""

    device: str = parameter("keyboard", "what moves the arm", choices=tuple(DEVICES))
    device_path: str = parameter("", "input device of the gamepad; empty = the first")
    view: str = parameter(
        "robot", "where the person stands: behind the robot, or at the camera", choices=VIEWS
    )
    speed_level: int = parameter(
        2, "speed level at the start, 0 = slowest", low=0, high=len(LEVEL_BINS) - 1
    )
    key_window_s: float = parameter(
        0.15, "wall seconds that a key counts as held after a press", low=0.05, high=1.0
    )
    max_stamp_age_s: float = parameter(
        0.5, "ROS seconds; older images are not what the person saw", low=0.0, high=10.0
    )
    task: str = parameter("", "task of recorded episodes; empty = the simulation's, or teleop")
    instruction: str = parameter("", "their instruction; empty = the simulation's")
    seed: int = parameter(-1, "their seed; -1 = the simulation's, or none", low=-1, high=2**53)
    action_spec_file: str = parameter("", "action spec YAML; empty = shipped")
    screen: bool = parameter(True, "show status and help, where there is a terminal")


class TeleopNode(Node):
    """Node `teleop`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("teleop")
        p = self._settings = declare(self, TeleopParameters)
        spec = load_action_spec(p.action_spec_file)
        core = TeleopCore(spec, TeleopConfig(view=p.view, start_level=p.speed_level))
        device = make_device(p.device, DeviceSettings(p.device_path, p.key_window_s))
        interactive = sys.stdin.isatty()
        if p.device == "keyboard" and not interactive:
            # it will not become a terminal later
            raise TeleopDeviceError(
                "the keyboard needs a terminal, but standard input is none; run `spatialbot"
                " teleop` in a terminal of its own, or set the parameter device to gamepad or"
                " spacemouse"
            )
        beside = p.device != "keyboard" and interactive
        self._hand = Hand(core, device, [KeyboardDevice(motion=False)] if beside else [])
        self._session = EpisodeSession()
        self._notice = ""
        self._bins: tuple[int, ...] = ()
        self._trouble = ""
        self._help = device.help
        if beside:
            known = {meaning for _, meaning in device.help}
            keys = KeyboardDevice(motion=False).help
            self._help += tuple(row for row in keys if row[1] not in known)
        self._link = TeleopLink(
            self, p.max_stamp_age_s, lambda closed: core.sync_gripper(closed, time.monotonic())
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_POLL_PERIOD_S, self._poll, clock=steady)
        # in simulated time where there is one: actions belong to steps of the robot
        self.create_timer(1.0 / spec.rate_hz, self._act)
        self._live: Live | None = None
        try:
            self._poll()
            if p.screen and sys.stdout.isatty():
                self._live = Live(console=Console(), screen=True, auto_refresh=False)
                self._live.start()
                self.create_timer(_SCREEN_PERIOD_S, self._show, clock=steady)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the arm and give device and terminal back."""
        self._hand.close()
        if self._live is not None:
            self._live.stop()

    def _poll(self) -> None:
        for button in self._hand.poll(time.monotonic()):
            if button in SERVICES:
                self._ask(button)
            else:
                self._record(self._session.press(button))
        if self._hand.trouble != self._trouble:
            self._trouble = self._hand.trouble
            if self._live is None:
                log = self.get_logger()
                if self._trouble:
                    log.warning(f"{self._trouble}. Nothing moves; looking for it again")
                else:
                    log.info(f"{self._hand.device.name} is connected")

    def _act(self) -> None:
        # read again: a key pressed since must not wait for the next step
        self._poll()
        action = self._hand.core.action(time.monotonic())
        if action is not None:
            self._link.send(action)
            self._bins = action.bins

    def _ask(self, button: Button) -> None:
        name = SERVICES[button]
        self._notice = f"{name} ..."

        def answer(success: bool, message: str) -> None:
            self._notice = f"{name}: {message}"

        self._link.call(button, answer)

    def _record(self, request: RecorderRequest | None) -> None:
        if request is None:
            return
        task, instruction, seed = self._what_is_done()
        self._link.record(
            request,
            task,
            instruction,
            seed,
            lambda success, message: self._record(self._session.answered(success, message)),
        )

    def _what_is_done(self) -> tuple[str, str, int]:
        """Task, instruction and seed for the recorder."""
        p, simulated = self._settings, self._link.task
        if simulated is None:
            return p.task or "teleop", p.instruction, p.seed
        return (
            p.task or simulated.task,
            p.instruction or simulated.instruction,
            p.seed if p.seed >= 0 else int(simulated.seed),
        )

    def _show(self) -> None:
        if self._live is not None:
            self._live.update(render(self._status(), self._help), refresh=True)

    def _status(self) -> ScreenStatus:
        core, state, session = self._hand.core, self._link.state, self._session
        task, instruction, _ = self._what_is_done()
        step_m, step_rad = core.step_limits
        p = None if state is None else state.measured.position
        return ScreenStatus(
            device=self._hand.device.name,
            trouble=self._hand.trouble,
            engaged=core.engaged(time.monotonic()),
            level=core.level,
            step_m=step_m,
            step_rad=step_rad,
            gripper_closed=core.gripper_closed,
            executor_state="" if state is None else state.state,
            executor_detail="" if state is None else state.detail,
            tool_m=None if p is None else (p.x, p.y, p.z),
            bins=self._bins,
            num_sent=self._link.num_sent,
            episode=session.phase.value,
            task=task,
            instruction=instruction,
            episode_message=session.message,
            episode_counts=session.counts,
            notice=self._notice if self.get_clock().now().nanoseconds else _NO_TIME,
        )


def main(args: list[str] | None = None) -> int:
    """Entry point of `teleop_node`."""
    return run_node(TeleopNode, args)


if __name__ == "__main__":
    sys.exit(main())
