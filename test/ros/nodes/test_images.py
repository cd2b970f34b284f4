"""One contract for every installed way of reading images, and how one is chosen."""

import array
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError
from spatialbot_ros.nodes import images
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.images import (
    BACKENDS,
    available_backends,
    choose_backend,
    image_to_msg,
    msg_to_image,
)

SAMPLES = {
    "rgb8": (np.uint8, (4, 6, 3)),
    "bgr8": (np.uint8, (4, 6, 3)),
    "mono8": (np.uint8, (5, 3)),
    "16UC1": (np.uint16, (4, 6)),
    "mono16": (np.uint16, (4, 6)),
    "32FC1": (np.float32, (4, 6)),
}


def sample(encoding: str) -> NDArray[Any]:
    dtype, shape = SAMPLES[encoding]
    return np.random.default_rng(0).integers(0, 65536, shape).astype(dtype)


@pytest.fixture(params=sorted(available_backends()))
def decode(request: pytest.FixtureRequest) -> images.Decoder:
    return available_backends()[request.param]


@pytest.mark.parametrize("encoding", sorted(SAMPLES))
def test_every_encoding_comes_back_bit_for_bit(decode: images.Decoder, encoding: str) -> None:
    image = sample(encoding)
    message = image_to_msg(image, encoding, "camera", 1_500_000_007)
    back = msg_to_image(message, decode)
    np.testing.assert_array_equal(back, image)
    assert (back.dtype, back.shape) == (image.dtype, image.shape)
    assert stamp_to_ns(message.header.stamp) == 1_500_000_007
    assert (message.header.frame_id, message.step) == ("camera", image.strides[0])


@pytest.mark.parametrize("encoding", ["rgb8", "16UC1"])
def test_reading_is_a_read_only_view_of_the_message(decode, encoding: str) -> None:
    message = image_to_msg(sample(encoding), encoding, "camera", 0)
    view = msg_to_image(message, decode)
    assert not view.flags.writeable
    assert np.shares_memory(view, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("encoding", sorted(SAMPLES))
def test_padded_rows_are_cut(decode: images.Decoder, encoding: str) -> None:
    image = sample(encoding)
    message = image_to_msg(image, encoding, "camera", 0)
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    padded = np.pad(rows, ((0, 0), (0, 5)), constant_values=255)
    message.step += 5
    message.data = array.array("B", padded.tobytes())
    back = msg_to_image(message, decode)
    np.testing.assert_array_equal(back, image)
    assert not back.flags.writeable


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_the_other_byte_order_is_turned(decode: images.Decoder, encoding: str) -> None:
    image = sample(encoding)
    message = image_to_msg(image, encoding, "camera", 0)
    message.data = array.array("B", image.byteswap().tobytes())
    message.is_bigendian = 1 - message.is_bigendian
    np.testing.assert_array_equal(msg_to_image(message, decode), image)


def test_writing_takes_views_and_reuses_a_message() -> None:
    image = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    message = Image()
    assert image_to_msg(image[::2, ::-1], "rgb8", "camera", 0, message) is message
    np.testing.assert_array_equal(msg_to_image(message), image[::2, ::-1])
    image_to_msg(image, "rgb8", "camera", 1, message)
    np.testing.assert_array_equal(msg_to_image(message), image)


@pytest.mark.parametrize(
    ("image", "encoding", "words"),
    [
        (np.zeros((2, 2), np.uint8), "rgb8", r"rgb8 needs uint8 of shape \(H, W, 3\)"),
        (np.zeros((2, 2), np.float64), "16UC1", "float64"),
        (np.zeros((2, 2, 1), np.uint16), "16UC1", r"\(2, 2, 1\)"),
        (np.zeros(4, np.uint8), "mono8", r"\(4,\)"),
        (np.zeros((2, 2), np.uint8), "yuv422", "expected one of: rgb8"),
    ],
)
def test_images_that_do_not_fit_are_refused(image, encoding: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        image_to_msg(image, encoding, "camera", 0)


@pytest.mark.parametrize("change", [{"step": 5}, {"height": 99}, {"encoding": "jpeg"}])
def test_inconsistent_messages_are_refused(decode, change: dict[str, Any]) -> None:
    message = image_to_msg(sample("rgb8"), "rgb8", "camera", 0)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(ConfigurationError):
        msg_to_image(message, decode)


def test_cv_bridge_is_preferred_and_rosbags_image_comes_second() -> None:
    assert list(BACKENDS) == ["cv_bridge", "rosbags-image"]


def _not_installed() -> images.Decoder:
    raise ImportError("test double of a backend that is not installed")


def test_the_first_installed_backend_is_chosen() -> None:
    def first_double(message: Any) -> NDArray[Any]:
        return np.zeros((1, 1), np.uint8)

    backends = {
        "missing double": _not_installed,
        "first double": lambda: first_double,
        "second double": lambda: None,
    }
    assert choose_backend(backends) == ("first double", first_double)
    assert list(available_backends(backends)) == ["first double", "second double"]


def test_without_any_backend_the_error_says_what_to_install() -> None:
    with pytest.raises(MissingDependencyError, match=r"missing double.*pip install rosbags-image"):
        choose_backend({"missing double": _not_installed})
