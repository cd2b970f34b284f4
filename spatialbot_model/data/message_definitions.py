"""Message types from the definitions that a bag carries, which may come from anybody.

rosbags writes Python from them. It lets through only names and literals of its grammars, but
unrolls arrays of texts and of messages: ``string[20000]`` took 44 s and 0.8 GB, one more digit the
whole memory. So a definition is measured before anything is made of it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from spatialbot_model.contracts.errors import RecordingError

MAX_DEFINITION_CHARS = 2**18
"""The longest of ROS, with the comments of all its parts, have a fifth of that."""

MAX_PARTS = 2000
"""Fields of all types of a definition, an array of texts or messages counting as its elements."""

_MAX_ARRAY = 2**31 - 1
_IDL_SEPARATOR = "=" * 80 + "\n"
# the parsers' own, and what Python raises about the code that was written: a constant 1e999 is
# the name `inf`, a type without its package is no key, one within itself recurses
_DEFINITION_ERRORS = (
    TypesysError,
    SerdeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    SyntaxError,
    NameError,
    AssertionError,
    RecursionError,
)


@lru_cache(maxsize=128)
def types_of_definition(ros_type: str, definition_format: str, definition: str) -> Typestore:
    """The types of a definition, ready to decode messages of `ros_type`.

    Bags of one recorder share their definitions; parsing them takes longer than an index.

    Raises:
        RecordingError: not a definition of that type, in another format, or larger than any.
    """
    store = get_typestore(Stores.EMPTY)
    types = _parse(ros_type, definition_format, definition)
    try:
        store.register(types)
        store.get_msgdef(ros_type)
    except _DEFINITION_ERRORS as error:
        raise _invalid(ros_type, definition_format, error) from error
    return store


@lru_cache(maxsize=128)
def check_definition(ros_type: str, definition_format: str, definition: str) -> None:
    """Whether a definition may be handed to readers of rosbags' own, which have no bounds.

    Raises:
        RecordingError: it does not parse, is in another format, or larger than any.
    """
    _parse(ros_type, definition_format, definition)


def _check_sizes(types: Mapping[str, Any]) -> None:
    parts = 0
    for name, (constants, fields) in types.items():
        parts += len(constants)
        for field, (node, detail) in fields:
            size = _array_size(node, detail)
            if field.startswith("_") or not 0 <= size <= _MAX_ARRAY:
                raise RecordingError(f"{name} has the field {field[:80]!r} of {size} elements")
            parts += size if node == Nodetype.ARRAY and _is_unrolled(detail) else 1
        if any(constant.startswith("_") for constant, *_ in constants):
            raise RecordingError(f"{name} has a constant whose name begins with '_'")
        if parts > MAX_PARTS:
            raise RecordingError(
                f"{name} and what it is made of have more than {MAX_PARTS} fields; elements of"
                " arrays of texts or messages count"
            )


def _array_size(node: Nodetype, detail: Any) -> int:
    return int(detail[1]) if node in (Nodetype.ARRAY, Nodetype.SEQUENCE) else 0


def _is_unrolled(detail: Any) -> bool:
    (node, base), _ = detail
    return bool(node == Nodetype.NAME or base[0] in ("string", "wstring"))


def _parse(ros_type: str, definition_format: str, definition: str) -> dict[str, Any]:
    """Constants and fields of each type, within bounds."""
    if definition_format not in ("ros2msg", "ros2idl"):
        raise RecordingError(
            f"the definition of {ros_type} is in {definition_format!r}, expected 'ros2msg' or"
            " 'ros2idl'"
        )
    if len(definition) > MAX_DEFINITION_CHARS:
        raise RecordingError(
            f"the definition of {ros_type} has {len(definition)} characters, expected at most"
            f" {MAX_DEFINITION_CHARS}"
        )
    types: dict[str, Any] = {}
    try:
        if definition_format == "ros2msg":
            types.update(get_types_from_msg(definition, ros_type))
        else:
            for part in _idl_parts(definition):
                types.update(get_types_from_idl(part))
    except _DEFINITION_ERRORS as error:
        raise _invalid(ros_type, definition_format, error) from error
    _check_sizes(types)
    return types


def _idl_parts(definition: str) -> list[str]:
    if not definition.startswith(f"{_IDL_SEPARATOR}IDL: "):
        return [definition]
    return [part.split("\n", 1)[1] for part in definition.split(_IDL_SEPARATOR)[1:]]


def _invalid(ros_type: str, definition_format: str, error: Exception) -> RecordingError:
    # rosbags quotes the whole definition
    return RecordingError(
        f"the definition of {ros_type} is not valid {definition_format}:"
        f" {type(error).__name__}: {str(error)[:200]}"
    )
