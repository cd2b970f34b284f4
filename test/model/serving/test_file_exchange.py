"""The bridge for the release's robot scripts: whole files only, newest image, atomic answers."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from policy_doubles import EchoPolicy, make_frame
from running_server import wait_until

from spatialbot_model.contracts.action_codec import FINISHED_TEXT
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    PolicyError,
    PolicyTimeoutError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.serving.file_exchange import ExchangeOptions, FileExchange
from spatialbot_model.serving.image_files import write_json


class ScriptedPolicy(EchoPolicy):
    """Test double: answers what it was told to; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.script: list[str | Exception] = []
        self.started: list[str] = []
        self.seen: list[Observation] = []

    def start(self, instruction: str) -> None:
        super().start(instruction)
        self.started.append(instruction)

    def step(self, observation: Observation) -> PolicyStep:
        self.seen.append(observation)
        answer = super().step(observation)
        scripted = self.script.pop(0) if self.script else answer.text
        if isinstance(scripted, Exception):
            raise scripted
        return replace(answer, text=scripted)


class Robot:
    """Test double: the robot's side of the exchange, and the clock that file times belong to."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.folder = folder
        self.now_s = 1_000_000.0
        self.image = folder / "ros_img" / "camera_image.png"
        self.goal = folder / "ros_img" / "goal.json"
        self.depth = folder / "ros_img" / "camera_depth.png"
        self.answer = folder / "ros_answer" / "ros_answer.json"
        self.image.parent.mkdir()
        self.policy = ScriptedPolicy()
        self.exchange = FileExchange(
            ExchangeOptions(folder, **options),  # type: ignore[arg-type]
            self.policy,
            lambda: self.now_s,
        )

    def put_image(self, number: int, cut: int = 0) -> np.ndarray:
        """Write an image as a robot would, without its last `cut` bytes; its pixels as RGB."""
        pixels = make_frame(number).color
        data = png(pixels[..., ::-1])
        self.image.write_bytes(data[: len(data) - cut])
        self.tick()
        return pixels

    def tick(self) -> None:
        """Time passes; the image was written now."""
        self.now_s += 0.1
        os.utime(self.image, ns=(0, int(self.now_s * 1e9)))

    def put_goal(self, *items: object) -> None:
        self.goal.write_text(json.dumps(items))

    def take_answer(self) -> object:
        answer = json.loads(self.answer.read_text())
        self.answer.unlink()
        return answer


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture
def robot(tmp_path: Path) -> Robot:
    return Robot(tmp_path)


def test_the_release_protocol_in_text_form(robot: Robot) -> None:
    robot.put_goal("pick up the cup")
    for number in range(6):
        pixels = robot.put_image(number)
        assert robot.exchange.poll()
        answer = robot.take_answer()
        assert not robot.image.exists()
        assert isinstance(answer, str)
        assert answer.startswith("The robot should <")
        assert np.array_equal(robot.policy.seen[-1].newest.color, pixels)
    assert robot.policy.started == ["pick up the cup"]
    shown = robot.policy.seen[-1]
    assert len(shown.frames) == 4
    for age, frame in enumerate(shown.frames):
        assert np.array_equal(frame.color, make_frame(5 - age).color)
        assert not np.any(frame.depth_mm)
    assert list(robot.answer.parent.iterdir()) == []


def test_the_release_protocol_in_vector_form(tmp_path: Path) -> None:
    robot = Robot(
        tmp_path,
        answer_form="vector",
        action_spec=ActionSpec(translation_limit_m=0.2, rotation_limit_rad=0.2),
    )
    robot.policy.script = [
        "The robot should <0.17, 0.50, 1.00, 0.00, 0.25, 0.5, 1>.",
        FINISHED_TEXT,
    ]
    robot.put_goal("pick")
    robot.put_image(0)
    robot.exchange.poll()
    # what the release computes from the model's numbers: value * 0.4 - 0.2
    expected = [0.0, *(value * 0.4 - 0.2 for value in (0.17, 0.5, 1.0, 0.0, 0.25, 0.5)), 1.0]
    assert robot.take_answer() == pytest.approx(expected)
    robot.put_image(1)
    robot.exchange.poll()
    assert robot.take_answer() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def test_a_new_goal_starts_again(robot: Robot) -> None:
    for number, goal in enumerate(("pick one", "pick one", "pick two")):
        robot.put_goal(goal)
        robot.put_image(number)
        assert robot.exchange.poll()
    assert robot.policy.started == ["pick one", "pick two"]
    assert {frame.stamp_ns for frame in robot.policy.seen[-1].frames} == {
        robot.policy.seen[-1].newest.stamp_ns
    }


@pytest.mark.parametrize("cut", [1, 4, 12, 100, 400])
def test_half_written_images_wait_for_their_rest(robot: Robot, cut: int) -> None:
    robot.put_goal("pick")
    robot.put_image(0, cut)
    for _ in range(3):
        assert not robot.exchange.poll()
    assert robot.image.exists()
    robot.put_image(0)
    assert robot.exchange.poll()


@pytest.mark.parametrize(
    "goal", ["", '["pick', "{}", "[]", '"pick"', "[1]", "[" * 100_000, "\x00", "null"]
)
def test_half_written_or_odd_goals_wait(robot: Robot, goal: str) -> None:
    robot.put_image(0)
    assert not robot.exchange.poll()
    robot.goal.write_text(goal)
    assert not robot.exchange.poll()
    robot.put_goal("pick")
    assert robot.exchange.poll()


def test_stale_images_are_ignored_and_left(robot: Robot) -> None:
    robot.put_goal("pick")
    robot.put_image(0)
    robot.now_s += 2.5
    for _ in range(3):
        assert not robot.exchange.poll()
    assert robot.image.exists()
    robot.put_image(1)
    assert robot.exchange.poll()
    assert len(robot.policy.seen) == 1


def test_what_never_becomes_whole_goes_stale(robot: Robot) -> None:
    robot.put_goal("pick")
    robot.put_image(0, cut=4)
    robot.now_s += 5.0
    assert not robot.exchange.poll()
    # its rest comes too late to mean anything
    robot.put_image(1)
    assert robot.exchange.poll()


def test_stamps_are_repeated_and_repeated_stamps_ignored(robot: Robot) -> None:
    for stamp_ns, answered in ((100, True), (200, True), (200, False), (150, False), (300, True)):
        robot.put_goal("pick", {"stamp_ns": stamp_ns})
        robot.put_image(stamp_ns)
        assert robot.exchange.poll() == answered
        assert not robot.image.exists()
        if answered:
            answer = robot.take_answer()
            assert isinstance(answer, dict)
            assert answer["stamp_ns"] == stamp_ns
            assert answer["answer"].startswith("The robot should <")
        assert not robot.answer.exists()


def test_depth_beside_the_image_is_used(robot: Robot) -> None:
    robot.put_goal("pick")
    depth_mm = make_frame(3).depth_mm
    data = png(depth_mm)
    robot.depth.write_bytes(data[:-4])
    robot.put_image(3)
    assert not robot.exchange.poll()
    robot.depth.write_bytes(data)
    assert robot.exchange.poll()
    assert np.array_equal(robot.policy.seen[0].newest.depth_mm, depth_mm)


@pytest.mark.parametrize("pixels", [np.zeros((12, 16), np.uint8), np.zeros((6, 8), np.uint16)])
def test_other_depth_is_not_used(robot: Robot, pixels: np.ndarray) -> None:
    robot.put_goal("pick")
    robot.depth.write_bytes(png(pixels))
    robot.put_image(0)
    assert not robot.exchange.poll()


def test_a_time_out_is_no_answer_and_the_next_image_gets_one(robot: Robot) -> None:
    robot.policy.script = [PolicyTimeoutError("late")]
    robot.put_goal("pick")
    robot.put_image(0)
    assert not robot.exchange.poll()
    assert not robot.answer.exists()
    assert not robot.image.exists()
    robot.put_image(1)
    assert robot.exchange.poll()


def test_a_failed_goal_gets_no_answers_until_there_is_another(robot: Robot) -> None:
    robot.policy.script = [PolicyError("no cup is in view")]
    robot.put_goal("pick cup")
    for number in range(3):
        robot.put_image(number)
        assert not robot.exchange.poll()
    assert len(robot.policy.seen) == 1
    robot.put_goal("dance")
    robot.put_image(3)
    assert not robot.exchange.poll()
    robot.put_goal("pick ball")
    robot.put_image(4)
    assert robot.exchange.poll()


def test_an_image_that_comes_meanwhile_is_kept(robot: Robot) -> None:
    robot.put_goal("pick")
    robot.put_image(0)
    step = robot.policy.step

    def meanwhile(observation: Observation) -> PolicyStep:
        if len(robot.policy.seen) == 0:
            robot.put_image(1)
        return step(observation)

    robot.policy.step = meanwhile  # type: ignore[method-assign]
    assert robot.exchange.poll()
    assert robot.image.exists()
    assert robot.exchange.poll()
    assert np.array_equal(robot.policy.seen[1].newest.color, make_frame(1).color)


def test_running_removes_an_old_answer_and_answers_until_stopped(tmp_path: Path) -> None:
    robot = Robot(tmp_path, poll_s=0.001)
    robot.answer.parent.mkdir()
    robot.answer.write_text('"The robot should <1, 1, 1, 1, 1, 1, 1>."')
    stop = threading.Event()
    thread = threading.Thread(target=robot.exchange.run, args=(stop,))
    thread.start()
    wait_until(lambda: not robot.answer.exists(), "old answer removed")
    robot.put_goal("pick")
    robot.put_image(0)
    wait_until(robot.answer.exists, "answer")
    # whoever sees the file sees all of it
    assert isinstance(json.loads(robot.answer.read_text()), str)
    stop.set()
    thread.join(10.0)
    assert not thread.is_alive()


def test_readers_never_meet_half_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    write_json(path, "x" * 100_000)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            write_json(path, str(number % 10) * 100_000)

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(200):
        assert len(json.loads(path.read_text())) == 100_000
    stop.set()
    thread.join(10.0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["answer.json"]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "answer.json", object())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changes", [{"answer_form": "xml"}, {"poll_s": 0.0}, {"max_age_s": 0.01}])
def test_unusable_options_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        ExchangeOptions(tmp_path, **changes)  # type: ignore[arg-type]
