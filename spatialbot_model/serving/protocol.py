"""Wire form of `messages`: bytes <-> dataclass, no sockets here.

One message is one msgpack map with the message's `type` and exactly its fields. Arrays are an
extension type of our own (`arrays.py`). Nothing in a message can name a class, a function or a
file: what comes out of `decode` are the dataclasses of `messages`, or a `ProtocolError`.

msgpack's own limits and the hooks bound what a message may blow up to before its fields are
looked at: arrays are views of bytes that are there, everything else is a few hundred values.
"""

import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ProtocolError
from spatialbot_model.serving.arrays import pack_array, unpack_array
from spatialbot_model.serving.messages import Message
from spatialbot_model.serving.readers import (
    MAX_ITEMS,
    MAX_TEXT_CHARS,
    MESSAGE_TYPES,
    read_message,
)

MAX_MESSAGE_BYTES = 32 * 2**20
"""Four 1280x720 RGB-D frames are 18 MB."""

_ARRAY_EXT = 1
_EXT32 = struct.Struct(">BIb")
_EXT32_TAG = 0xC9
_MAX_CONTAINERS = 256
_NAMES = {message_class: name for name, message_class in MESSAGE_TYPES.items()}


def encode(message: Message) -> bytes:
    """Bytes of a message; image bytes are copied once.

    Raises:
        ProtocolError: an array that has no place on the wire.
    """
    chunks: list[bytes | memoryview] = []
    packer = msgpack.Packer(autoreset=False)
    _pack({"type": _NAMES[type(message)], **_plain_fields(message)}, packer, chunks)
    chunks.append(packer.bytes())
    return b"".join(chunks)


def decode(data: bytes) -> Message:
    """Inverse of `encode`; arrays are read-only.

    Raises:
        ProtocolError: anything but one well-formed message.
    """
    return read_message(_unpack(data))


def _plain_fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _pack(value: Any, packer: Any, chunks: list[bytes | memoryview]) -> None:
    """Append `value`; arrays go by as memory, so that `join` copies them and nothing else does."""
    if isinstance(value, np.ndarray):
        head, payload = pack_array(value)
        packer_bytes = packer.bytes()
        packer.reset()
        chunks.append(packer_bytes)
        chunks.append(_EXT32.pack(_EXT32_TAG, len(head) + len(payload), _ARRAY_EXT) + head)
        chunks.append(payload)
    elif is_dataclass(value) or isinstance(value, Mapping):
        mapping = value if isinstance(value, Mapping) else _plain_fields(value)
        packer.pack_map_header(len(mapping))
        for key, item in mapping.items():
            packer.pack(str(key))
            _pack(item, packer, chunks)
    elif isinstance(value, tuple | list):
        packer.pack_array_header(len(value))
        for item in value:
            _pack(item, packer, chunks)
    else:
        packer.pack(value.item() if isinstance(value, np.generic) else value)


def _unpack(data: bytes) -> Any:
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {len(data)} bytes; at most {MAX_MESSAGE_BYTES} are read")
    num_containers = 0

    def count() -> None:
        nonlocal num_containers
        num_containers += 1
        if num_containers > _MAX_CONTAINERS:
            raise ProtocolError(f"a message has more than {_MAX_CONTAINERS} maps and lists")

    def on_list(items: list[Any]) -> list[Any]:
        count()
        return items

    def on_map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        count()
        mapping = dict(pairs)
        if len(mapping) != len(pairs):
            raise ProtocolError("a map has the same key twice")
        return mapping

    def on_ext(code: int, payload: bytes) -> NDArray[Any]:
        if code != _ARRAY_EXT:
            raise ProtocolError(f"unknown extension type {code}; expected {_ARRAY_EXT} (array)")
        return unpack_array(payload)

    try:
        return msgpack.unpackb(
            data,
            raw=False,
            use_list=True,
            strict_map_key=True,
            list_hook=on_list,
            object_pairs_hook=on_map,
            ext_hook=on_ext,
            max_str_len=4 * MAX_TEXT_CHARS,
            max_bin_len=0,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
            max_ext_len=len(data),
        )
    except ProtocolError:
        raise
    # msgpack raises ValueError and UnpackException, and TypeError for keys that cannot be hashed
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        reason = str(error)[:200] or type(error).__name__
        raise ProtocolError(f"a message is no msgpack of this protocol: {reason}") from error
