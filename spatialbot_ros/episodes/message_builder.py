"""Builds ROS messages without ROS: what is not given is zero, empty or false."""

from functools import cache
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from spatialbot_ros.episodes.message_types import message_types

_NUMPY = {"octet": "uint8", "char": "uint8"}
_NS_PER_S = 1_000_000_000


def build(ros_type: str, **fields: Any) -> Any:
    """A message of a type; fields that are not given have ROS's default values.

    Raises:
        TypeError: the type has no such field.
    """
    known = _fields(ros_type)
    unknown = set(fields) - {name for name, _, _ in known}
    if unknown:
        raise TypeError(f"{ros_type} has no field {sorted(unknown)}")
    values = {
        name: fields[name] if name in fields else _default(kind, detail)
        for name, kind, detail in known
    }
    return message_types().types[ros_type](**values)


def stamp(stamp_ns: int) -> Any:
    """builtin_interfaces/Time of nanoseconds."""
    sec, nanosec = divmod(stamp_ns, _NS_PER_S)
    return build("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    return build("std_msgs/msg/Header", stamp=stamp(stamp_ns), frame_id=frame_id)


def to_cdr(message: Any, ros_type: str) -> bytes:
    """Bytes of a message as ROS sends them."""
    return bytes(message_types().serialize_cdr(message, ros_type))


@cache
def _fields(ros_type: str) -> tuple[tuple[str, Any, Any], ...]:
    definition: Any = message_types().get_msgdef(ros_type)
    return tuple((name, Nodetype(kind), detail) for name, (kind, detail) in definition.fields)


def _default(kind: Nodetype, detail: Any) -> Any:
    if kind is Nodetype.NAME:
        return build(detail)
    if kind is Nodetype.BASE:
        return {"string": "", "bool": False}.get(detail[0], 0)
    (element_kind, element), length = detail
    if Nodetype(element_kind) is Nodetype.BASE and element[0] != "string":
        num = length if kind is Nodetype.ARRAY else 0
        return np.zeros(num, _NUMPY.get(element[0], element[0]))
    return [] if kind is Nodetype.SEQUENCE else [_default(element_kind, element)] * length
