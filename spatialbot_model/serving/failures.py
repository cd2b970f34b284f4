"""Errors across the wire: our error classes <-> short codes.

A client raises what the policy raised on the server, as the class that a local policy would
have raised. Only classes named here are ever created; a code from the wire is looked up, not
resolved.
"""

from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    CheckpointError,
    ConfigurationError,
    ContextLengthError,
    DepthQueryError,
    PolicyCancelledError,
    PolicyConnectionError,
    PolicyError,
    PolicyTimeoutError,
    ProtocolError,
    SpatialBotError,
    StaleDataError,
    UnreadableInstructionError,
)

INTERNAL = "internal"
"""A defect on the server; its text stays in the server's log."""
SUPERSEDED = "superseded"
"""A newer step took this one's place before it was begun."""
MISSING_FRAMES = "missing_frames"
"""The server lacks frames that a step names; the client sends all of them."""
BUSY = "busy"
"""The server has as many sessions as it may have, or is stopping; ask again later."""
EXPIRED = "expired"
"""The session was not used for long and is closed."""
TIMEOUT = "timeout"
PROTOCOL = "protocol"
UNAUTHORIZED = "unauthorized"

# the first class that fits wins: subclasses stand before their bases
_CLASSES: dict[str, type[SpatialBotError]] = {
    TIMEOUT: PolicyTimeoutError,
    "connection": PolicyConnectionError,
    "cancelled": PolicyCancelledError,
    "instruction": UnreadableInstructionError,
    "action_spec": ActionSpecMismatchError,
    PROTOCOL: ProtocolError,
    "checkpoint": CheckpointError,
    "context_length": ContextLengthError,
    "depth_query": DepthQueryError,
    "stale_data": StaleDataError,
    "configuration": ConfigurationError,
    "policy": PolicyError,
}
_ONLY_ON_THE_WIRE: dict[str, type[SpatialBotError]] = {
    INTERNAL: PolicyError,
    SUPERSEDED: PolicyTimeoutError,
    MISSING_FRAMES: PolicyConnectionError,
    BUSY: PolicyConnectionError,
    EXPIRED: PolicyConnectionError,
    UNAUTHORIZED: ConfigurationError,
}


def failure_code(error: SpatialBotError) -> str:
    """The code that comes closest to an error."""
    return next(
        (code for code, error_class in _CLASSES.items() if isinstance(error, error_class)),
        "policy",
    )


def failure_error(code: str, text: str) -> SpatialBotError:
    """The error to raise for a failure that came over the wire; unknown codes are policy errors."""
    known = {**_CLASSES, **_ONLY_ON_THE_WIRE}
    return known.get(code, PolicyError)(f"the policy server says: {text}")
