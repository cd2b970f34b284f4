"""Where the messages of one MCAP file lie, and their bytes by position.

The file is walked once, record by record, so that bags without a message index, unchunked ones
and compressed ones are found alike. Reading is by absolute position (`os.pread`): a file that
several threads or forked workers share has no position that one could move under another.
"""

import mmap
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lz4.frame import LZ4FrameDecompressor

from spatialbot_model.contracts.errors import RecordingError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQI")
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE_OP, _CHUNK_OP, _DATA_END = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F
_MAX_CHUNK_BYTES = 2**30
"""No writer makes such chunks; a damaged size must not fill the memory."""

_MAX_FRAMES = 64
"""Of a chunk; writers make one. Each costs a copy of what is left."""

_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "lz4": LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
}


class Location(NamedTuple):
    """Where the bytes of a message lie in its file.

    Attributes:
        chunk: position of the compressed chunk's record, -1 when the message is not compressed.
        offset: of the message's bytes, in the file or in the decompressed chunk.
        length: number of bytes.
    """

    chunk: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic of a file, with the definition of its messages."""

    topic: str
    ros_type: str
    definition_format: str
    definition: str
    message_encoding: str


class McapFile:
    """Messages of one file; opened by the first read, in whatever process that happens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._chunk: tuple[int, bytes] | None = None

    def walk(self) -> Iterator[tuple[Channel, int, Location]]:
        """(channel, log time [ns], location) of every message, in the order of the file.

        Raises:
            RecordingError: not an MCAP file, damaged, or cut off.
        """
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < len(_MAGIC) or file.read(len(_MAGIC)) != _MAGIC:
                raise RecordingError(f"{self.path} is no MCAP file")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if size < 2 * len(_MAGIC) or data[-len(_MAGIC) :] != _MAGIC:
                    raise RecordingError(
                        f"{self.path} is cut off: it has no end. Its recorder was killed or the"
                        " disk was full; `spatialbot episodes repair` saves what is there"
                    )
                yield from self._walk(data, len(_MAGIC), size - len(_MAGIC), {}, {}, -1)

    def read(self, location: Location) -> bytes:
        """Bytes of one message.

        Raises:
            RecordingError: the file was cut off or changed since its messages were located.
        """
        chunk, offset, length = location
        if chunk < 0:
            return self._pread(length, offset)
        data = self._decompressed(chunk)[offset : offset + length]
        if len(data) != length:
            raise self._changed()
        return data

    def close(self) -> None:
        """Give the file back; the next read opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._chunk = None

    def __del__(self) -> None:
        self.close()

    def __reduce__(self) -> tuple[type["McapFile"], tuple[Path]]:
        """A copy, or the file in another process, has a descriptor of its own."""
        return McapFile, (self.path,)

    def _pread(self, length: int, offset: int) -> bytes:
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(self._descriptor, length, offset)
        except OSError as error:
            raise RecordingError(f"cannot read {self.path}: {error.strerror}") from error
        if len(data) != length:
            raise self._changed()
        return data

    def _changed(self) -> RecordingError:
        return RecordingError(
            f"{self.path} is not what it was when its messages were located; do not write to"
            " episodes while they are read, and open them again"
        )

    def _decompressed(self, position: int) -> bytes:
        # messages of one chunk are mostly asked for one after the other
        held = self._chunk
        if held is None or held[0] != position:
            _, length = _RECORD.unpack(self._pread(_RECORD.size, position))
            held = (position, self._open_chunk(self._pread(length, position + _RECORD.size)))
            self._chunk = held
        return held[1]

    def _open_chunk(self, body: bytes) -> bytes:
        """Decompressed records of a chunk's body."""
        *_, size, crc = _CHUNK.unpack_from(body)
        compression, at = _text(body, _CHUNK.size)
        (length,) = struct.unpack_from("<Q", body, at)
        records = body[at + 8 : at + 8 + length]
        if compression not in _DECOMPRESSORS:
            raise RecordingError(
                f"{self.path} is compressed as {compression!r}; expected one of:"
                f" {', '.join(_DECOMPRESSORS)}"
            )
        if size > _MAX_CHUNK_BYTES:
            raise RecordingError(
                f"{self.path} is damaged: a chunk of {size} bytes, expected at most"
                f" {_MAX_CHUNK_BYTES}"
            )
        try:
            plain = _decompress(_DECOMPRESSORS[compression], records, size)
        except Exception as error:  # each codec has errors of its own
            raise RecordingError(f"{self.path} is damaged: {error}") from error
        if len(plain) != size or (crc and zlib.crc32(plain) != crc):
            raise RecordingError(f"{self.path} is damaged: a chunk's checksum is wrong")
        return plain

    def _walk(
        self,
        data: Any,
        at: int,
        end: int,
        schemas: dict[int, tuple[str, str, str]],
        channels: dict[int, Channel],
        chunk: int,
        depth: int = 0,
    ) -> Iterator[tuple[Channel, int, Location]]:
        try:
            while at < end:
                opcode, length = _RECORD.unpack_from(data, at)
                body = at + _RECORD.size
                if body + length > end:
                    raise RecordingError(
                        f"{self.path} is damaged: a record at byte {at} is longer than the file"
                    )
                if opcode in (_DATA_END, _FOOTER):
                    return
                if opcode == _SCHEMA:
                    _read_schema(data[body : body + length], schemas)
                elif opcode == _CHANNEL:
                    _read_channel(data[body : body + length], schemas, channels)
                elif opcode == _MESSAGE_OP:
                    if length < _MESSAGE.size:
                        raise struct.error(f"a message's record of {length} bytes")
                    channel_id, _, log_ns, _ = _MESSAGE.unpack_from(data, body)
                    location = Location(chunk, body + _MESSAGE.size, length - _MESSAGE.size)
                    yield channels[channel_id], log_ns, location
                elif opcode == _CHUNK_OP:
                    if depth:
                        # the format knows none, and each would be a recursion of this reader
                        raise RecordingError(f"{self.path} is damaged: a chunk within a chunk")
                    first, last, compression = _chunk_records(data, body, body + length)
                    if compression:
                        plain = self._open_chunk(data[body : body + length])
                        yield from self._walk(plain, 0, len(plain), schemas, channels, at, depth=1)
                    else:
                        yield from self._walk(data, first, last, schemas, channels, -1, depth=1)
                at = body + length
        except (struct.error, KeyError, UnicodeDecodeError) as error:
            raise RecordingError(f"{self.path} is damaged near byte {at}: {error}") from error


def _decompress(make: Callable[[], Any], data: bytes, size: int) -> bytes:
    """At most `size` + 1 bytes of one or more frames, however much they would expand to."""
    parts: list[bytes] = []
    left = size + 1
    while data and left:
        if len(parts) == _MAX_FRAMES:
            raise ValueError(f"a chunk of more than {_MAX_FRAMES} compressed frames")
        decompressor = make()
        parts.append(decompressor.decompress(data, max_length=left))
        left -= len(parts[-1])
        if not decompressor.eof:
            break
        data = decompressor.unused_data or b""
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _chunk_records(data: Any, at: int, end: int) -> tuple[int, int, str]:
    """Where the records of a chunk begin and end, and how they are compressed."""
    compression, sized = _text(data[at : min(end, at + _CHUNK.size + 64)], _CHUNK.size)
    first = at + sized + 8
    if first > end:
        raise struct.error(f"a chunk's record of {end - at} bytes")
    (length,) = struct.unpack_from("<Q", data, at + sized)
    if first + length > end:
        raise struct.error(f"records of {length} bytes are longer than their chunk")
    return first, first + length, compression


def _text(data: Any, at: int) -> tuple[str, int]:
    """A length-prefixed text and the position behind it."""
    (length,) = struct.unpack_from("<I", data, at)
    end = at + 4 + length
    if end > len(data):
        raise struct.error(f"a text of {length} bytes is longer than its record")
    return bytes(data[at + 4 : end]).decode(), end


def _read_schema(body: bytes, schemas: dict[int, tuple[str, str, str]]) -> None:
    (number,) = struct.unpack_from("<H", body)
    name, at = _text(body, 2)
    encoding, at = _text(body, at)
    schemas[number] = (name, encoding, _text(body, at)[0])


def _read_channel(
    body: bytes, schemas: dict[int, tuple[str, str, str]], channels: dict[int, Channel]
) -> None:
    number, schema = struct.unpack_from("<HH", body)
    topic, at = _text(body, 4)
    encoding, _ = _text(body, at)
    channels[number] = Channel(topic, *schemas.get(schema, ("", "", "")), encoding)
