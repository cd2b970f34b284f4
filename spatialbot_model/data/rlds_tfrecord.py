"""TFRecord files: length, masked CRC-32C of the length, bytes, masked CRC-32C of the bytes."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from spatialbot_model.contracts.errors import MissingDependencyError, RecordingError

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8


def write_record(file: BinaryIO, data: bytes) -> int:
    """Append one record.

    Returns:
        Bytes written.

    Raises:
        OSError: the disk does not take it.
    """
    length = _LENGTH.pack(len(data))
    file.write(length)
    file.write(_CRC.pack(masked_crc(length)))
    file.write(data)
    file.write(_CRC.pack(masked_crc(data)))
    return len(data) + _LENGTH.size + 2 * _CRC.size


def read_records(path: Path) -> Iterator[bytes]:
    """All records of a file, in order.

    Raises:
        RecordingError: cut off, or a checksum does not fit.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            while head := file.read(_LENGTH.size + _CRC.size):
                yield _read_one(file, head, size, path)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from error


def masked_crc(data: bytes) -> int:
    """CRC-32C (Castagnoli), rotated and shifted as TFRecord wants it."""
    try:
        from google_crc32c import value
    except ImportError as error:
        raise MissingDependencyError(
            "RLDS needs google-crc32c; install it with `pip install 'spatialbot_ros[data]'`"
        ) from error
    crc = int(value(data))
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def _read_one(file: BinaryIO, head: bytes, size: int, path: Path) -> bytes:
    if len(head) == _LENGTH.size + _CRC.size:
        length_bytes, crc = head[: _LENGTH.size], _CRC.unpack(head[_LENGTH.size :])[0]
        if masked_crc(length_bytes) != crc:
            raise RecordingError(f"{path} is no TFRecord file, or damaged: a length is wrong")
        length = _LENGTH.unpack(length_bytes)[0]
        if file.tell() + length + _CRC.size <= size:
            data = file.read(length)
            if masked_crc(data) != _CRC.unpack(file.read(_CRC.size))[0]:
                raise RecordingError(f"{path} is damaged: a record's checksum does not fit")
            return data
    raise RecordingError(f"{path} is cut off in the middle of a record")
