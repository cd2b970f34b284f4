"""What policy client and policy server say to each other, as values; no bytes, no sockets here.

A conversation: the client says `Hello`, the server `Welcome` with a session id that nobody else
has. From then on every message carries that id and a sequence number; the number grows with
each request and its answer repeats it, so that a late answer or one of another session is
recognised and never used. `Start` and `Reset` and `Ping` are answered with `Done`, `Step` with
`Answer`; anything may be answered with `Failure`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ProtocolError
from spatialbot_model.contracts.types import PolicyStep, RgbdFrame, RobotState

POLICY_PATH = "/policy"
"""Where the server speaks this protocol."""

PROTOCOL_VERSION = 4
"""Both sides must have the same one; it changes with every change of a message. 2: a step may tell
the robot's state."""

MAX_FRAMES = 16
"""Frames that an observation may have."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a client.

    Attributes:
        version: `PROTOCOL_VERSION` of the client.
        token: the shared secret, empty when the server asks for none.
        action_spec: what the client's robot takes an action to mean.
        software: name and version, for people and logs.
    """

    version: int
    token: str = field(repr=False)
    action_spec: ActionSpec
    software: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server's answer to `Hello`; the session exists from now on.

    Attributes:
        session: id of the session, unguessable.
        policy: name of the policy that answers.
        action_spec: as in `Hello`; the policy was made for it.
        software: name and version of the server.
        resumes_from_frames: a new session can go on in the middle of an instruction, because the
            policy remembers nothing but frames.
    """

    session: str
    policy: str
    action_spec: ActionSpec
    software: str
    resumes_from_frames: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Begin an instruction; forgets frames and everything else about the one before."""

    session: str
    seq: int
    instruction: str


@dataclass(frozen=True, slots=True)
class Step:
    """Ask for one control step.

    Attributes:
        stamps_ns: stamps of all frames of the observation, newest first.
        frames: those of them that the server does not have yet, newest first; normally the
            newest one only. The server keeps exactly the frames of the last step.
        instruction: as in the observation.
        T_base_camera: (4, 4) float64 pose of the colour optical frame in `fr3_link0`.
        timeout_s: how much longer the client waits for the answer.
        robot: its state at the newest frame; None when the client does not know it.

    Raises:
        ProtocolError: no stamps, too many, not newest first, or a frame that is none of them.
    """

    session: str
    seq: int
    stamps_ns: tuple[int, ...]
    frames: tuple[RgbdFrame, ...]
    instruction: str
    T_base_camera: NDArray[np.float64]
    timeout_s: float
    robot: RobotState | None = None

    def __post_init__(self) -> None:
        stamps = self.stamps_ns
        if not 1 <= len(stamps) <= MAX_FRAMES or list(stamps) != sorted(stamps, reverse=True):
            raise ProtocolError(
                f"a step names the frames {stamps}; expected 1 to {MAX_FRAMES} stamps, newest first"
            )
        sent = [frame.stamp_ns for frame in self.frames]
        if len(set(sent)) != len(sent) or not set(sent) <= set(stamps):
            raise ProtocolError(
                f"a step carries the frames {sent}, expected each at most once and all of them"
                f" among the named {stamps}"
            )


@dataclass(frozen=True, slots=True)
class Reset:
    """Forget instruction and frames, for example because the clock was set back."""

    session: str
    seq: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks whether the session still lives; keeps it from expiring."""

    session: str
    seq: int


@dataclass(frozen=True, slots=True)
class Done:
    """A `Start`, `Reset` or `Ping` was carried out."""

    session: str
    seq: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The policy's answer to a `Step`."""

    session: str
    seq: int
    step: PolicyStep


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not carried out.

    Attributes:
        session, seq: of the request; empty and 0 when it could not be read that far.
        code: what kind of failure, see `failures.py`; unknown ones are read as plain ones.
        text: for people.
    """

    session: str
    seq: int
    code: str
    text: str


Message = Hello | Welcome | Start | Step | Reset | Ping | Done | Answer | Failure
