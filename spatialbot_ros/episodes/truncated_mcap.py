"""Reads an MCAP file that nobody closed: without its index, up to where it was cut off."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rosbags.rosbag2.storage_mcap import decompress

from spatialbot_model.contracts.errors import RecordingError

_MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")
_CHUNK_HEAD = struct.Struct("<QQQII")
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 3, 4, 5, 6, 15
_OPCODES = range(1, 16)


class TruncatedMcap:
    """The messages of a file in the order in which they were written.

    Reading ends without an error where the file ends or stops making sense. Of a chunk that was
    cut off, the messages that are whole are read, if it is not compressed.

    Attributes:
        types: topic -> ROS type, of what was read so far.
        is_whole: the data section's end was reached; True only after `messages` is exhausted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.types: dict[str, str] = {}
        self.is_whole = False
        self._schemas: dict[int, str] = {}
        self._topics: dict[int, str] = {}

    def messages(self) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time [ns], CDR bytes).

        Raises:
            RecordingError: the file cannot be opened or is not MCAP.
        """
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise RecordingError(f"cannot read {self.path}: {error.strerror}") from error
        with file:
            magic = file.read(len(_MAGIC))
            if magic != _MAGIC:
                raise RecordingError(
                    f"{self.path} is not an MCAP file: it begins with {magic.hex(' ') or 'nothing'}"
                )
            yield from self._data_section(file)

    def _data_section(self, file: BinaryIO) -> Iterator[tuple[str, int, bytes]]:
        while True:
            head = file.read(_RECORD.size)
            if len(head) < _RECORD.size:
                return
            opcode, size = _RECORD.unpack(head)
            if opcode == _DATA_END:
                self.is_whole = True
                return
            if opcode not in _OPCODES:
                return
            content = file.read(size)
            if opcode == _CHUNK:
                yield from self._chunk(content, is_cut=len(content) < size)
            elif len(content) == size:
                yield from self._record(opcode, memoryview(content))
            if len(content) < size:
                return

    def _chunk(self, content: bytes, *, is_cut: bool) -> Iterator[tuple[str, int, bytes]]:
        if len(content) < _CHUNK_HEAD.size:
            return
        _, _, num_bytes, crc, name_size = _CHUNK_HEAD.unpack_from(content)
        begin = _CHUNK_HEAD.size + name_size + 8
        name = content[_CHUNK_HEAD.size : _CHUNK_HEAD.size + name_size]
        if begin > len(content):
            return
        if not name:
            yield from self._records(memoryview(content)[begin:])
        elif not is_cut:
            try:
                inner = decompress(content[begin:], name.decode(), num_bytes, crc)
            except Exception:
                return
            yield from self._records(memoryview(inner))

    def _records(self, content: memoryview) -> Iterator[tuple[str, int, bytes]]:
        at = 0
        while at + _RECORD.size <= len(content):
            opcode, size = _RECORD.unpack_from(content, at)
            at += _RECORD.size
            if opcode not in _OPCODES or at + size > len(content):
                return
            yield from self._record(opcode, content[at : at + size])
            at += size

    def _record(self, opcode: int, content: memoryview) -> Iterator[tuple[str, int, bytes]]:
        try:
            if opcode == _SCHEMA:
                (key,) = struct.unpack_from("<H", content)
                self._schemas[key], _ = _text(content, 2)
            elif opcode == _CHANNEL:
                key, schema = struct.unpack_from("<HH", content)
                self._topics[key], _ = _text(content, 4)
                self.types[self._topics[key]] = self._schemas[schema]
            elif opcode == _MESSAGE:
                key, _, log_time_ns, _ = _MESSAGE_HEAD.unpack_from(content)
                yield self._topics[key], log_time_ns, bytes(content[_MESSAGE_HEAD.size :])
        except (struct.error, KeyError, UnicodeDecodeError):
            # one record that makes no sense costs that record
            return


def _text(content: memoryview, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<I", content, at)
    end = at + 4 + size
    return bytes(content[at + 4 : end]).decode(), end
