"""Answers <-> token ids: text through an encoder, action numbers as tokens of their own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from spatialbot_model.contracts.action_codec import NUM_BINS, action_token
from spatialbot_model.contracts.errors import ConfigurationError

_ACTION_RUN = re.compile(r"((?:<act_[0-9]{3}>)+)")
_ACTION_TOKEN_CHARS = len(action_token(0))


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """Ids of the tokens that no text can produce.

    Attributes:
        image: stands once for each token that an image takes.
        end: closes an answer.
        first_action: of bin 0; bin k is ``first_action + k``. None for weights without
            action tokens, whose actions are text.
        action_query: asks for one action number where all seven are decoded at once.
    """

    image: int
    end: int
    first_action: int | None = None
    action_query: int | None = None

    def action_bin(self, token_id: int) -> int | None:
        """Bin 0..100 of an action token, None for every other token."""
        if self.first_action is None:
            return None
        k = token_id - self.first_action
        return k if 0 <= k < NUM_BINS else None


class TextEncoder(Protocol):
    """Plain text <-> ids; the names of special tokens in a text are text like any other."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text, none of them special."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids that `encode` may give."""
        ...


def render_reply(
    text: str, encoder: TextEncoder, layout: TokenLayout, *, end: bool = True
) -> list[int]:
    """Ids of an answer as they follow the assistant's prefix.

    The text is written with a blank before it. The one blank before a run of action tokens
    belongs to the run and has no token of its own.

    Args:
        text: e.g. ``The robot should <act_017>...<act_100>.``; may be the start of an answer.
        end: whether the end token follows.

    Raises:
        ConfigurationError: an empty answer, action tokens that the model does not have, or
            that do not stand in one run after a blank.
    """
    if not text:
        raise ConfigurationError("an answer of the assistant is empty; expected text")
    parts = _ACTION_RUN.split(" " + text)
    if len(parts) > 1 and layout.first_action is None:
        raise ConfigurationError(
            f"the answer {text[:80]!r} holds action tokens and the model has none; write actions"
            " as text"
        )
    ids: list[int] = []
    for index, part in enumerate(parts):
        if index % 2:
            ids += _action_ids(part, layout)
            continue
        if index < len(parts) - 1:
            if not part.endswith(" ") or (index and part == " "):
                raise ConfigurationError(
                    f"the answer {text[:80]!r} has an action token without one blank before its"
                    " run; expected e.g. 'The robot should <act_017><act_051>.'"
                )
            part = part[:-1]
        ids += encoder.encode(part) if part else []
    return [*ids, layout.end] if end else ids


def decode_reply(ids: Sequence[int], encoder: TextEncoder, layout: TokenLayout) -> str:
    """Inverse of `render_reply`; reads up to the first end token.

    Tokens that no answer should hold are written out (``<image>``, ``<act_query>``), so that
    every sequence can be shown.
    """
    text = ""
    plain: list[int] = []
    in_run = False
    for token in map(int, ids):
        if token == layout.end:
            break
        k = layout.action_bin(token)
        name = action_token(k) if k is not None else None
        if token == layout.image:
            name = "<image>"
        elif token == layout.action_query:
            name = "<act_query>"
        if name is None:
            plain.append(token)
            in_run = False
            continue
        text += encoder.decode(plain) if plain else ""
        plain = []
        text += f"{'' if in_run or k is None else ' '}{name}"
        in_run = k is not None
    text += encoder.decode(plain) if plain else ""
    return text.removeprefix(" ")


def _action_ids(run: str, layout: TokenLayout) -> list[int]:
    assert layout.first_action is not None
    ids = []
    for start in range(0, len(run), _ACTION_TOKEN_CHARS):
        token = run[start : start + _ACTION_TOKEN_CHARS]
        k = int(token[-4:-1])
        if k >= NUM_BINS:
            raise ConfigurationError(f"there is no action token {token}; the last is <act_100>")
        ids.append(layout.first_action + k)
    return ids
