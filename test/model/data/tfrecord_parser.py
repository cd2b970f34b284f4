"""An independent reader of TFRecord files and tf.train.Example, from their definitions alone."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def unmasked(masked: int) -> int:
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return ((rotated << 15) | (rotated >> 17)) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,), (crc,) = (
            struct.unpack_from("<Q", data, at),
            struct.unpack_from("<I", data, at + 8),
        )
        assert unmasked(crc) == crc32c(data[at : at + 8])
        body = data[at + 12 : at + 12 + length]
        (crc,) = struct.unpack_from("<I", data, at + 12 + length)
        assert unmasked(crc) == crc32c(body)
        yield body
        at += 16 + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        assert tag & 7 == 2, "all fields here are length-delimited"
        length, at = _varint(data, at)
        yield tag >> 3, data[at : at + length]
        at += length


def example(data: bytes) -> dict[str, list[Any]]:
    """Feature name -> list of bytes, floats or integers."""
    [(_, features)] = _fields(data)
    found = {}
    for _, entry in _fields(features):
        parts = dict(_fields(entry))
        found[parts[1].decode()] = _values(parts[2])
    return found


def _values(feature: bytes) -> list[Any]:
    for kind, body in _fields(feature):
        values = [value for _, value in _fields(body)]
        if kind == 1:
            return values
        packed = b"".join(values)
        if kind == 2:
            return list(struct.unpack(f"<{len(packed) // 4}f", packed))
        numbers, at = [], 0
        while at < len(packed):
            number, at = _varint(packed, at)
            numbers.append(number - (1 << 64) if number >> 63 else number)
        return numbers
    return []
