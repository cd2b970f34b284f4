"""SpatialBot's action language: metric delta actions <-> 101-value bins <-> text or tokens.

Text form (paper III-E): ``The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>.``
Token form: the same sentence with seven action tokens instead of the numbers, so that
numbers in conversation keep their meaning.

The released code answers with a bare vector of eight numbers in the order of RT-X:
terminate flag, dx, dy, dz, droll, dpitch, dyaw, gripper. It scales 1..6, skips the flag
and never ends an instruction by it; so does this parser. Its ``value * 0.4 - 0.2`` is an
`ActionSpec` with both limits 0.2.

Parsing never guesses: what is not exactly one well-formed action raises, and the caller
holds the arm.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS, ZERO_BIN, ActionSpec
from spatialbot_model.contracts.errors import ActionParseError, ConfigurationError

__all__ = [
    "ACTION_NAMES",
    "FINISHED_TEXT",
    "NUM_BINS",
    "ZERO_BIN",
    "ActionSpec",
    "DeltaAction",
    "Finished",
    "action_token",
    "format_action_text",
    "format_action_tokens",
    "parse_action_text",
    "parse_action_tokens",
]

FINISHED_TEXT = "The robot has finished."

_GRIPPER = 6
_MAX_BIN = NUM_BINS - 1
_NUMBER_TOLERANCE = 1e-6
_QUOTE_CHARS = 160
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SENTENCE = re.compile(r"The robot should <([^<>]*)>\.?\s*$")
_VECTOR = re.compile(r"[<\[](?:[^<>\[\],]*,){6,}[^<>\[\],]*[>\]]")
_BARE_VECTOR = re.compile(r"<([^<>\[\]]*)>|\[([^<>\[\]]*)\]")
_TOKEN = re.compile(r"<act_([0-9]{3})>")
_TOKEN_SENTENCE = re.compile(r"The robot should ((?:<act_[0-9]{3}> ?)+)\.?\s*$")


@dataclass(frozen=True, slots=True)
class Finished:
    """The policy says that the instruction is done; carries no motion."""


@dataclass(frozen=True, slots=True)
class DeltaAction:
    """One control step, exact in bins: (dx, dy, dz, droll, dpitch, dyaw, gripper).

    Attributes:
        bins: seven integers 0..100; 50 is exactly no motion.
        spec: what the bins mean.

    Raises:
        ConfigurationError: not seven integers in 0..100.
    """

    bins: tuple[int, ...]
    spec: ActionSpec = field(default_factory=ActionSpec)

    def __post_init__(self) -> None:
        bins = tuple(self.bins)
        good = len(bins) == len(ACTION_NAMES) and all(
            isinstance(k, int | np.integer) and not isinstance(k, bool) and 0 <= k <= _MAX_BIN
            for k in bins
        )
        if not good:
            raise ConfigurationError(
                f"action bins are {bins!r}, expected seven integers 0..{_MAX_BIN}"
                f" ({', '.join(ACTION_NAMES)})"
            )
        object.__setattr__(self, "bins", tuple(int(k) for k in bins))

    @property
    def translation_m(self) -> NDArray[np.float64]:
        """(3,) motion of this step in `spec.frame` [m]."""
        return _bins_to_delta(self.bins[:3], self.spec.translation_limit_m)

    @property
    def rotation_rad(self) -> NDArray[np.float64]:
        """(3,) extrinsic roll, pitch, yaw of this step in `spec.frame` [rad]."""
        return _bins_to_delta(self.bins[3:_GRIPPER], self.spec.rotation_limit_rad)

    @property
    def gripper_closed(self) -> bool:
        """Whether the gripper is to be closed; with the default spec from bin 50 up."""
        return (self.bins[_GRIPPER] >= ZERO_BIN) == (self.spec.gripper_closed_value == 1.0)

    @classmethod
    def from_values(
        cls,
        translation_m: ArrayLike,
        rotation_rad: ArrayLike,
        gripper_closed: bool,
        spec: ActionSpec | None = None,
        *,
        clip: bool = False,
    ) -> "DeltaAction":
        """Quantise a metric action to the nearest bins.

        Args:
            translation_m: (3,) motion of one step in `spec.frame` [m].
            rotation_rad: (3,) extrinsic roll, pitch, yaw of one step [rad].
            gripper_closed: the wanted gripper state.
            spec: ranges; the default spec when None.
            clip: limit values beyond the range instead of raising.

        Raises:
            ConfigurationError: wrong shape, a value that is not finite, or one beyond the
                range without `clip`.
        """
        spec = ActionSpec() if spec is None else spec
        motion = (
            *_delta_to_bins("translation_m", translation_m, spec.translation_limit_m, clip),
            *_delta_to_bins("rotation_rad", rotation_rad, spec.rotation_limit_rad, clip),
        )
        high = bool(gripper_closed) == (spec.gripper_closed_value == 1.0)
        return cls((*motion, _MAX_BIN if high else 0), spec)


def format_action_text(action: DeltaAction) -> str:
    """The answer sentence, two decimals a number; a fully open or closed gripper is 0 or 1."""
    gripper = action.bins[_GRIPPER]
    numbers = [f"{k / 100:.2f}" for k in action.bins[:_GRIPPER]]
    numbers.append(f"{gripper // 100}" if gripper in (0, _MAX_BIN) else f"{gripper / 100:.2f}")
    return f"The robot should <{', '.join(numbers)}>."


def action_token(bin_index: int) -> str:
    """Vocabulary entry of a bin, ``<act_000>`` .. ``<act_100>``."""
    if isinstance(bin_index, bool) or not 0 <= bin_index <= _MAX_BIN:
        raise ConfigurationError(f"there is no action token {bin_index!r}, only 0..{_MAX_BIN}")
    return f"<act_{bin_index:03d}>"


def format_action_tokens(action: DeltaAction) -> str:
    """The answer sentence with seven action tokens."""
    return f"The robot should {''.join(action_token(k) for k in action.bins)}."


def parse_action_text(text: str, spec: ActionSpec) -> DeltaAction | Finished:
    """Read a policy's answer in text form.

    Read are the seven numbers of the sentence, the same sentence with the released eight
    numbers, and the released bare vector of eight numbers as the whole answer. Each number
    must be one of 0.00, 0.01, .. 1.00. Other words may stand before the sentence (the model
    may look up depths first), but no second action, and nothing after it.

    Raises:
        ActionParseError: not exactly one well-formed action; quotes it and says why.
    """
    if _is_finished(text):
        return Finished()
    bare = _BARE_VECTOR.fullmatch(text.strip())
    if bare is not None:
        body = bare[1] if bare[1] is not None else bare[2]
        sizes: tuple[int, ...] = (8,)
    else:
        sentence = _SENTENCE.search(text)
        if sentence is None:
            raise _error(text, "does not end with a complete action")
        body, sizes = sentence[1], (7, 8)
    parts = [part.strip() for part in body.split(",")]
    if len(parts) not in sizes:
        raise _error(
            text, f"has {len(parts)} numbers where {' or '.join(map(str, sizes))} are expected"
        )
    bins = [_parse_number(part, text) for part in parts]
    return DeltaAction(tuple(bins[-len(ACTION_NAMES) :]), spec)


def parse_action_tokens(text: str, spec: ActionSpec) -> DeltaAction | Finished:
    """Read a policy's answer in token form.

    Raises:
        ActionParseError: not exactly one sentence with seven action tokens.
    """
    if _is_finished(text):
        return Finished()
    sentence = _TOKEN_SENTENCE.search(text)
    tokens = [] if sentence is None else _TOKEN.findall(sentence[1])
    if sentence is None or text.count("<act_") != len(tokens) or len(tokens) != len(ACTION_NAMES):
        raise _error(text, f"has {len(tokens)} action tokens where 7 are expected")
    bins = tuple(int(token) for token in tokens)
    if max(bins) > _MAX_BIN:
        raise _error(text, f"has the action token <act_{max(bins)}>; the last one is <act_100>")
    return DeltaAction(bins, spec)


def _is_finished(text: str) -> bool:
    """Whether the answer ends the instruction; refuses anything with two actions in it."""
    if not isinstance(text, str):
        raise ActionParseError(f"the answer is {type(text).__name__}, expected text")
    num_actions = max(text.count("The robot should"), len(_VECTOR.findall(text)))
    num_actions += text.count(FINISHED_TEXT)
    if num_actions > 1:
        raise _error(text, f"holds {num_actions} actions where one is expected")
    return text.rstrip().endswith(FINISHED_TEXT)


def _parse_number(part: str, text: str) -> int:
    if _NUMBER.fullmatch(part) is None:
        raise _error(text, f"has {part!r} where a number 0.00..1.00 is expected")
    value = float(part)
    if not -_NUMBER_TOLERANCE <= value <= 1.0 + _NUMBER_TOLERANCE:
        raise _error(text, f"has {part} outside 0.00..1.00")
    k = round(value * _MAX_BIN)
    if abs(value - k / _MAX_BIN) > _NUMBER_TOLERANCE:
        raise _error(text, f"has {part}, which is no multiple of 0.01")
    return k


def _error(text: str, reason: str) -> ActionParseError:
    quoted = text if len(text) <= _QUOTE_CHARS else text[:_QUOTE_CHARS] + "..."
    return ActionParseError(
        f"the answer {quoted!r} {reason}; expected exactly one action such as"
        f" 'The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>.' or {FINISHED_TEXT!r}"
    )


def _bins_to_delta(bins: Sequence[int], limit: float) -> NDArray[np.float64]:
    # equals low + k / 100 * (high - low), but is exactly 0 and +-limit at 50, 0 and 100
    return (np.array(bins, dtype=np.float64) - ZERO_BIN) / ZERO_BIN * limit


def _delta_to_bins(name: str, values: ArrayLike, limit: float, clip: bool) -> tuple[int, ...]:
    try:
        delta = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{name} is {values!r}, expected three numbers") from error
    if delta.shape != (3,) or not all(math.isfinite(v) for v in delta):
        raise ConfigurationError(f"{name} is {delta.tolist()}, expected three finite numbers")
    # a limit computed as 10 steps of limit / 10 may exceed it in the last digit
    if not clip and np.any(np.abs(delta) > limit * (1.0 + 1e-9)):
        raise ConfigurationError(
            f"{name} is {delta.tolist()}, beyond the range of +-{limit} per step; make smaller"
            " steps or pass clip=True"
        )
    bins = np.rint((np.clip(delta / limit, -1.0, 1.0) + 1.0) * ZERO_BIN).astype(int)
    return tuple(bins.tolist())
