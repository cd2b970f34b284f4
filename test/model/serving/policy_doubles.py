"""Test doubles of a policy, deterministic, and the observations they are shown."""

import threading
import zlib
from collections.abc import Sequence

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import UnreadableInstructionError
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import (
    CameraIntrinsics,
    DepthAnswer,
    Observation,
    PolicyStep,
    RgbdFrame,
    RobotState,
)

WAIT_S = 20.0
"""Far longer than anything here takes; only a failing test waits so long."""

T_BASE_CAMERA = np.array(
    [[0.0, -1.0, 0.0, 0.5], [1.0, 0.0, 0.0, 0.1], [0.0, 0.0, 1.0, 0.7], [0.0, 0.0, 0.0, 1.0]]
)


class EchoPolicy:
    """Test double: its answer depends on every byte of the observation and on the instruction."""

    resumes_from_frames = True

    def __init__(self, spec: ActionSpec | None = None) -> None:
        self.instruction = ""
        self.threads: set[int] = set()
        self.closed = False

    def start(self, instruction: str) -> None:
        self.threads.add(threading.get_ident())
        if not instruction.startswith("pick"):
            raise UnreadableInstructionError(f"cannot read {instruction!r}; say pick ...")
        self.instruction = instruction

    def step(self, observation: Observation) -> PolicyStep:
        self.threads.add(threading.get_ident())
        checksum = zlib.crc32(self.instruction.encode())
        checksum = zlib.crc32(observation.instruction.encode(), checksum)
        checksum = zlib.crc32(np.ascontiguousarray(observation.T_base_camera).tobytes(), checksum)
        state = observation.robot
        if state is not None:
            checksum = zlib.crc32(np.ascontiguousarray(state.T_base_ee).tobytes(), checksum)
            told = f"{state.gripper_width_m!r} {state.gripper_closed!r}"
            checksum = zlib.crc32(told.encode(), checksum)
        for frame in observation.frames:
            checksum = zlib.crc32(frame.color.tobytes(), checksum)
            checksum = zlib.crc32(frame.depth_mm.tobytes(), checksum)
            checksum = zlib.crc32(f"{frame.stamp_ns} {frame.intrinsics}".encode(), checksum)
        bins = tuple(int(k) for k in np.random.default_rng(checksum).integers(0, 101, 7))
        return PolicyStep(
            format_action_text(DeltaAction(bins)),
            observation.newest.stamp_ns,
            (DepthAnswer(0.5, 0.25, checksum % 5000), DepthAnswer(1.0, 0.0, None)),
            "echo",
            {"decode": 1.5},
            tuple(k / 100 for k in bins),
        )

    def close(self) -> None:
        self.closed = True


class StatefulPolicy(EchoPolicy):
    """Test double: remembers more than frames, as the classical policy does."""

    resumes_from_frames = False


class GatedPolicy(EchoPolicy):
    """Test double: each step waits at a gate; says when it is there."""

    def __init__(self, spec: ActionSpec | None = None) -> None:
        super().__init__(spec)
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.seen_ns: list[int] = []

    def step(self, observation: Observation) -> PolicyStep:
        self.seen_ns.append(observation.newest.stamp_ns)
        self.arrived.release()
        assert self.gate.wait(WAIT_S)
        return super().step(observation)

    def wait_arrived(self) -> None:
        """Wait until a step has come to the gate."""
        assert self.arrived.acquire(timeout=WAIT_S)


def make_frame(number: int, width: int = 16, height: int = 12, seed: int = 0) -> RgbdFrame:
    """A frame whose pixels are unlike any other's; 100 ms between numbers."""
    random = np.random.default_rng([seed, number])
    return RgbdFrame(
        1_000_000_000 + number * 100_000_000,
        random.integers(0, 256, (height, width, 3), dtype=np.uint8),
        random.integers(0, 65536, (height, width), dtype=np.uint16),
        CameraIntrinsics(width, height, 615.5, 614.5, 8.25, 6.0, (0.1, 0.0, -0.1, 0.0, 0.2)),
    )


def make_state(frame: RgbdFrame) -> RobotState | None:
    """A state unlike that of any other frame; every fourth frame has none."""
    random = np.random.default_rng(frame.stamp_ns)
    T_base_ee = T_BASE_CAMERA.copy()
    T_base_ee[:3, 3] = random.random(3)
    known = frame.stamp_ns // 100_000_000 % 4 > 0
    T_base_target = T_base_ee.copy()
    T_base_target[:3, 3] = random.random(3)
    width_m, closed = random.random(), random.random() < 0.5
    return RobotState(T_base_ee, T_base_target, width_m, closed) if known else None


def observe(frames: Sequence[RgbdFrame], instruction: str = "pick it") -> Observation:
    """The observation after these frames, oldest first."""
    history = FrameHistory()
    for frame in frames:
        history.push(frame)
    seen = history.frames()
    return Observation(seen, instruction, T_BASE_CAMERA, make_state(seen[0]))


def expected_answer(observation: Observation, instruction: str = "pick it") -> PolicyStep:
    """What a policy in this process answers."""
    policy = EchoPolicy()
    policy.start(instruction)
    return policy.step(observation)


def same_answer(answer: PolicyStep, expected: PolicyStep) -> bool:
    """Equal in everything but how long it took."""

    def key(step: PolicyStep) -> tuple[object, ...]:
        return (
            *(step.text, step.observation_stamp_ns, tuple(step.depth_answers), step.stage),
            tuple(step.action_probabilities),
        )

    return key(answer) == key(expected)
