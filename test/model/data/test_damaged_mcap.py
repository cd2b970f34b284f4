"""Records that no writer makes are refused by the declared error."""

import struct
import tracemalloc

import pytest
from backports import zstd
from lz4.frame import compress as lz4_compress

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.data.mcap_file import McapFile

MAGIC = b"\x89MCAP0\r\n"


def record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def chunk(records: bytes) -> bytes:
    head = struct.pack("<QQQI", 0, 0, len(records), 0)
    return record(6, head + struct.pack("<I", 0) + struct.pack("<Q", len(records)) + records)


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = chunk(data)
    return data


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (nested(2), "within a chunk"),
        (nested(2000), "within a chunk"),
        (record(5, b"\0\0"), "a message's record of 2 bytes"),
        (record(3, b"\1\0" + struct.pack("<I", 1000) + b"abc"), "longer than its record"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path, records, message):
    path = tmp_path / "a.mcap"
    path.write_bytes(MAGIC + records + MAGIC)
    with pytest.raises(RecordingError, match=message):
        list(McapFile(path).walk())


def compressed(name: str, size: int, *frames: bytes) -> bytes:
    head = struct.pack("<QQQI", 0, 0, size, 0) + struct.pack("<I", len(name)) + name.encode()
    data = b"".join(frames)
    return MAGIC + record(6, head + struct.pack("<Q", len(data)) + data) + MAGIC


@pytest.mark.parametrize(("name", "compress"), [("lz4", lz4_compress), ("zstd", zstd.compress)])
def test_a_chunk_expands_to_no_more_than_it_says(tmp_path, name, compress):
    path = tmp_path / "a.mcap"
    bomb = compress(bytes(200 * 2**20))
    path.write_bytes(compressed(name, 1000, bomb))
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match="damaged"):
            list(McapFile(path).walk())
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    path.write_bytes(compressed(name, 2**62, bomb))
    with pytest.raises(RecordingError, match="expected at most"):
        list(McapFile(path).walk())


@pytest.mark.parametrize(("name", "compress"), [("lz4", lz4_compress), ("zstd", zstd.compress)])
def test_several_frames_of_a_chunk_are_joined(tmp_path, name, compress):
    path = tmp_path / "a.mcap"
    records = record(0x0C, bytes(50))
    path.write_bytes(compressed(name, len(records), compress(records[:20]), compress(records[20:])))
    assert list(McapFile(path).walk()) == []


@pytest.mark.parametrize(("name", "compress"), [("lz4", lz4_compress), ("zstd", zstd.compress)])
def test_a_chunk_of_thousands_of_frames_is_refused(tmp_path, name, compress):
    path = tmp_path / "a.mcap"
    path.write_bytes(compressed(name, 10_000, compress(b"a") * 10_000))
    with pytest.raises(RecordingError, match="more than 64 compressed frames"):
        list(McapFile(path).walk())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (bytes(10), "longer than|requires a buffer"),
        (bytes(28) + struct.pack("<I", 0) + bytes(4), "a chunk's record of 36 bytes"),
        (bytes(28) + struct.pack("<IQ", 0, 2**60), "longer than their chunk"),
        (bytes(28) + struct.pack("<I", 1000), "longer than its record"),
    ],
)
def test_the_head_of_a_chunk_stays_within_its_record(tmp_path, body, message):
    # what follows the chunk is no part of it
    path = tmp_path / "a.mcap"
    path.write_bytes(MAGIC + record(6, body) + record(0x0C, bytes(2000)) + MAGIC)
    with pytest.raises(RecordingError, match=message):
        list(McapFile(path).walk())


def test_what_follows_the_records_of_a_chunk_is_not_read(tmp_path):
    path = tmp_path / "a.mcap"
    head = bytes(28) + struct.pack("<IQ", 0, 0)
    path.write_bytes(MAGIC + record(6, head + record(5, bytes(2))) + MAGIC)
    assert list(McapFile(path).walk()) == []
