"""Which values a message may have: a rule for every field of every type, nothing assumed.

Unknown and missing fields are refused alike; the two sides have the same protocol version, so
there is nothing to be lenient about.
"""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError, ProtocolError
from spatialbot_model.contracts.types import (
    CameraIntrinsics,
    DepthAnswer,
    PolicyStep,
    RgbdFrame,
    RobotState,
)
from spatialbot_model.serving.arrays import DTYPES
from spatialbot_model.serving.messages import (
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

MAX_TEXT_CHARS = 16384
MAX_IMAGE_SIDE_PX = 8192
MAX_ITEMS = 64
"""Items of a list, entries of a map."""

MESSAGE_TYPES: dict[str, type] = {
    "hello": Hello,
    "welcome": Welcome,
    "start": Start,
    "step": Step,
    "reset": Reset,
    "ping": Ping,
    "done": Done,
    "answer": Answer,
    "failure": Failure,
}


def read_message(mapping: Any) -> Message:
    """A message from plain values and arrays.

    Raises:
        ProtocolError: an unknown type, a field too many or too few, a value out of bounds.
    """
    if not isinstance(mapping, dict):
        raise ProtocolError(f"a message is {type(mapping).__name__}, expected a map")
    name = mapping.get("type")
    message_class = MESSAGE_TYPES.get(name) if isinstance(name, str) else None
    if message_class is None:
        raise ProtocolError(
            f"unknown message type {str(name)[:40]!r}; expected one of {', '.join(MESSAGE_TYPES)}"
        )
    values = {key: value for key, value in mapping.items() if key != "type"}
    try:
        message: Message = _read_fields(message_class, values, str(name))
    except ConfigurationError as error:
        # frames and action specs check themselves
        raise ProtocolError(f"malformed {name} message: {error}") from error
    return message


def _read_fields(target: type, mapping: Any, where: str) -> Any:
    """An instance of `target` from exactly its fields, each read by its own rule."""
    names = [field.name for field in fields(target)]
    if not isinstance(mapping, dict) or set(mapping) != set(names):
        got = sorted(map(str, mapping)) if isinstance(mapping, dict) else type(mapping).__name__
        raise ProtocolError(f"{where} has {str(got)[:200]}, expected exactly {sorted(names)}")
    read = _READERS[target]
    return target(**{name: read[name](mapping[name], f"{where}.{name}") for name in names})


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
        raise ProtocolError(f"{where} is no text of at most {MAX_TEXT_CHARS} characters")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError(f"{where} is {type(value).__name__}, expected true or false")
    return value


def _integer(low: int, high: int) -> Callable[[Any, str], int]:
    def read(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ProtocolError(f"{where} is no integer in {low}..{high}")
        return value

    return read


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(f"{where} is no finite number")
    return float(value)


def _list(
    read: Callable[[Any, str], Any], low: int, high: int
) -> Callable[[Any, str], tuple[Any, ...]]:
    def read_list(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise ProtocolError(f"{where} is no list of {low} to {high} items")
        return tuple(read(item, f"{where}[{k}]") for k, item in enumerate(value))

    return read_list


def _numbers_by_name(value: Any, where: str) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{where} is {type(value).__name__}, expected a map of numbers")
    return {_text(key, where): _number(item, f"{where}.{key}") for key, item in value.items()}


def _array(dtype: str, *dimensions: int | None) -> Callable[[Any, str], NDArray[Any]]:
    def read(value: Any, where: str) -> NDArray[Any]:
        fits = isinstance(value, np.ndarray) and value.dtype == DTYPES[dtype]
        fits = fits and len(value.shape) == len(dimensions)
        fits = fits and all(
            size == wanted if wanted is not None else 0 < size <= MAX_IMAGE_SIDE_PX
            for size, wanted in zip(value.shape, dimensions, strict=True)
        )
        if not fits:
            shape = getattr(value, "shape", "")
            raise ProtocolError(
                f"{where} is {type(value).__name__} {shape}, expected {dtype} {dimensions}"
            )
        array: NDArray[Any] = value
        return array

    return read


def _pose(value: Any, where: str) -> NDArray[np.float64]:
    pose: NDArray[np.float64] = _array("f8", 4, 4)(value, where)
    if not np.all(np.isfinite(pose)):
        raise ProtocolError(f"{where} has numbers that are not finite")
    return pose


def _action_spec(value: Any, where: str) -> ActionSpec:
    if not isinstance(value, dict):
        raise ProtocolError(f"{where} is {type(value).__name__}, expected a map")
    return ActionSpec.from_mapping(value)


def _optional(read: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, where: None if value is None else read(value, where)


def _nested(target: type) -> Callable[[Any, str], Any]:
    return lambda value, where: _read_fields(target, value, where)


_STAMP = _integer(0, 2**63 - 1)
_SESSION = {"session": _text, "seq": _integer(0, 2**63 - 1)}
_SIDE = _integer(1, MAX_IMAGE_SIDE_PX)
_READERS: dict[type, dict[str, Callable[[Any, str], Any]]] = {
    Hello: {
        "version": _integer(0, 2**31),
        "token": _text,
        "action_spec": _action_spec,
        "software": _text,
    },
    Welcome: {
        "session": _text,
        "policy": _text,
        "action_spec": _action_spec,
        "software": _text,
        "resumes_from_frames": _flag,
    },
    Start: {**_SESSION, "instruction": _text},
    Step: {
        **_SESSION,
        "stamps_ns": _list(_STAMP, 1, MAX_ITEMS),
        "frames": _list(_nested(RgbdFrame), 0, MAX_ITEMS),
        "instruction": _text,
        "T_base_camera": _pose,
        "timeout_s": _number,
        "robot": _optional(_nested(RobotState)),
    },
    Reset: _SESSION,
    Ping: _SESSION,
    Done: _SESSION,
    Answer: {**_SESSION, "step": _nested(PolicyStep)},
    Failure: {**_SESSION, "code": _text, "text": _text},
    RgbdFrame: {
        "stamp_ns": _STAMP,
        "color": _array("u1", None, None, 3),
        "depth_mm": _array("u2", None, None),
        "intrinsics": _nested(CameraIntrinsics),
    },
    CameraIntrinsics: {
        "width": _SIDE,
        "height": _SIDE,
        **dict.fromkeys(("fx_px", "fy_px", "cx_px", "cy_px"), _number),
        "distortion": _list(_number, 5, 5),
    },
    RobotState: {
        "T_base_ee": _pose,
        "T_base_target": _pose,
        "gripper_width_m": _number,
        "gripper_closed": _flag,
        "gripper_speed_m_s": _number,
    },
    PolicyStep: {
        "text": _text,
        "observation_stamp_ns": _STAMP,
        "depth_answers": _list(_nested(DepthAnswer), 0, MAX_ITEMS),
        "stage": _text,
        "stage_ms": _numbers_by_name,
        "action_probabilities": _list(_number, 0, MAX_ITEMS),
    },
    DepthAnswer: {"x": _number, "y": _number, "depth_mm": _optional(_integer(0, 2**32 - 1))},
}
