"""Compressed images: bytes as image_transport writes them, depth exact, colour close."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import synthetic_episode as synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rosbags.highlevel import AnyReader

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.episode_images import (
    COLOR_COMPRESSED_TOPIC,
    COMPRESSED_TYPE,
    DEPTH_COMPRESSED_TOPIC,
    ImageFormats,
)
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import image_of, stamp_ns_of
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.image_compression import compress_cdr, expand
from spatialbot_ros.episodes.message_types import message_types
from spatialbot_ros.episodes.overview import draw_overview
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.writer import EpisodeWriter

COMPRESSED = ImageFormats("jpeg", "png")


def compressed_of(topic: str, array: np.ndarray, encoding: str, formats: ImageFormats):  # type: ignore[no-untyped-def]
    data = synthetic.encode(topic, synthetic.image(array, encoding, 7_000_000_001))
    return message_types().deserialize_cdr(compress_cdr(topic, data, formats), COMPRESSED_TYPE)


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.uint16,
        arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
        elements=st.integers(0, 65535),
    )
)
def test_depth_survives_exactly(depth_mm: np.ndarray) -> None:
    message = compressed_of(contract.DEPTH_TOPIC, depth_mm, "16UC1", COMPRESSED)
    expanded = expand(contract.DEPTH_TOPIC, message)
    np.testing.assert_array_equal(image_of(expanded), depth_mm)
    assert (expanded.encoding, expanded.step) == ("16UC1", 2 * depth_mm.shape[1])
    assert stamp_ns_of(expanded.header.stamp) == 7_000_000_001


def test_the_bytes_are_those_of_compressed_depth_image_transport() -> None:
    depth_mm = synthetic.depth_of(0)
    message = compressed_of(contract.DEPTH_TOPIC, depth_mm, "16UC1", COMPRESSED)
    payload = message.data.tobytes()
    assert message.format == "16UC1; compressedDepth png"
    # int32 format, float32 depthParam[2], all 0; then the PNG's signature and header chunk
    assert payload[:12] == bytes.fromhex("000000000000000000000000")
    assert payload[12:28] == bytes.fromhex("89504e470d0a1a0a0000000d49484452")
    assert payload[28:38] == bytes.fromhex("00000040000000301000")  # 64x48, 16 bits, grey
    decoded = cv2.imdecode(message.data[12:], cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, depth_mm)


def test_older_image_transport_names_no_codec() -> None:
    message = compressed_of(contract.DEPTH_TOPIC, synthetic.depth_of(1), "16UC1", COMPRESSED)
    message.format = "16UC1; compressedDepth"
    np.testing.assert_array_equal(
        image_of(expand(contract.DEPTH_TOPIC, message)), synthetic.depth_of(1)
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": "16UC1; compressedDepth rvl", "data": bytes(60)}, "then a PNG"),
        ({"format": "32FC1; compressedDepth png"}, "expected '16UC1; compressedDepth png'"),
        ({"data": b"short"}, "then a PNG"),
        ({"data": bytes(12) + b"\x89PNG\r\n\x1a\n" + bytes(50)}, "does not decode"),
    ],
)
def test_other_depth_is_refused(change: dict[str, object], problem: str) -> None:
    message = compressed_of(contract.DEPTH_TOPIC, synthetic.depth_of(0), "16UC1", COMPRESSED)
    message.format = change.get("format", message.format)
    if "data" in change:
        message.data = np.frombuffer(change["data"], np.uint8)  # type: ignore[call-overload]
    with pytest.raises(RecordingError, match=problem):
        expand(contract.DEPTH_TOPIC, message)


def test_an_eight_bit_png_is_no_depth() -> None:
    message = compressed_of(contract.DEPTH_TOPIC, synthetic.depth_of(0), "16UC1", COMPRESSED)
    png = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()
    message.data = np.frombuffer(bytes(12) + png, np.uint8)
    with pytest.raises(RecordingError, match="uint8"):
        expand(contract.DEPTH_TOPIC, message)


@pytest.mark.parametrize(("quality", "mean_error"), [(50, 3.5), (90, 1.5), (95, 1.2)])
def test_colour_is_close_and_its_channels_are_in_order(quality: int, mean_error: float) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    color = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
    formats = ImageFormats("jpeg", "raw", quality)
    message = compressed_of(contract.COLOR_TOPIC, color, "rgb8", formats)
    assert message.format == "rgb8; jpeg compressed bgr8"
    expanded = image_of(expand(contract.COLOR_TOPIC, message))
    error = np.abs(expanded.astype(int) - color.astype(int))
    assert error.mean() < mean_error
    # any viewer that takes JPEG sees the same picture
    bgr = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(bgr[:, :, ::-1], expanded)


def test_what_is_no_image_of_the_topic_is_refused() -> None:
    depth = synthetic.encode(
        contract.DEPTH_TOPIC, synthetic.image(synthetic.depth_of(0), "16UC1", 0)
    )
    with pytest.raises(RecordingError, match="expected rgb8"):
        compress_cdr(contract.COLOR_TOPIC, depth, COMPRESSED)
    with pytest.raises(RecordingError, match="is no sensor_msgs/msg/Image"):
        compress_cdr(contract.COLOR_TOPIC, b"\x00\x01\x00\x00", COMPRESSED)


@pytest.mark.parametrize("formats", [COMPRESSED, ImageFormats("raw", "png"), ImageFormats("jpeg")])
def test_an_episode_reads_the_same_in_every_form(tmp_path: Path, formats: ImageFormats) -> None:
    folder = synthetic.write_episode(tmp_path / "episode", formats=formats)
    report = check_episode(folder)
    assert report.problems == ()
    assert report.num_pairs == 6
    with EpisodeReader(folder) as reader:
        assert reader.topics[contract.COLOR_TOPIC] == ("sensor_msgs/msg/Image", 6)
        assert set(reader.topics) == set(contract.EPISODE_TOPICS)
        depths = dict(reader.depth_frames())
        for step in range(6):
            np.testing.assert_array_equal(
                depths[synthetic.stamp_of(step)], synthetic.depth_of(step)
            )
        for topic, _, data in reader.raw(contract.COLOR_TOPIC, contract.DEPTH_TOPIC):
            image = message_types().deserialize_cdr(data, "sensor_msgs/msg/Image")
            assert image_of(image).shape[:2] == (synthetic.HEIGHT, synthetic.WIDTH)
            assert topic in (contract.COLOR_TOPIC, contract.DEPTH_TOPIC)
        assert ImageFormats.from_mapping(reader.metadata.image_formats) == formats
        draw_overview(reader, tmp_path / "overview.png")
    with AnyReader([folder]) as bag:
        stored = {c.topic: c.msgtype for c in bag.connections}
    assert (COLOR_COMPRESSED_TOPIC in stored) == (formats.color == "jpeg")
    assert (DEPTH_COMPRESSED_TOPIC in stored) == (formats.depth == "png")


def test_an_image_that_cannot_be_compressed_is_counted_and_told(tmp_path: Path) -> None:
    writer = EpisodeWriter(
        tmp_path / "episode", synthetic.METADATA, reserve_bytes=0, formats=COMPRESSED
    )
    writer.open()
    bgr = synthetic.image(synthetic.color_of(0), "bgr8", synthetic.stamp_of(0))
    synthetic.write_step(writer, 0, COLOR_TOPIC=bgr)
    synthetic.write_step(writer, 1)
    metadata = writer.close("success", "", synthetic.stamp_of(2))
    assert metadata.drops == {COLOR_COMPRESSED_TOPIC: 1}
    assert metadata.counts[COLOR_COMPRESSED_TOPIC] == 1
    assert "bgr8" in metadata.reason


@pytest.mark.parametrize(
    "values", [("gif", "raw"), ("raw", "rvl"), ("jpeg", "raw", 0), ("jpeg", "raw", 101)]
)
def test_unknown_formats_are_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(RecordingError, match=r"choose one of|from 1 to 100"):
        ImageFormats(*values)  # type: ignore[arg-type]
