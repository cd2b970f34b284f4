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
    if len(definition) > MAX_DEFINITION_CHARS:
        raise RecordingError(
            f"the definition of {ros_type} has {len(definition)} characters, expected at most"
            f" {MAX_DEFINITION_CHARS}"
        )
    store = get_typestore(Stores.EMPTY)
    try:
        for types in _parse(ros_type, definition_format, definition):
            check_definitions(types)
            store.register(types)
        check_definitions(store.fielddefs)
        store.get_msgdef(ros_type)
    except _DEFINITION_ERRORS as error:
        # rosbags quotes the whole definition
        raise RecordingError(
            f"the definition of {ros_type} is not valid {definition_format}:"
            f" {type(error).__name__}: {str(error)[:200]}"
        ) from error
    return store


def check_definitions(types: Mapping[str, Any]) -> None:
    """Definitions as rosbags parses them: constants and fields of each type.

    Raises:
        RecordingError: one has names or sizes that ROS does not have, or all are too large.
    """
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


def _parse(ros_type: str, definition_format: str, definition: str) -> list[Any]:
    if definition_format == "ros2msg":
        return [get_types_from_msg(definition, ros_type)]
    if definition_format != "ros2idl":
        raise RecordingError(
            f"the definition of {ros_type} is in {definition_format!r}, expected 'ros2msg' or"
            " 'ros2idl'"
        )
    parts = [definition]
    if definition.startswith(f"{_IDL_SEPARATOR}IDL: "):
        parts = [part.split("\n", 1)[1] for part in definition.split(_IDL_SEPARATOR)[1:]]
    return [get_types_from_idl(part) for part in parts]
