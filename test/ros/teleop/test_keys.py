"""Bytes of a terminal as keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_ros.teleop.keys import BUTTON_KEYS, MOTION_KEYS, decode_keys


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"wA+", ["w", "a", "+"]),
        (b"\x1b[A\x1b[B\x1bOC\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b" \r\n\x7f\x08", ["space", "enter", "enter", "backspace", "backspace"]),
        (b"\x1b", ["escape"]),
        (b"\x1bw", ["escape", "w"]),
        # keys without a meaning: F5, shift-up, alt codes of several bytes
        (b"\x1b[15~w\x1b[1;2Aw", ["w", "w"]),
        ("ä€".encode(), []),
        (b"\x00\x01", []),
    ],
)
def test_known_sequences(data: bytes, keys: list[str]) -> None:
    assert decode_keys(data) == keys


@given(st.binary(max_size=200))
def test_any_bytes_are_survived_and_no_key_is_made_up(data: bytes) -> None:
    known = {*BUTTON_KEYS, *MOTION_KEYS}
    assert len([key for key in decode_keys(data) if key in known]) <= len(data)


def test_no_key_has_two_meanings() -> None:
    assert not set(BUTTON_KEYS) & set(MOTION_KEYS)
