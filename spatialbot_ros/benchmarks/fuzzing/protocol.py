"""What a client sends to the policy server."""

import asyncio
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ProtocolError
from spatialbot_model.contracts.types import (
    CameraIntrinsics,
    DepthAnswer,
    PolicyStep,
    RgbdFrame,
    RobotState,
)
from spatialbot_model.serving.messages import (
    PROTOCOL_VERSION,
    Answer,
    Done,
    Failure,
    Hello,
    Message,
    Ping,
    Reset,
    Start,
    Step,
    Welcome,
)
from spatialbot_model.serving.metrics import ServerMetrics
from spatialbot_model.serving.protocol import decode, encode
from spatialbot_model.serving.sessions import Session
from spatialbot_ros.benchmarks.fuzzing.targets import ACCEPTED, FuzzTarget

_SESSION = "5"


class ProtocolTarget(FuzzTarget):
    """What is accepted means the same after another trip, and a session takes or refuses it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._loop = asyncio.new_event_loop()

    def seeds(self) -> list[bytes]:
        spec = ActionSpec()
        camera = CameraIntrinsics(4, 3, 2.0, 2.0, 1.5, 1.0)
        color, depth_mm = np.zeros((3, 4, 3), np.uint8), np.ones((3, 4), np.uint16)
        frame = RgbdFrame(7, color, depth_mm, camera)
        robot = RobotState(np.eye(4), np.eye(4), 0.08, False, 0.0)
        step = PolicyStep("The robot has finished.", 7, (DepthAnswer(0.5, 0.5, 584),))
        messages: list[Message] = [
            Hello(PROTOCOL_VERSION, "token", spec, "a"),
            Welcome(_SESSION, "local", spec, "a", True),
            Start(_SESSION, 1, "pick up the cup"),
            Step(_SESSION, 2, (7,), (frame,), "pick", np.eye(4), 0.5, robot),
            Step(_SESSION, 2, (7, 3), (), "pick", np.eye(4), 0.5),
            Reset(_SESSION, 3),
            Ping(_SESSION, 4),
            Done(_SESSION, 4),
            Answer(_SESSION, 4, step),
            Failure(_SESSION, 4, "busy", "later"),
        ]
        return [encode(message) for message in messages]

    def words(self) -> list[bytes]:
        return [b"type", b"session", b"\xa15", b"\xa3seq", b"u1\x03", b"f8\x02", b"\xc9", b"\xc0"]

    def check(self, data: bytes) -> str:
        try:
            message = decode(data)
        except ProtocolError:
            return ProtocolError.__name__
        # arrays have no plain equality, bytes do
        wire = encode(message)
        assert encode(decode(wire)) == wire
        sent: list[Message] = []

        async def send(answer: Message) -> None:
            sent.append(answer)

        session = Session(send, ServerMetrics(), 1.0)
        session.id = _SESSION
        try:
            self._loop.run_until_complete(session.accept(message))
        except ProtocolError:
            return f"session: {ProtocolError.__name__}"
        return ACCEPTED
