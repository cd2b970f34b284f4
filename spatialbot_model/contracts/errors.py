"""The one error tree of the suite.

Every error a user can meet derives from `SpatialBotError`; its message says what
was wrong, what was expected and what to do next. Errors inherit twice where a
standard Python category fits, so that ``except TimeoutError`` keeps working.
"""

from collections.abc import Iterable


class SpatialBotError(Exception):
    """Base of all errors raised on purpose by this project."""


class ConfigurationError(SpatialBotError, ValueError):
    """A file, parameter or argument has a value that cannot be used."""


class UnknownNameError(ConfigurationError):
    """A name is not in a registry; the message lists the names that are."""

    def __init__(self, what: str, name: str, valid: Iterable[str]) -> None:
        self.what, self.name = what, name
        self.valid = tuple(sorted(valid))
        super().__init__(f"unknown {what} {name!r}; choose one of: {', '.join(self.valid)}")

    def __reduce__(self) -> tuple[type, tuple[str, str, tuple[str, ...]]]:
        """Worker processes hand their errors on, and pickle knows the message only."""
        return type(self), (self.what, self.name, self.valid)


class MissingDependencyError(SpatialBotError, ImportError):
    """An optional package or system library is not installed."""


class DepthCodecError(SpatialBotError, ValueError):
    """A depth image cannot be encoded or decoded without loss."""


class DepthQueryError(SpatialBotError, ValueError):
    """A depth question cannot be answered: bad point, region or stamp."""


class ActionParseError(SpatialBotError, ValueError):
    """A policy's answer is not exactly one well-formed action. The arm holds."""


class ActionSpecMismatchError(ConfigurationError):
    """Two sides disagree on what an action bin means."""


class PolicyError(SpatialBotError):
    """A policy cannot produce a step."""


class UnreadableInstructionError(PolicyError, ValueError):
    """A policy does not understand an instruction; says what it can read."""


class PolicyTimeoutError(PolicyError, TimeoutError):
    """A policy did not answer in time; the arm holds and the next step may be asked for."""


class PolicyConnectionError(PolicyError, ConnectionError):
    """No connection to a policy server, or it was lost; the arm holds while it comes back."""


class PolicyCancelledError(PolicyError):
    """A step was called off before it was finished."""


class ProtocolError(SpatialBotError, ValueError):
    """A message between policy client and server is malformed, too large or of another version."""


class CheckpointError(SpatialBotError, ValueError):
    """A checkpoint folder is incomplete, of another format, or does not fit the model."""


class TrainingError(SpatialBotError):
    """A training cannot go on: the loss is no number any more."""


class ContextLengthError(SpatialBotError, ValueError):
    """A prompt is longer than the model's context; nothing is cut silently."""


class CameraError(SpatialBotError):
    """A camera failed."""


class CameraNotFoundError(CameraError):
    """No camera matches what was looked for."""


class CameraTimeoutError(CameraError, TimeoutError):
    """A connected camera delivered no frame in time."""


class HalfFramesetError(CameraTimeoutError):
    """Colour came without depth, or depth without colour."""


class CameraReopenError(CameraError):
    """A stream stays bad; its device is closed and opened again."""


class RobotError(SpatialBotError):
    """The robot or its gripper failed."""


class RobotConnectionError(RobotError, ConnectionError):
    """No connection to the robot, or it was lost."""


class RobotReflexError(RobotError):
    """The robot stopped itself (reflex); recovery must be asked for."""


class RobotMotionError(RobotError):
    """A motion ended by itself with the robot healthy; it may be asked to move again."""


class TeleopDeviceError(SpatialBotError):
    """A keyboard, gamepad or SpaceMouse is missing, not usable, or was unplugged."""


class SafetyError(SpatialBotError):
    """A command was refused by the safety envelope."""


class StaleDataError(SpatialBotError, TimeoutError):
    """Data is older than what it is used for allows."""


class SimulationError(SpatialBotError):
    """The simulated lab cannot be built or run."""


class AddressInUseError(SimulationError, OSError):
    """Another simulator already serves this address."""


class RecordingError(SpatialBotError):
    """An episode cannot be written or read."""


class UnsafePathError(RecordingError, ConfigurationError):
    """A name from a file or a request would lead out of the folder that it belongs to."""
