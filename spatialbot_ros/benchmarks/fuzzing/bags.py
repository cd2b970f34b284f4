"""A recorded episode whose files came from anywhere."""

import struct
from zlib import crc32

from lz4.frame import compress

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import EpisodeMetadata
from spatialbot_model.contracts.episode_sidecar import metadata_from_json, metadata_to_json
from spatialbot_model.contracts.errors import RecordingError, SpatialBotError
from spatialbot_model.data.bag_reader import BAG_METADATA_NAME, BagReader, bag_files
from spatialbot_ros.benchmarks.fuzzing.targets import ACCEPTED, FuzzTarget

_MAGIC = b"\x89MCAP0\r\n"
_FILE = "bag.mcap"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END, _FOOTER = 0x03, 0x04, 0x05, 0x06, 0x0F, 0x02
_DEFINITION = b"int32 sec\nuint32 nsec\nstring name\nfloat32[] values\nuint8[3] flags\n"
_MAX_READ = 20
_DEFINITIONS_SKIPPED = 50


class BagTarget(FuzzTarget):
    """Every message of an MCAP file is located, read and decoded by the bag's own definition.

    Of definitions that the fuzzer altered every 50th is used.
    """

    def seeds(self) -> list[bytes]:
        cdr = struct.pack("<4B i I", 0, 1, 0, 0, 7, 9)
        cdr += struct.pack("<I 4s", 4, b"arm\0") + struct.pack("<I 2f 3B", 2, 0.5, -1.0, 1, 2, 3)
        schema = struct.pack("<H", 1) + _text(b"a/msg/B") + _text(b"ros2msg") + _text(_DEFINITION)
        channel = struct.pack("<HH", 1, 1) + _text(b"/a") + _text(b"cdr") + struct.pack("<I", 0)
        message = struct.pack("<HIQQ", 1, 0, 5, 5) + cdr
        records = (
            _record(_SCHEMA, schema) + _record(_CHANNEL, channel) + 2 * _record(_MESSAGE, message)
        )
        end = _record(_DATA_END, bytes(4)) + _record(_FOOTER, bytes(20)) + _MAGIC
        return [
            _MAGIC + content + end
            for content in (records, _chunk(records, b"", records), _chunk(records, b"lz4"))
        ]

    def words(self) -> list[bytes]:
        opcodes = (_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END, _FOOTER)
        return [_MAGIC, b"ros2msg", b"ros2idl", b"zstd", b"cdr", *map(_empty_record, opcodes)]

    def check(self, data: bytes) -> str:
        self.put(_FILE, data)
        reader = BagReader(self.folder, (_FILE,))
        try:
            topics = reader.locate(()).counts
            contents = reader.locate(topics)
            for topic, channel in contents.channels.items():
                for at in contents.messages[topic][:_MAX_READ]:
                    reader.stamp_ns(at)
                    if self._is_decoded(channel.definition):
                        reader.message(channel, at)
        except RecordingError:
            return RecordingError.__name__
        finally:
            reader.close()
        return ACCEPTED

    def _is_decoded(self, definition: str) -> bool:
        # rosbags takes milliseconds to read a definition, a hundred times as long as all the rest
        text = definition.encode()
        return text == _DEFINITION or crc32(text) % _DEFINITIONS_SKIPPED == 0


class MetadataTarget(FuzzTarget):
    """rosbag2's YAML and our JSON, told apart by the first byte."""

    def seeds(self) -> list[bytes]:
        metadata = EpisodeMetadata(
            "pick_place",
            "pick up the cup",
            ActionSpec().to_mapping(),
            seed=3,
            label="success",
            counts={"/a": 2},
            provenance={"collector": "expert", "noise": 0.1},
        )
        bag = (
            "rosbag2_bagfile_information:\n  version: 8\n  storage_identifier: mcap\n"
            "  relative_file_paths: [a.mcap]\n  compression_mode: ''\n"
        )
        return [metadata_to_json(metadata).encode(), bag.encode()]

    def words(self) -> list[bytes]:
        return [b"NONE", b"STORAGE", b"../", b"&a ", b"*a", b"!!int ", b"null", b"1e999"]

    def check(self, data: bytes) -> str:
        try:
            if data[:1] == b"{":
                metadata = metadata_from_json(data.decode("utf-8", "replace"))
                assert metadata_from_json(metadata_to_json(metadata)) == metadata
            else:
                self.put(BAG_METADATA_NAME, data)
                names = bag_files(self.folder)
                assert names and all("/" not in name for name in names)
        except SpatialBotError as error:
            return type(error).__name__
        return ACCEPTED


def _text(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


def _record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def _empty_record(opcode: int) -> bytes:
    return _record(opcode, b"")


def _chunk(plain: bytes, compression: bytes, records: bytes | None = None) -> bytes:
    # a checksum of 0 is not looked at, so that what is damaged gets further
    packed = compress(plain) if records is None else records
    head = struct.pack("<QQQI", 5, 5, len(plain), 0) + _text(compression)
    return _record(_CHUNK, head + struct.pack("<Q", len(packed)) + packed)
