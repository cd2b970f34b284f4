"""The MCAP file of a bag while it is written: in whole chunks, each handed to the kernel at once.

rosbags' own storage keeps up to a megabyte in memory for as long as it takes to come together,
and a full disk leaves half a chunk behind. Here a chunk is closed when it is large enough or when
the caller says so, nothing stays in a buffer of this process, and a chunk that the disk does not
take is cut off again, so that the file can still be closed properly.
"""

import os
import struct
from collections import Counter
from contextlib import suppress
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionMode
from rosbags.rosbag2.storage_mcap import McapWriter, write_channel, write_schema

CHUNK_BYTES = 1024**2
_OWN_PART_BYTES = 16 * 1024
_MAX_PARTS = 512
_MESSAGE = struct.Struct("<BQHIQQ")
_CHUNK = struct.Struct("<BQQQQIIQ")
_INDEX = struct.Struct("<BQHI")
_INDEX_ENTRY = struct.Struct("<QQ")
_CHUNK_INDEX = struct.Struct("<QQQQ")


class McapStorage(McapWriter):
    """rosbags' MCAP storage with `close_chunk` as flush; see the module docstring."""

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(path, compression)
        self._parts: list[bytes | bytearray | memoryview] = []
        self._num_bytes = 0
        self._start_ns, self._end_ns = 2**63 - 1, 0
        self._index: dict[int, list[tuple[int, int]]] = {}
        self.lost: Counter[int] = Counter()
        """Messages per connection that the disk did not take."""

    @property
    def is_pending(self) -> bool:
        """Messages are waiting for `close_chunk`."""
        return bool(self._index)

    def add_msgtype(self, connection: Connection) -> None:
        """Write the schema outside of chunks, so that it is there before the first message."""
        super().add_msgtype(connection)
        write_schema(self.bio, self.schemas[-1])
        self._forget_chunk()

    def add_connection(self, connection: Connection, offered_qos_profiles: str) -> None:
        """Write the channel outside of chunks."""
        super().add_connection(connection, offered_qos_profiles)
        write_channel(self.bio, self.channels[-1], self.schemas)
        self._forget_chunk()
        self.bio.flush()

    def write(self, connection: Connection, timestamp: int, data: bytes | memoryview) -> None:
        """Add one message to the open chunk; large ones are not copied."""
        head = _MESSAGE.pack(5, 22 + len(data), connection.id, 0, timestamp, timestamp)
        self._index.setdefault(connection.id, []).append((timestamp, self._num_bytes))
        self._add(head)
        self._add(data)
        self._start_ns = min(self._start_ns, timestamp)
        self._end_ns = max(self._end_ns, timestamp)
        self.channel_stats[connection.id] += 1
        if self._num_bytes >= CHUNK_BYTES:
            self.close_chunk()

    def close_chunk(self) -> None:
        """Hand the open chunk and its index to the kernel.

        Raises:
            OSError: the disk does not take it; the file is as it was before the chunk, whose
                messages are counted in `lost`.
        """
        if not self._index:
            return
        chunk_at = self.bio.seek(0, os.SEEK_END)
        size, start_ns, end_ns = self._num_bytes, self._start_ns, self._end_ns
        head = _CHUNK.pack(6, 40 + size, start_ns, end_ns, size, 0, 0, size)
        chunk_bytes = len(head) + size
        index, offsets = bytearray(), bytearray()
        for channel, entries in self._index.items():
            offsets += struct.pack("<HQ", channel, chunk_at + chunk_bytes + len(index))
            index += _INDEX.pack(7, 6 + 16 * len(entries), channel, 16 * len(entries))
            for entry in entries:
                index += _INDEX_ENTRY.pack(*entry)
        counts = Counter({channel: len(entries) for channel, entries in self._index.items()})
        parts = [head, *self._parts, index]
        self._begin_chunk()
        try:
            _write_all(self.bio.fileno(), parts)
        except OSError:
            os.ftruncate(self.bio.fileno(), chunk_at)
            self.bio.seek(0, os.SEEK_END)
            self.lost += counts
            for channel, number in counts.items():
                self.channel_stats[channel] -= number
            raise
        self.bio.seek(0, os.SEEK_END)
        self.message_start_time = min(self.message_start_time, start_ns)
        self.message_end_time = max(self.message_end_time, end_ns)
        record = type(self.chunk.bio)()
        record.write(_CHUNK_INDEX.pack(start_ns, end_ns, chunk_at, chunk_bytes))
        record.write(struct.pack("<I", len(offsets)) + offsets)
        record.write(struct.pack("<QIQQ", len(index), 0, size, size))
        self.chunks.append(record)

    def close(self, version: int, metadata: str) -> None:
        """Close the open chunk and write the file's index.

        Raises:
            OSError: the disk does not take it; all chunks that were written stay readable.
        """
        self.close_chunk()
        end_at = self.bio.seek(0, os.SEEK_END)
        try:
            super().close(version, metadata)
        except OSError:
            # an index that is there in part is worse than none
            self.abort()
            os.truncate(self.path, end_at)
            raise

    def abort(self) -> None:
        """Close the file as it is, without an index."""
        # what is still buffered is the part of the index that the disk has refused already
        with suppress(OSError):
            super().abort()

    def _add(self, data: bytes | memoryview) -> None:
        self._num_bytes += len(data)
        if len(data) >= _OWN_PART_BYTES:
            self._parts.append(data)
        elif self._parts and isinstance(self._parts[-1], bytearray):
            self._parts[-1] += data
        else:
            self._parts.append(bytearray(data))

    def _begin_chunk(self) -> None:
        self._parts, self._num_bytes, self._index = [], 0, {}
        self._start_ns, self._end_ns = 2**63 - 1, 0

    def _forget_chunk(self) -> None:
        # what rosbags itself would put into the first chunk
        self.chunk.bio.seek(0)
        self.chunk.bio.truncate()


class BagWriter(Writer):
    """rosbags' writer of rosbag2 directories on `McapStorage`."""

    STORAGE_PLUGINS = {**Writer.STORAGE_PLUGINS, StoragePlugin.MCAP: McapStorage}  # noqa: RUF012


def _write_all(file: int, parts: list[bytes | bytearray | memoryview]) -> None:
    views = [memoryview(part) for part in parts]
    while views:
        written = os.writev(file, views[:_MAX_PARTS])
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if written:
            views[0] = views[0][written:]
