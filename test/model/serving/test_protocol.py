"""Messages survive the wire unchanged; everything else is refused, and nothing is executed."""

import random
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from policy_doubles import T_BASE_CAMERA, expected_answer, make_frame, observe

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ProtocolError
from spatialbot_model.contracts.types import RgbdFrame, RobotState
from spatialbot_model.serving.arrays import DTYPES, pack_array, unpack_array
from spatialbot_model.serving.messages import (
    PROTOCOL_VERSION,
    Answer,
    Done,
    Failure,
    Hello,
    Message,
    Ping,
    Reset,
    Start,
    Step,
    Welcome,
)
from spatialbot_model.serving.protocol import decode, encode

NUM_MUTATIONS = 10_000
FRAMES = (make_frame(2), make_frame(1))
STEP = Step(
    "ab" * 16, 7, (FRAMES[0].stamp_ns, *[FRAMES[1].stamp_ns] * 3), FRAMES, "pick", T_BASE_CAMERA, 2
)
TOLD = replace(STEP, robot=RobotState(T_BASE_CAMERA, T_BASE_CAMERA, 0.035, True))
MESSAGES: tuple[Message, ...] = (
    Hello(PROTOCOL_VERSION, "secret", ActionSpec(), "test"),
    Welcome("ab" * 16, "double", ActionSpec(rate_hz=5.0), "test", True),
    Start("ab" * 16, 1, "pick up the größte cup"),
    STEP,
    TOLD,
    Reset("s", 2**62),
    Ping("s", 3),
    Done("s", 4),
    Answer("s", 5, expected_answer(observe(FRAMES[::-1]))),
    Failure("", 0, "timeout", "too late"),
)


def same(a: object, b: object) -> bool:
    """Equality that looks into arrays."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool(np.all(a == b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if type(a) is type(b) and isinstance(a, Message | RgbdFrame | RobotState):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


def raw(**values: object) -> bytes:
    return bytes(msgpack.packb(values))


def unpacked(message: Message) -> dict[str, object]:
    """A message as plain values, arrays as msgpack extensions."""
    return dict(msgpack.unpackb(encode(message)))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_messages_come_back(message: Message) -> None:
    decoded = decode(encode(message))
    assert type(decoded) is type(message)
    assert same(decoded, message)


@given(
    npst.arrays(
        dtype=st.sampled_from([*DTYPES.values(), np.dtype(">u2"), np.dtype(">f8")]),
        shape=npst.array_shapes(max_dims=4, min_side=0, max_side=6),
        elements={"allow_nan": False},
    )
)
def test_arrays_come_back(array: np.ndarray) -> None:
    for variant in (array, array.T, array[::-1]):
        head, payload = pack_array(variant)
        back = unpack_array(head + bytes(payload))
        assert back.shape == variant.shape
        assert back.dtype.kind == variant.dtype.kind
        assert np.array_equal(back, variant)
        assert not back.flags.writeable


def test_decoded_images_are_views_of_what_came() -> None:
    decoded = decode(encode(STEP))
    assert isinstance(decoded, Step)
    assert decoded.frames[0].color.base is not None
    assert not decoded.frames[0].color.flags.owndata


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.zeros(2, dtype="V8"),
        np.zeros(2, dtype=[("a", "u1"), ("b", "f4")]),
        np.array(["text"]),
        np.array([True]),
        np.zeros(2, dtype="c16"),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros((1, 1, 1, 1, 1), dtype="u1"),
    ],
    ids=lambda a: str(a.dtype),
)
def test_other_arrays_are_not_sent(array: np.ndarray) -> None:
    with pytest.raises(ProtocolError, match="cannot be sent"):
        pack_array(array)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"O8\x01" + struct.pack("<I", 1) + bytes(8),
        b"V8\x01" + struct.pack("<I", 1) + bytes(8),
        b"u1\x05" + struct.pack("<5I", 1, 1, 1, 1, 1) + bytes(1),
        b"u1\x01",
        b"u1\x01" + struct.pack("<I", 4) + bytes(3),
        b"u1\x01" + struct.pack("<I", 4) + bytes(5),
        b"u1\x02" + struct.pack("<2I", 2**32 - 1, 2**32 - 1) + bytes(8),
        b"f8\x04" + struct.pack("<4I", 2**31, 2**31, 4, 1),
    ],
)
def test_malformed_arrays_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack_array(data)


def _changed(message: Message, **changes: object) -> bytes:
    return bytes(msgpack.packb({**unpacked(message), **changes}))


def _pose(value: float) -> msgpack.ExtType:
    head, payload = pack_array(np.full((4, 4), value))
    return msgpack.ExtType(1, head + bytes(payload))


def _told(**changes: object) -> bytes:
    """A step whose robot's state has other values."""
    return _changed(TOLD, robot={**unpacked(TOLD)["robot"], **changes})  # type: ignore[dict-item]


def _without(message: Message, name: str) -> bytes:
    return bytes(msgpack.packb({k: v for k, v in unpacked(message).items() if k != name}))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no msgpack"),
        (b"\xc1", "no msgpack"),
        (encode(MESSAGES[0]) + b"\x00", "no msgpack"),
        (encode(STEP)[:-1], "no msgpack"),
        (msgpack.packb([1, 2]), "expected a map"),
        (msgpack.packb({1: 2}), "no msgpack"),
        (raw(type="exec", code="1"), "unknown message type"),
        (raw(type=["step"]), "unknown message type"),
        (raw(type="ping", session="s"), "expected exactly"),
        (raw(type="ping", session="s", seq=1, more=1), "expected exactly"),
        (raw(type="ping", session="s", seq=-1), "no integer"),
        (raw(type="ping", session="s", seq=True), "no integer"),
        (raw(type="ping", session="s", seq=1.0), "no integer"),
        (raw(type="ping", session=1, seq=1), "no text"),
        (raw(type="ping", session="s" * 20000, seq=1), "no text"),
        (raw(type="ping", session=b"bytes", seq=1), "no msgpack"),
        (raw(type="ping", session="s" * 100_000, seq=1), "no msgpack"),
        (b"\x83\xa4type\xa4ping\xa3seq\x01\xa3seq\x02", "same key"),
        (_changed(STEP, session=msgpack.Timestamp(1, 2)), "no text"),
        (_changed(STEP, T_base_camera=msgpack.ExtType(2, b"x")), "extension type 2"),
        (_changed(STEP, T_base_camera=_pose(float("nan"))), "not finite"),
        (_changed(STEP, T_base_camera=[1.0] * 16), "expected f8"),
        (_changed(STEP, timeout_s=float("inf")), "no finite number"),
        (_changed(STEP, stamps_ns=[1]), "among the named"),
        (_changed(STEP, stamps_ns=[1, 2], frames=[]), "newest first"),
        (_changed(STEP, stamps_ns=[], frames=[]), "no list"),
        (_changed(STEP, stamps_ns=[5] * 17, frames=[]), "1 to 16"),
        (_changed(STEP, stamps_ns=[-1], frames=[]), "no integer"),
        (_changed(STEP, frames=[1]), "expected exactly"),
        (_changed(STEP, robot=1), "expected exactly"),
        (_changed(STEP, robot={"gripper_closed": True}), "expected exactly"),
        (_told(T_base_ee=_pose(float("inf"))), "not finite"),
        (_told(T_base_ee=None), "expected f8"),
        (_told(gripper_width_m=float("nan")), "no finite number"),
        (_told(gripper_width_m=True), "no finite number"),
        (_told(gripper_closed=1), "true or false"),
        (_without(TOLD, "robot"), "expected exactly"),
        (_changed(MESSAGES[0], action_spec={"rate_hz": 10}), "action spec lacks"),
        (_changed(MESSAGES[0], action_spec=None), "expected a map"),
        (msgpack.packb([[[]] * 60] * 60), "more than 256"),
        (b"\x91" * 5000 + b"\x90", "no msgpack"),
        (b"\x91" * 900 + b"\x90", "more than 256"),
        (b"\xdd\xff\xff\xff\xff", "no msgpack"),
        (b"\xdf\xff\xff\xff\xff", "no msgpack"),
        (b"\xdb\xff\xff\xff\xff", "no msgpack"),
        (b"\xc9\xff\xff\xff\xff\x01", "no msgpack"),
    ],
)
def test_malformed_messages_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        decode(data)


def test_a_frame_with_images_that_do_not_fit_is_refused() -> None:
    mapping = unpacked(STEP)
    frame = mapping["frames"][0]  # type: ignore[index]
    frame["intrinsics"]["width"] = 17
    with pytest.raises(ProtocolError, match="expected uint8"):
        decode(msgpack.packb(mapping))


def test_too_large_a_message_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialbot_model.serving.protocol.MAX_MESSAGE_BYTES", 10)
    with pytest.raises(ProtocolError, match="at most 10"):
        decode(encode(STEP))


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(MESSAGES[0])


_WATCHED: list[str] | None = None
_HARMLESS = ("object.__getattr__", "object.__setattr__", "gc.", "sys._getframe", "time.sleep")


def _watch(event: str, arguments: object) -> None:
    if _WATCHED is not None and not event.startswith(_HARMLESS):
        _WATCHED.append(event)


# cannot be removed again; does nothing unless a test listens
sys.addaudithook(_watch)


@contextmanager
def watched() -> Iterator[list[str]]:
    """What the interpreter does that touches the outside: exec, import, open, spawn, unpickle."""
    global _WATCHED
    _WATCHED = []
    try:
        yield _WATCHED
    finally:
        _WATCHED = None


def test_the_watch_sees_what_it_must() -> None:
    with watched() as events:
        exec("pass")  # noqa: S102
        open(__file__).close()
    assert {"exec", "open"} <= set(events)


def mutate(data: bytes, source: random.Random) -> bytes:
    """One message damaged at random: bits, bytes, cuts, copies, swapped pieces, new lengths."""
    mutated = bytearray(data)
    for _ in range(source.randint(1, 6)):
        kind = source.randrange(7)
        at = source.randrange(len(mutated) + 1)
        # most of a message is pixels; what matters stands at its ends
        if source.random() < 0.6:
            at = min(at, source.randrange(120))
        size = source.choice((1, 1, 2, 4, 9, 33))
        if kind == 0 and at < len(mutated):
            mutated[at] ^= 1 << source.randrange(8)
        elif kind == 1 and at < len(mutated):
            mutated[at] = source.choice((0xC1, 0xC7, 0xC9, 0xD9, 0xDC, 0xDE, 0xDF, 0xFF, 0x80))
        elif kind == 2:
            del mutated[at : at + size]
        elif kind == 3:
            mutated[at:at] = source.randbytes(size)
        elif kind == 4:
            mutated[at:at] = mutated[at : at + size] * source.randint(1, 20)
        elif kind == 5:
            other = encode(source.choice(MESSAGES))
            start = source.randrange(len(other))
            mutated[at : at + size] = other[start : start + size]
        else:
            del mutated[source.randrange(len(mutated) + 1) :]
        if not mutated:
            mutated = bytearray(source.randbytes(size))
    return bytes(mutated)


def test_mutated_messages_are_read_or_refused_and_execute_nothing() -> None:
    source = random.Random(20)
    originals = [encode(message) for message in MESSAGES]
    mutated = [mutate(source.choice(originals), source) for _ in range(NUM_MUTATIONS)]
    refused = 0
    with watched() as events:
        for data in mutated:
            try:
                message = decode(data)
            except ProtocolError:
                refused += 1
            else:
                assert isinstance(message, Message)
    assert not events
    # neither did the mutations leave everything whole, nor is everything refused
    assert 0.5 * NUM_MUTATIONS < refused < NUM_MUTATIONS


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decode(data)
    except ProtocolError:
        return


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
@settings(max_examples=200)
def test_any_field_value_is_read_or_refused(value: object) -> None:
    for name in ("session", "stamps_ns", "frames", "T_base_camera", "timeout_s", "robot"):
        try:
            message = decode(_changed(STEP, **{name: value}))
        except ProtocolError:
            continue
        assert isinstance(message, Step)
        assert same(replace(message, **{name: getattr(STEP, name)}), STEP)
