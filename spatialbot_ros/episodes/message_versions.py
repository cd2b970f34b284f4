"""Messages recorded with another version of their definition, brought to the installed one."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from spatialbot_model.contracts.episode import EPISODE_TOPICS
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.message_types import message_types

_NUMPY = {"bool": "bool", "float32": "float32", "float64": "float64", "octet": "uint8"}


@cache
def installed_hashes() -> dict[str, str]:
    """Topic of the contract -> RIHS01 hash of its type as installed here."""
    store = message_types()
    return {t.name: store.hash_rihs01(t.ros_type) for t in EPISODE_TOPICS.values()}


def check_hashes(hashes: Mapping[str, str], where: str) -> None:
    """Refuse messages that the installed definitions would misread.

    Raises:
        RecordingError: names the topics.
    """
    installed = installed_hashes()
    other = [topic for topic, found in hashes.items() if found != installed.get(topic)]
    if other:
        raise RecordingError(
            f"{where} was converted with other definitions of the messages on"
            f" {', '.join(sorted(other))}; convert it with the software version that made it"
        )


def to_installed(message: Any, ros_type: str) -> bytes:
    """CDR bytes of a decoded message under the installed definition, field by field.

    Fields that the definition lacks are left out, fields that are new have their default (0,
    empty).
    """
    return bytes(message_types().serialize_cdr(_copied(message, ros_type), ros_type))


def _copied(message: Any, ros_type: str) -> Any:
    store = message_types()
    # the definition is a tree of tagged tuples, too loosely typed to be told apart
    definition: Any = store.get_msgdef(ros_type).fields
    values: dict[str, Any] = {}
    for name, (kind, detail) in definition:
        value = getattr(message, name, None)
        if kind == Nodetype.NAME:
            values[name] = _copied(value, detail)
        elif kind == Nodetype.BASE:
            values[name] = _default(detail[0]) if value is None else value
        else:
            (inner, inner_detail), bound = detail
            # only an array has a fixed length; the bound of a sequence is its greatest
            length = bound if kind == Nodetype.ARRAY else 0
            if inner == Nodetype.NAME:
                items = [None] * length if value is None else value
                values[name] = [_copied(item, inner_detail) for item in items]
            elif value is not None:
                values[name] = value
            elif inner_detail[0] == "string":
                values[name] = [""] * length
            else:
                values[name] = np.zeros(length, _NUMPY.get(inner_detail[0], inner_detail[0]))
    return store.types[ros_type](**values)


def _default(scalar: str) -> Any:
    return {"string": "", "bool": False}.get(scalar, 0)
