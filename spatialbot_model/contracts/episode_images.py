"""How an episode stores its images: raw, or as image_transport compresses them.

Raw images are sensor_msgs/Image on the camera's own topics. Compressed ones are
sensor_msgs/CompressedImage on the topics that image_transport uses: colour as JPEG (lossy) on
``.../compressed``, depth as lossless 16-bit PNG on ``.../compressedDepth``. Which of the two an
episode holds is seen from its topics; `logical_topic` and `stored_topic` translate.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from spatialbot_model.contracts.episode import (
    COLOR_TOPIC,
    DEPTH_TOPIC,
    EPISODE_TOPICS,
    EpisodeTopic,
)
from spatialbot_model.contracts.errors import RecordingError

COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
COLOR_COMPRESSED_TOPIC = f"{COLOR_TOPIC}/compressed"
DEPTH_COMPRESSED_TOPIC = f"{DEPTH_TOPIC}/compressedDepth"

COLOR_FORMATS: Mapping[str, str] = {"raw": COLOR_TOPIC, "jpeg": COLOR_COMPRESSED_TOPIC}
"""Format of colour -> topic it is stored on."""

DEPTH_FORMATS: Mapping[str, str] = {"raw": DEPTH_TOPIC, "png": DEPTH_COMPRESSED_TOPIC}
"""Format of depth -> topic it is stored on; both are exact."""

DEFAULT_JPEG_QUALITY = 95

JPEG_MESSAGE_FORMAT = "rgb8; jpeg compressed bgr8"
"""`CompressedImage.format` of colour: an rgb8 image, in the JPEG as every decoder expects it."""

DEPTH_PNG_MESSAGE_FORMAT = "16UC1; compressedDepth png"
"""`CompressedImage.format` of depth."""

COMPRESSED_DEPTH_HEADER = bytes(12)
"""What image_transport puts before the PNG of a 16UC1 image: int32 0, then two float32 0."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LOGICAL = {COLOR_COMPRESSED_TOPIC: COLOR_TOPIC, DEPTH_COMPRESSED_TOPIC: DEPTH_TOPIC}


@dataclass(frozen=True, slots=True)
class ImageFormats:
    """How one episode stores its images.

    Attributes:
        color: one of `COLOR_FORMATS`.
        depth: one of `DEPTH_FORMATS`.
        jpeg_quality: 1 to 100; of no meaning for raw colour.

    Raises:
        RecordingError: an unknown format, or a quality out of range.
    """

    color: str = "raw"
    depth: str = "raw"
    jpeg_quality: int = DEFAULT_JPEG_QUALITY

    def __post_init__(self) -> None:
        for what, value, known in (
            ("colour", self.color, COLOR_FORMATS),
            ("depth", self.depth, DEPTH_FORMATS),
        ):
            if value not in known:
                raise RecordingError(
                    f"unknown {what} format {value!r}; choose one of: {', '.join(known)}"
                )
        quality = self.jpeg_quality
        if not isinstance(quality, int) or isinstance(quality, bool) or not 1 <= quality <= 100:
            raise RecordingError(f"JPEG quality is {quality!r}, expected a number from 1 to 100")

    @property
    def is_raw(self) -> bool:
        """Nothing is compressed."""
        return self.color == self.depth == "raw"

    def stored_topic(self, topic: str) -> str:
        """Where messages of a topic of the contract lie in the bag."""
        if topic == COLOR_TOPIC:
            return COLOR_FORMATS[self.color]
        if topic == DEPTH_TOPIC:
            return DEPTH_FORMATS[self.depth]
        return topic

    def stored_topics(self) -> tuple[EpisodeTopic, ...]:
        """The topics of the contract as they lie in the bag, with the types stored."""
        return tuple(_as_stored(t, self.stored_topic(t.name)) for t in EPISODE_TOPICS.values())

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for the metadata; the quality only where it means something."""
        values = asdict(self)
        if self.color != "jpeg":
            del values["jpeg_quality"]
        return values

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "ImageFormats":
        """Inverse of `to_mapping`; what is missing has its default.

        Raises:
            RecordingError: unknown fields or unusable values.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise RecordingError(f"image formats cannot be used: {error}") from error


def logical_topic(name: str) -> str:
    """The topic of the contract whose messages lie on `name`; `name` itself when not an image."""
    return _LOGICAL.get(name, name)


def depth_png_to_payload(png: bytes) -> bytes:
    """`CompressedImage.data` of a depth image from its 16-bit PNG."""
    return COMPRESSED_DEPTH_HEADER + png


def depth_png_of_payload(payload: bytes, message_format: str) -> bytes:
    """The PNG of a compressedDepth message.

    Older image_transport names no codec after ``compressedDepth``, so that the bytes decide.

    Args:
        payload: `CompressedImage.data`.
        message_format: `CompressedImage.format`.

    Raises:
        RecordingError: not 16UC1, not compressedDepth, or no PNG (RVL, say).
    """
    encoding, _, how = message_format.partition(";")
    start = len(COMPRESSED_DEPTH_HEADER)
    png = payload[start:]
    if (
        encoding.strip() != "16UC1"
        or "compressedDepth" not in how
        or not png.startswith(_PNG_SIGNATURE)
    ):
        raise RecordingError(
            f"a compressed depth image has format {message_format!r} and begins with"
            f" {payload[: start + 8].hex(' ')}; expected {DEPTH_PNG_MESSAGE_FORMAT!r}: a header"
            f" of {start} bytes, then a PNG"
        )
    return png


def _as_stored(topic: EpisodeTopic, name: str) -> EpisodeTopic:
    return topic if name == topic.name else replace(topic, name=name, ros_type=COMPRESSED_TYPE)
