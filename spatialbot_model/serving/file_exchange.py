"""The release's robot link: an image and a goal as files in, an answer as a file out.

The released SpatialBot and its robot scripts talk through three files: the robot writes
``ros_img/camera_image.png`` and ``ros_img/goal.json`` (a list whose first item is the goal), the
model writes ``ros_answer/ros_answer.json`` and removes the image, which tells the robot that it
was used. This bridge serves such robots unchanged with any policy.

What the release has no place for is optional here: depth beside the image
(``camera_depth.png``, 16-bit millimetres, written before the image), and a mapping as the second
item of the goal with ``stamp_ns``. With a stamp the answer is a mapping that repeats it, else the
bare answer of the release. Without stamps an answer cannot be matched to its image: use one image
at a time.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    PolicyConnectionError,
    PolicyError,
    PolicyTimeoutError,
    SpatialBotError,
    StaleDataError,
)
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import CameraIntrinsics, Observation, PolicyStep, RgbdFrame
from spatialbot_model.policies.base import Policy
from spatialbot_model.serving.image_files import (
    FileState,
    decode_color,
    decode_depth,
    file_state,
    read_settled,
    write_json,
)

AnswerForm = Literal["text", "vector"]
ANSWER_FORMS: tuple[AnswerForm, ...] = ("text", "vector")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """Where the files are and what the images are.

    Attributes:
        folder: holds `image`, `goal`, `depth` and `answer`, relative paths with the release's
            names by default.
        answer_form: "text" = the policy's sentence (CALVIN script), "vector" = the eight numbers
            of the RT-X script: terminate, three translations [m], three rotations [rad], gripper.
        action_spec: scales a vector; limits of 0.2 give the release's numbers.
        intrinsics: of the image; None = a nominal camera, for policies that use none.
        T_base_camera: (4, 4) pose of the camera; None = identity, for policies that use none.
        poll_s: time between two looks at the folder.
        max_age_s: an image that has not changed for so long is stale and ignored, be it a
            leftover, half-written or without a goal. The robot's and this machine's clocks agree
            at least that well, or the file times come from this machine (sftp without -p).
    """

    folder: Path
    answer_form: AnswerForm = "text"
    action_spec: ActionSpec = field(default_factory=ActionSpec)
    intrinsics: CameraIntrinsics | None = None
    T_base_camera: NDArray[np.float64] | None = None
    image: str = "ros_img/camera_image.png"
    goal: str = "ros_img/goal.json"
    depth: str = "ros_img/camera_depth.png"
    answer: str = "ros_answer/ros_answer.json"
    poll_s: float = 0.02
    max_age_s: float = 2.0

    def __post_init__(self) -> None:
        if self.answer_form not in ANSWER_FORMS:
            raise ConfigurationError(
                f"answer form is {self.answer_form!r}, expected 'text' or 'vector'"
            )
        if not (self.poll_s > 0.0 and self.max_age_s > self.poll_s):
            raise ConfigurationError(
                f"poll_s is {self.poll_s} and max_age_s {self.max_age_s}; expected 0 < poll_s <"
                " max_age_s"
            )


@dataclass(frozen=True, slots=True)
class _Request:
    state: FileState
    frame: RgbdFrame
    goal: str
    has_stamp: bool


class FileExchange:
    """See the module docstring. Used from one thread."""

    def __init__(
        self,
        options: ExchangeOptions,
        policy: Policy,
        wall_clock_s: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is read or written yet.

        Args:
            wall_clock_s: what file times are compared with.
        """
        self._options = options
        self._policy = policy
        self._wall_clock_s = wall_clock_s
        self._history = FrameHistory()
        self._goal: str | None = None
        self._done: FileState | None = None
        self._gripper: float | None = None
        self._failed = False
        folder = options.folder
        self._image, self._answer = folder / options.image, folder / options.answer
        self._goal_path, self._depth = folder / options.goal, folder / options.depth

    def run(self, stop: threading.Event) -> None:
        """Answer requests until `stop` is set; removes an answer of an earlier run first."""
        self._answer.unlink(missing_ok=True)
        while not stop.wait(self._options.poll_s):
            self.poll()

    def poll(self) -> bool:
        """Look once; whether a request was answered."""
        request = self._read_request()
        if request is None:
            return False
        answer: Any = None
        try:
            answer = self._ask(request)
        except SpatialBotError as error:
            # the release has no words for a failure: without an answer the robot stays still
            _log.error("no answer: %s", error)
        if answer is not None:
            write_json(self._answer, answer)
        self._done = request.state
        # a newer image may have come meanwhile; that one is the next request
        if file_state(self._image) == request.state:
            self._image.unlink(missing_ok=True)
        return answer is not None

    def _read_request(self) -> _Request | None:
        """The request in the folder if it is complete, new and not stale."""
        state = file_state(self._image)
        if state is None or state == self._done:
            return None
        age_s = self._wall_clock_s() - state.modified_ns * 1e-9
        if age_s > self._options.max_age_s:
            _log.warning("ignored a stale or incomplete image, %.1f s old", age_s)
            self._done = state
            return None
        found = read_settled(self._image)
        goal = self._read_goal()
        if found is None or goal is None:
            return None
        data, state = found
        color = decode_color(data)
        if color is None:
            return None
        depth_mm = self._read_depth(color)
        if depth_mm is None:
            return None
        text, stamp_ns = goal
        frame = RgbdFrame(
            state.modified_ns if stamp_ns is None else stamp_ns,
            color,
            depth_mm,
            self._options.intrinsics or _nominal_camera(color),
        )
        return _Request(state, frame, text, stamp_ns is not None)

    def _read_goal(self) -> tuple[str, int | None] | None:
        found = read_settled(self._goal_path)
        if found is None:
            return None
        try:
            goal = json.loads(found[0])
        except (ValueError, RecursionError):
            return None  # half-written; an image that waits too long for it goes stale
        if not isinstance(goal, list) or not goal or not isinstance(goal[0], str):
            return None
        extras = goal[1] if len(goal) > 1 and isinstance(goal[1], dict) else {}
        stamp_ns = extras.get("stamp_ns")
        usable = isinstance(stamp_ns, int) and not isinstance(stamp_ns, bool) and stamp_ns >= 0
        return goal[0], stamp_ns if usable else None

    def _read_depth(self, color: NDArray[np.uint8]) -> NDArray[np.uint16] | None:
        """Depth beside the image, all invalid without a file, None while it is incomplete."""
        if file_state(self._depth) is None:
            return np.zeros(color.shape[:2], np.uint16)
        found = read_settled(self._depth)
        depth_mm = None if found is None else decode_depth(found[0])
        if depth_mm is None or depth_mm.shape != color.shape[:2]:
            return None
        return depth_mm

    def _ask(self, request: _Request) -> Any:
        if request.goal != self._goal:
            self._history.clear()
            self._goal, self._failed = request.goal, True
            self._policy.start(request.goal)
            self._failed = False
        elif self._failed:
            raise PolicyError(f"the goal {request.goal!r} has failed; give another one")
        elif len(self._history) and request.frame.stamp_ns <= self._history.frames()[0].stamp_ns:
            raise StaleDataError(
                f"the image of {request.frame.stamp_ns} ns is not newer than the last one"
            )
        self._history.push(request.frame)
        pose = self._options.T_base_camera
        observation = Observation(
            self._history.frames(), request.goal, np.eye(4) if pose is None else pose
        )
        try:
            step = self._policy.step(observation)
        except (PolicyTimeoutError, PolicyConnectionError):
            raise  # no answer to this image; the next one may get one
        except PolicyError:
            self._failed = True
            raise
        answer = step.text if self._options.answer_form == "text" else self._vector(step)
        if not request.has_stamp:
            return answer
        return {"answer": answer, "stamp_ns": step.observation_stamp_ns}

    def _vector(self, step: PolicyStep) -> list[float]:
        """The eight numbers of the RT-X script; the terminate flag is 1 when finished."""
        action = parse_action_text(step.text, self._options.action_spec)
        if isinstance(action, DeltaAction):
            self._gripper = action.bins[-1] / 100.0
            motion = [*action.translation_m.tolist(), *action.rotation_rad.tolist()]
            return [0.0, *motion, self._gripper]
        if self._gripper is None:
            raise StaleDataError("finished before the first action; the gripper's state is unknown")
        return [1.0, *[0.0] * 6, self._gripper]


def _nominal_camera(color: NDArray[np.uint8]) -> CameraIntrinsics:
    height, width = color.shape[:2]
    return CameraIntrinsics(
        width, height, float(width), float(width), (width - 1) / 2, (height - 1) / 2
    )
