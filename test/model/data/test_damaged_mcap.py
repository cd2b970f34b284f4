"""Records that no writer makes are refused by the declared error."""

import struct

import pytest

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
