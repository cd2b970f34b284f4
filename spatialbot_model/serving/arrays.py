"""Wire form of arrays: a dtype code, the shape and the raw bytes, little endian.

Only plain numbers have a code. An object, void or structured dtype cannot be written down in
this form, so that reading one never creates anything but numbers.
"""

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ProtocolError

DTYPES = {name: np.dtype(f"<{name}") for name in ("u1", "u2", "u4", "i4", "i8", "f4", "f8")}
"""What may be sent, by code."""

_HEAD = struct.Struct("<2sB")
_MAX_DIMENSIONS = 4


def pack_array(array: NDArray[Any]) -> tuple[bytes, memoryview]:
    """Head and payload of an array in wire form.

    Raises:
        ProtocolError: a dtype that has no place on the wire.
    """
    array = np.ascontiguousarray(array)
    wire = DTYPES.get(array.dtype.str[1:])
    if wire is None or array.ndim > _MAX_DIMENSIONS:
        raise ProtocolError(
            f"an array of dtype {array.dtype} and {array.ndim} dimensions cannot be sent; expected"
            f" {', '.join(DTYPES)} with at most {_MAX_DIMENSIONS}"
        )
    array = array.astype(wire, copy=False)
    head = _HEAD.pack(array.dtype.str[1:].encode(), array.ndim)
    head += struct.pack(f"<{array.ndim}I", *array.shape)
    return head, array.reshape(-1).view(np.uint8).data


def unpack_array(data: bytes) -> NDArray[Any]:
    """Inverse of `pack_array` joined; a read-only view of `data`.

    Raises:
        ProtocolError: an unknown dtype, a shape that does not fit the bytes.
    """
    if len(data) < _HEAD.size:
        raise ProtocolError(f"an array of {len(data)} bytes has no head")
    code, num_dimensions = _HEAD.unpack_from(data)
    dtype = DTYPES.get(code.decode("latin-1"))
    if dtype is None or num_dimensions > _MAX_DIMENSIONS:
        raise ProtocolError(
            f"an array has dtype {code!r} and {num_dimensions} dimensions; expected"
            f" {', '.join(DTYPES)} with at most {_MAX_DIMENSIONS}"
        )
    start = _HEAD.size + 4 * num_dimensions
    if len(data) < start:
        raise ProtocolError("an array ends within its shape")
    shape = struct.unpack_from(f"<{num_dimensions}I", data, _HEAD.size)
    expected = math.prod(shape) * dtype.itemsize
    if len(data) - start != expected:
        raise ProtocolError(
            f"an array of {dtype} {shape} has {len(data) - start} bytes, expected {expected}"
        )
    return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape)
