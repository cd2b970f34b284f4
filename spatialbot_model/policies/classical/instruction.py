"""The instructions that the classical policy can read.

``pick up the [colour] [relation] <object> and put it on the <relation> [cutting] board``.
Relations are seen from the camera: left is left in the colour image, nearest is nearest to
the camera; ``from the robot's perspective`` at the end turns both round.
"""

import re
from dataclasses import dataclass

from spatialbot_model.contracts.errors import UnreadableInstructionError

COLORS = ("red", "green", "blue", "yellow")
NOUNS = ("cube", "ball", "cup", "teacup", "object")
_RELATIONS = {
    "left": "left",
    "leftmost": "left",
    "right": "right",
    "rightmost": "right",
    "nearest": "nearest",
    "closest": "nearest",
    "farthest": "farthest",
    "furthest": "farthest",
}
_OPPOSITE = {"left": "right", "right": "left", "nearest": "farthest", "farthest": "nearest"}

_RELATION = "|".join(_RELATIONS)
_PATTERN = re.compile(
    r"(?:please )?(?:pick up|pick|take|grab|grasp) the"
    rf"(?: (?P<first>{'|'.join(COLORS)}|{_RELATION}))?"
    rf"(?: (?P<second>{'|'.join(COLORS)}|{_RELATION}))?"
    rf" (?:{'|'.join(NOUNS)})"
    r",? (?:and|then|and then) (?:put|place|move|set) it (?:on|onto|on to|to)"
    rf" the (?P<board>{_RELATION}) (?:cutting )?board"
    r"(?P<robot> (?:from the robot'?s perspective|as seen (?:by|from) the robot))?"
)


@dataclass(frozen=True, slots=True)
class PickAndPlace:
    """What is to be done; `color` or `relation` may be None, not both.

    Relations are "left", "right", "nearest" or "farthest", from the camera.
    """

    color: str | None
    relation: str | None
    board: str


def read_instruction(text: str) -> PickAndPlace:
    """Parse an instruction.

    Raises:
        UnreadableInstructionError: not of the grammar above; shows it.
    """
    words = " ".join(text.lower().replace(".", " ").split())
    match = _PATTERN.fullmatch(words)
    if match is None:
        raise _unreadable(text)
    chosen = [word for word in (match["first"], match["second"]) if word is not None]
    colors = [word for word in chosen if word in COLORS]
    relations = [_RELATIONS[word] for word in chosen if word in _RELATIONS]
    if len(colors) > 1 or len(relations) > 1 or not chosen:
        raise _unreadable(text)
    relation = relations[0] if relations else None
    board = _RELATIONS[match["board"]]
    if match["robot"]:
        relation = _OPPOSITE[relation] if relation else None
        board = _OPPOSITE[board]
    return PickAndPlace(colors[0] if colors else None, relation, board)


def _unreadable(text: str) -> UnreadableInstructionError:
    return UnreadableInstructionError(
        f"the classical policy cannot read {text!r}. It reads: pick up the [colour] [relation]"
        " <object> and put it on the <relation> cutting board, with at least one of colour"
        f" ({', '.join(COLORS)}) and relation ({', '.join(_RELATIONS)}); object is one of"
        f" {', '.join(NOUNS)}. Example: pick up the red cube and put it on the left cutting board"
    )
