"""What the keys of a terminal mean: bytes -> key names -> motions and buttons. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from spatialbot_ros.teleop.inputs import AXIS_NAMES, Button


@dataclass(frozen=True, slots=True)
class Motion:
    """One direction of one axis."""

    axis: int
    sign: float


def _motion(name: str, sign: float) -> Motion:
    return Motion(AXIS_NAMES.index(name), sign)


MOTION_KEYS: Mapping[str, Motion] = {
    "w": _motion("x", 1.0),
    "s": _motion("x", -1.0),
    "a": _motion("y", 1.0),
    "d": _motion("y", -1.0),
    "r": _motion("z", 1.0),
    "f": _motion("z", -1.0),
    "up": _motion("x", 1.0),
    "down": _motion("x", -1.0),
    "left": _motion("y", 1.0),
    "right": _motion("y", -1.0),
    "page up": _motion("z", 1.0),
    "page down": _motion("z", -1.0),
    "u": _motion("roll", 1.0),
    "j": _motion("roll", -1.0),
    "i": _motion("pitch", 1.0),
    "k": _motion("pitch", -1.0),
    "q": _motion("yaw", 1.0),
    "e": _motion("yaw", -1.0),
}

BUTTON_KEYS: Mapping[str, Button] = {
    "g": Button.GRIPPER,
    "+": Button.FASTER,
    "=": Button.FASTER,
    "-": Button.SLOWER,
    "space": Button.STOP,
    "escape": Button.STOP,
    "enter": Button.RESUME,
    "c": Button.RECOVER,
    "h": Button.HOME,
    "b": Button.EPISODE_START,
    "v": Button.EPISODE_SUCCESS,
    "x": Button.EPISODE_FAILURE,
    "n": Button.EPISODE_END,
    "backspace": Button.EPISODE_DISCARD,
    "t": Button.EPISODE_AGAIN,
}

MOTION_HELP = (
    ("w s · ↑ ↓", "away / back"),
    ("a d · ← →", "left / right"),
    ("r f · PgUp/Dn", "up / down"),
    ("u j", "roll + / -"),
    ("i k", "pitch + / -"),
    ("q e", "yaw left / right"),
    ("g", Button.GRIPPER.value),
)

BUTTON_HELP = (
    ("+ -", "faster / slower"),
    ("space, Esc", Button.STOP.value),
    ("Enter", Button.RESUME.value),
    ("c", Button.RECOVER.value),
    ("h", Button.HOME.value),
    ("b", Button.EPISODE_START.value),
    ("v", Button.EPISODE_SUCCESS.value),
    ("x", Button.EPISODE_FAILURE.value),
    ("n", Button.EPISODE_END.value),
    ("Backspace", Button.EPISODE_DISCARD.value),
    ("t", Button.EPISODE_AGAIN.value),
    ("Ctrl-C", "quit"),
)

_SEQUENCES = {
    b"[A": "up",
    b"[B": "down",
    b"[C": "right",
    b"[D": "left",
    b"OA": "up",
    b"OB": "down",
    b"OC": "right",
    b"OD": "left",
    b"[5~": "page up",
    b"[6~": "page down",
}
_SINGLE = {
    0x20: "space",
    0x0D: "enter",
    0x0A: "enter",
    0x7F: "backspace",
    0x08: "backspace",
}
_ESCAPE = 0x1B


def decode_keys(data: bytes) -> list[str]:
    """Names of the keys in what a terminal sent, in order; keys without a name are left out.

    An escape that begins no sequence is the Esc key. Letters count whatever the shift key says.
    """
    keys = []
    at = 0
    while at < len(data):
        if data[at] != _ESCAPE:
            char = data[at]
            name = _SINGLE.get(char)
            if name is None and 0x21 <= char < 0x7F:
                name = chr(char).lower()
            if name is not None:
                keys.append(name)
            at += 1
            continue
        end = _sequence_end(data, at + 1)
        if end == at + 1:
            keys.append("escape")
        else:
            name = _SEQUENCES.get(data[at + 1 : end])
            if name is not None:
                keys.append(name)
        at = end
    return keys


def _sequence_end(data: bytes, at: int) -> int:
    """Index after an escape sequence whose first byte is at `at`; `at` when there is none."""
    if at >= len(data) or data[at] not in b"[O":
        return at
    if data[at] == ord("O"):
        return min(at + 2, len(data))
    end = at + 1
    # parameters, then one final byte
    while end < len(data) and not 0x40 <= data[end] <= 0x7E:
        end += 1
    return min(end + 1, len(data))
