"""The simulated sensor's wire form: bytes and back, and refusal of strange bytes."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spatialbot_model.contracts import frame_link as link
from spatialbot_model.contracts.errors import CameraError
from spatialbot_model.contracts.types import CameraIntrinsics

DESCRIPTION = link.SensorDescription(
    name="Simulated D435",
    serial_no="000042",
    color=CameraIntrinsics(4, 3, 5.0, 5.0, 1.5, 1.0, (0.1, 0.2, 0.3, 0.4, 0.5)),
    depth=CameraIntrinsics(2, 5, 3.0, 3.0, 0.5, 2.0),
    depth_to_color_translation_m=(0.015, 0.0, 0.0),
    stereo_baseline_m=0.05,
    rate_hz=15.0,
)


def test_the_description_survives_the_wire() -> None:
    hello = link.encode_hello(DESCRIPTION)
    prefix, body = hello[: link.LENGTH_BYTES], hello[link.LENGTH_BYTES :]
    assert link.hello_length(prefix) == len(body)
    assert link.decode_hello(body) == DESCRIPTION


@given(
    st.integers(0, 2**64 - 1),
    st.integers(-(2**63), 2**63 - 1),
    hnp.arrays(np.uint8, (3, 4, 3)),
    hnp.arrays(np.uint16, (5, 2)),
)
def test_frames_survive_the_wire_bit_for_bit(
    number: int, stamp_ns: int, color: np.ndarray, depth_mm: np.ndarray
) -> None:
    header = link.encode_frame_header(link.RawFrame(number, stamp_ns, color, depth_mm))
    payload = color.tobytes() + depth_mm.astype("<u2").tobytes()
    assert len(header) == link.HEADER_BYTES
    assert link.payload_bytes(header) == len(payload)
    frame = link.decode_frame(header, payload, DESCRIPTION)
    assert (frame.frame_number, frame.stamp_ns) == (number, stamp_ns)
    np.testing.assert_array_equal(frame.color, color)
    np.testing.assert_array_equal(frame.depth_mm, depth_mm)
    assert link.decode_ack(link.encode_ack(number)) == number
    assert len(link.encode_ack(number)) == link.ACK_BYTES


@pytest.mark.parametrize("length", [0, link.MAX_HELLO_BYTES + 1, 2**32 - 1])
def test_a_description_of_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(CameraError, match=f"{length}-byte"):
        link.hello_length(struct.pack("<I", length))


@pytest.mark.parametrize(
    "body",
    [
        b"HTTP/1.1 400",
        b"\xff\xff\xff",
        b"[]",
        b"{}",
        json.dumps({"version": link.PROTOCOL_VERSION}).encode(),
        json.dumps({"version": link.PROTOCOL_VERSION, "color": 3, "depth": 4}).encode(),
    ],
)
def test_a_strange_description_is_refused(body: bytes) -> None:
    with pytest.raises(CameraError, match="malformed"):
        link.decode_hello(body)


def test_another_protocol_version_names_both() -> None:
    body = json.loads(link.encode_hello(DESCRIPTION)[link.LENGTH_BYTES :])
    other = json.dumps({**body, "version": 99}).encode()
    with pytest.raises(CameraError, match=f"protocol 99, this camera {link.PROTOCOL_VERSION}"):
        link.decode_hello(other)


def test_headers_of_another_program_or_size_are_refused() -> None:
    color, depth_mm = np.zeros((3, 4, 3), np.uint8), np.zeros((5, 2), np.uint16)
    payload = color.tobytes() + depth_mm.tobytes()
    good = link.encode_frame_header(link.RawFrame(1, 2, color, depth_mm))
    larger = np.zeros((6, 2), np.uint16)
    wrong_size = link.encode_frame_header(link.RawFrame(1, 2, color, larger))
    for header in (b"HTTP" + good[4:], wrong_size):
        with pytest.raises(CameraError, match="malformed frame header"):
            link.decode_frame(header, payload, DESCRIPTION)
