"""The depth codec: golden vectors, exact round trips over every value, loud refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spatialbot_model.contracts.depth_codec import (
    DEPTH_PROFILES,
    DepthProfile,
    decode_depth,
    depth_profile,
    encode_depth,
)
from spatialbot_model.contracts.errors import DepthCodecError, UnknownNameError

# mm -> (release, paper), measured on the released code and read off the paper
GOLDEN = {
    0: ((0, 0, 0), (0, 0, 0)),
    31: ((0, 0, 248), (0, 0, 248)),
    584: ((0, 144, 64), (0, 144, 64)),
    1000: ((0, 248, 64), (0, 248, 64)),
    1024: ((4, 0, 0), (2, 0, 0)),
    1057: ((4, 8, 8), (2, 8, 8)),
    4095: ((12, 248, 248), (6, 248, 248)),
    10000: ((36, 192, 128), (18, 192, 128)),
    65535: ((252, 248, 248), (126, 248, 248)),
}
DTYPES = {"release": np.uint16, "paper": np.uint32, "uint24": np.uint32}


@pytest.mark.parametrize("depth", GOLDEN)
@pytest.mark.parametrize("index_name", list(enumerate(["release", "paper"])))
def test_golden_vectors(depth: int, index_name: tuple[int, str]) -> None:
    index, name = index_name
    code = np.array([[GOLDEN[depth][index]]], np.uint8)
    for dtype in (np.uint16, np.uint32):
        np.testing.assert_array_equal(encode_depth(np.array([[depth]], dtype), name), code)
    assert decode_depth(code, name).tolist() == [[depth]]


def test_golden_vectors_beyond_16_bits() -> None:
    depth_mm = np.array([[131071]], np.uint32)
    assert encode_depth(depth_mm, "paper").tolist() == [[[254, 248, 248]]]
    assert encode_depth(depth_mm, "uint24").tolist() == [[[1, 255, 255]]]
    assert encode_depth(np.array([[584]], np.uint16), "uint24").tolist() == [[[0, 2, 72]]]
    with pytest.raises(DepthCodecError, match="131071 mm is beyond the 65535 mm"):
        encode_depth(depth_mm, "release")


def test_release_equals_the_stated_formula_for_every_value() -> None:
    d = np.arange(65536)
    formula = np.stack([d // 1024 * 4, d // 32 % 32 * 8, d % 32 * 8], axis=-1)
    encoded = encode_depth(d.astype(np.uint16).reshape(256, 256))
    np.testing.assert_array_equal(encoded.reshape(-1, 3), formula)


@pytest.mark.parametrize("name", DEPTH_PROFILES)
def test_every_value_of_every_profile_round_trips(name: str) -> None:
    max_mm = DEPTH_PROFILES[name].max_mm
    for start in range(0, max_mm + 1, 1 << 22):
        values = np.arange(start, min(start + (1 << 22), max_mm + 1), dtype=np.uint32)
        depth_mm = values.reshape(256, -1)
        decoded = decode_depth(encode_depth(depth_mm, name), name)
        assert decoded.dtype == DTYPES[name]
        np.testing.assert_array_equal(decoded, depth_mm)


@pytest.mark.parametrize(("name", "max_mm"), [("release", 65535), ("paper", 131071)])
def test_ranges_are_exact(name: str, max_mm: int) -> None:
    assert DEPTH_PROFILES[name].max_mm == max_mm
    encode_depth(np.array([[max_mm]], np.uint32), name)
    with pytest.raises(DepthCodecError, match=f"beyond the {max_mm} mm .*{name}"):
        encode_depth(np.array([[0, max_mm + 1]], np.uint32), name)


def test_uint24_ends_at_its_three_bytes() -> None:
    assert encode_depth(np.array([[0xFFFFFF]], np.uint32), "uint24").tolist() == [[[255] * 3]]
    with pytest.raises(DepthCodecError, match="16777216 mm"):
        encode_depth(np.array([[0x1000000]], np.uint32), "uint24")


@given(
    st.sampled_from(sorted(DEPTH_PROFILES)),
    hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)),
    st.booleans(),
)
def test_any_image_round_trips_also_when_strided(
    name: str, depth_mm: np.ndarray, transposed: bool
) -> None:
    if transposed:
        depth_mm = depth_mm.T[::-1]
    before = depth_mm.copy()
    decoded = decode_depth(encode_depth(depth_mm, name), name)
    np.testing.assert_array_equal(decoded, before)
    np.testing.assert_array_equal(depth_mm, before)


def test_out_is_filled_and_returned() -> None:
    depth_mm = np.arange(12, dtype=np.uint16).reshape(3, 4) * 997
    out = np.full((3, 4, 3), 7, np.uint8)
    assert encode_depth(depth_mm, out=out) is out
    np.testing.assert_array_equal(out, encode_depth(depth_mm))


@pytest.mark.parametrize("out", [np.empty((3, 4, 3), np.uint16), np.empty((4, 3, 3), np.uint8)])
def test_an_unfitting_out_is_refused(out: np.ndarray) -> None:
    with pytest.raises(DepthCodecError, match="out is"):
        encode_depth(np.zeros((3, 4), np.uint16), out=out)


@pytest.mark.parametrize(
    "depth",
    [
        np.ones((2, 2), np.float32),
        np.ones((2, 2), np.int32),
        np.ones((2, 2), np.int16),
        np.ones((2, 2), np.uint8),
        np.ones((2, 2), np.uint64),
        np.ones((2, 2), ">u2"),
        np.ones(4, np.uint16),
        np.ones((2, 2, 1), np.uint16),
        [[1, 2]],
    ],
)
def test_wrong_types_are_refused_on_encoding(depth: object) -> None:
    with pytest.raises(DepthCodecError, match="millimetres"):
        encode_depth(depth)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((2, 2, 3), np.uint16),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2), np.uint8),
        None,
    ],
)
def test_wrong_types_are_refused_on_decoding(rgb: object) -> None:
    with pytest.raises(DepthCodecError, match="uint8"):
        decode_depth(rgb)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["release", "paper"])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_bytes_that_the_profile_never_writes_are_refused(name: str, channel: int) -> None:
    rgb = encode_depth(np.full((4, 5), 4095, np.uint16), name)
    rgb[3, 2, channel] |= 1
    with pytest.raises(DepthCodecError, match=name):
        decode_depth(rgb, name)


def test_grey_padding_is_refused_instead_of_read_as_32_metres() -> None:
    with pytest.raises(DepthCodecError, match="padded"):
        decode_depth(np.full((2, 2, 3), 127, np.uint8))


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="paper, release, uint24"):
        depth_profile("jet")


@pytest.mark.parametrize("profile", DEPTH_PROFILES.values(), ids=str)
def test_the_fields_of_a_profile_are_adjacent(profile: DepthProfile) -> None:
    assert profile.shifts[2] == 0
    assert profile.shifts[1] == profile.bits[2]
    assert profile.shifts[0] == profile.bits[1] + profile.bits[2]
