"""One rosbag2 MCAP directory: its topics, where its messages lie, and messages by position.

Definitions come from the bag itself, so that nothing of ROS needs to be installed. The log time
of a message is whatever its recorder chose; `stamp_ns` reads the header's.
"""

import reprlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rosbags.serde import SerdeError

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.path_names import check_file_name
from spatialbot_model.contracts.yaml_text import parse_yaml
from spatialbot_model.data.mcap_file import Channel, Location, McapFile
from spatialbot_model.data.message_definitions import types_of_definition

BAG_METADATA_NAME = "metadata.yaml"

_CDR_LITTLE_ENDIAN = (1, 7, 9, 11)
# of rosbags' generated decoders: their own, types that a definition names and does not hold, sizes
# beyond those of arrays, types within themselves
_DECODING_ERRORS = (SerdeError, LookupError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class MessageAt:
    """One message of a bag: its log time and where it lies."""

    log_ns: int
    file: int
    location: Location


class BagReader:
    """Messages of a bag by topic and by position.

    May be copied to other processes, and used from several threads of one.

    Args:
        folder: the bag's directory.
        files: its MCAP files, as `bag_files` lists them.
    """

    def __init__(self, folder: Path, files: tuple[str, ...]) -> None:
        self.folder = folder
        self._files = tuple(McapFile(folder / name) for name in files)

    def locate(self, topics: Iterable[str]) -> "BagContents":
        """Walk the bag once.

        Args:
            topics: whose messages are located; the others are only counted.

        Raises:
            RecordingError: a file is damaged or cut off.
        """
        wanted = set(topics)
        channels: dict[str, Channel] = {}
        counts: dict[str, int] = {}
        found: dict[str, list[MessageAt]] = {topic: [] for topic in wanted}
        for number, file in enumerate(self._files):
            try:
                for channel, log_ns, location in file.walk():
                    channels.setdefault(channel.topic, channel)
                    counts[channel.topic] = counts.get(channel.topic, 0) + 1
                    if channel.topic in wanted:
                        found[channel.topic].append(MessageAt(log_ns, number, location))
            except OSError as error:
                raise RecordingError(f"cannot read {file.path}: {error.strerror}") from error
        return BagContents(channels, counts, found)

    def read(self, file: int, location: Location) -> bytes:
        """CDR bytes of one message.

        Raises:
            RecordingError: the bag changed since its messages were located.
        """
        return self._files[file].read(location)

    def stamp_ns(self, at: MessageAt) -> int:
        """Header stamp [ns] of a message whose first field is a std_msgs/Header."""
        chunk, offset, length = at.location
        head = self.read(at.file, Location(chunk, offset, min(length, 12)))
        if len(head) < 12 or head[0] != 0 or head[1] not in _CDR_LITTLE_ENDIAN:
            raise RecordingError(f"a message in {self.folder} is no little-endian CDR")
        seconds, nanoseconds = struct.unpack_from("<iI", head, 4)
        return int(seconds) * 1_000_000_000 + int(nanoseconds)

    def message(self, channel: Channel, at: MessageAt) -> Any:
        """One decoded message.

        Raises:
            RecordingError: it does not decode.
        """
        return decode_message(channel, self.read(at.file, at.location), self.folder)

    def close(self) -> None:
        """Give the files back; the next read opens them again."""
        for file in self._files:
            file.close()


@dataclass(frozen=True, slots=True)
class BagContents:
    """What `BagReader.locate` found.

    Attributes:
        channels: of every topic that has a message.
        counts: messages of every such topic.
        messages: of the topics asked for, in the order of the file.
    """

    channels: Mapping[str, Channel]
    counts: Mapping[str, int]
    messages: Mapping[str, list[MessageAt]]


def bag_files(folder: Path) -> tuple[str, ...]:
    """Names of the MCAP files of a bag, in order.

    Raises:
        RecordingError: no bag, one that was not closed, or one in another storage format.
    """
    path = folder / BAG_METADATA_NAME
    try:
        information = parse_yaml(path.read_bytes())["rosbag2_bagfile_information"]
        storage = information["storage_identifier"]
        compression = str(information.get("compression_mode") or "")
        names = information["relative_file_paths"]
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror}. A bag that was not closed has none;"
            " `spatialbot episodes repair` writes it"
        ) from error
    except (yaml.YAMLError, LookupError, AttributeError, TypeError) as error:
        raise RecordingError(f"{path} is not the metadata of a rosbag2: {error!r}") from error
    if storage != "mcap":
        raise RecordingError(
            f"{folder} is stored as {storage!r}, expected 'mcap'; convert it with"
            " `ros2 bag convert`"
        )
    if compression.upper() not in ("", "NONE", "STORAGE"):
        raise RecordingError(
            f"{folder} is compressed by {compression.lower()}; expected compressed chunks or none."
            " Convert it with `ros2 bag convert`"
        )
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RecordingError(
            f"relative_file_paths of {path} is {reprlib.repr(names)}, expected a list of file names"
        )
    if not names:
        raise RecordingError(f"{path} names no files; expected those in its own folder")
    return tuple(check_file_name(name, f"a file of {path}") for name in names)


def decode_message(channel: Channel, data: bytes, folder: Path) -> Any:
    """A message from its CDR bytes; arrays share memory with them.

    Raises:
        RecordingError: it does not decode.
    """
    if channel.message_encoding != "cdr":
        raise RecordingError(
            f"{channel.topic} in {folder} is encoded as {channel.message_encoding!r}, expected cdr"
        )
    try:
        types = types_of_definition(channel.ros_type, channel.definition_format, channel.definition)
        return types.deserialize_cdr(data, channel.ros_type)
    except (RecordingError, *_DECODING_ERRORS) as error:
        raise RecordingError(
            f"a message of {channel.topic} in {folder} is no {channel.ros_type}: {error}"
        ) from error
