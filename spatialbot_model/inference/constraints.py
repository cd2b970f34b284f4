"""Which tokens an answer may go on with.

A constraint looks at the ids of one answer so far and names the ids that may follow. It knows
no model, so the same object steers the engine and Hugging Face's `generate` (see `naive`).
"""

from collections.abc import Sequence
from typing import Protocol

from spatialbot_model.contracts.action_codec import (
    ACTION_NAMES,
    FINISHED_TEXT,
    NUM_BINS,
    DeltaAction,
    format_action_tokens,
)
from spatialbot_model.contracts.conversation import TextEncoder, TokenLayout, render_reply
from spatialbot_model.contracts.errors import ConfigurationError

NUM_ACTIONS = len(ACTION_NAMES)

_STILL = DeltaAction((50,) * NUM_ACTIONS)
_SPOKEN_ZEROS = f"The robot should <{', '.join(['0.00'] * NUM_ACTIONS)}>."


class Constraint(Protocol):
    """Says which tokens may come next in one answer."""

    @property
    def draft(self) -> tuple[int, ...]:
        """How an answer usually begins; tried first, never assumed."""
        ...

    def allowed(self, reply_ids: Sequence[int]) -> Sequence[int]:
        """Ids that may follow; empty when the answer is complete."""
        ...


def text_columns(layout: TokenLayout) -> range:
    """Ids that plain text and the end of an answer are made of: those before the extra tokens."""
    extra = (layout.image, layout.first_action, layout.action_query)
    return range(min(k for k in extra if k is not None))


class FreeText:
    """Any text up to the end token.

    Args:
        draft: how the answer is expected to begin.
    """

    def __init__(self, layout: TokenLayout, draft: Sequence[int] = ()) -> None:
        self.draft: tuple[int, ...] = tuple(draft)
        self._text = text_columns(layout)
        self._end = layout.end

    def allowed(self, reply_ids: Sequence[int]) -> Sequence[int]:
        """See `Constraint`."""
        return () if reply_ids and reply_ids[-1] == self._end else self._text


class ReplyConstraint:
    """An action answer of weights that have action tokens.

    It is `` The robot should`` + seven action tokens + ``.`` + end, or
    `` The robot has finished.`` + end. With `free_text` any text may come before, the calls of
    the depth tool among it; the grammar bites as soon as `` The robot should`` is written.

    Args:
        free_text: whether text may come first, or take the place of an action.

    Raises:
        ConfigurationError: the layout has no action tokens.
    """

    def __init__(
        self, encoder: TextEncoder, layout: TokenLayout, *, free_text: bool = False
    ) -> None:
        if layout.first_action is None:
            raise ConfigurationError(
                "these weights have no action tokens, so their actions are text; use FreeText or"
                " SpokenActionConstraint"
            )
        sentence = render_reply(format_action_tokens(_STILL), encoder, layout)
        start = sentence.index(layout.first_action + 50)
        self.draft: tuple[int, ...] = tuple(sentence[:start])
        self.actions = range(layout.first_action, layout.first_action + NUM_BINS)
        self._closing = tuple(sentence[start + NUM_ACTIONS :])
        self._finished = tuple(render_reply(FINISHED_TEXT, encoder, layout))
        self._free_text = free_text
        self._text = text_columns(layout)
        self._end = layout.end

    def allowed(self, reply_ids: Sequence[int]) -> Sequence[int]:
        """See `Constraint`."""
        reply = tuple(reply_ids)
        start = self.sentence_start(reply)
        if start is None:
            return self._before_sentence(reply)
        position = len(reply) - start - len(self.draft)
        if position < NUM_ACTIONS:
            return self.actions
        # after the actions nothing is left to choose
        return self._closing[position - NUM_ACTIONS : position - NUM_ACTIONS + 1]

    def sentence_start(self, reply_ids: Sequence[int]) -> int | None:
        """Where in an answer the action sentence begins, None before it is written."""
        reply, size = tuple(reply_ids), len(self.draft)
        last = len(reply) - size if self._free_text else min(0, len(reply) - size)
        return next((k for k in range(last + 1) if reply[k : k + size] == self.draft), None)

    def action_bins(self, reply_ids: Sequence[int]) -> tuple[int, ...] | None:
        """The seven bins of a complete action sentence, None when there is none."""
        start = self.sentence_start(reply_ids)
        if start is None:
            return None
        tokens = reply_ids[start + len(self.draft) :][:NUM_ACTIONS]
        complete = len(tokens) == NUM_ACTIONS and all(k in self.actions for k in tokens)
        return tuple(k - self.actions.start for k in tokens) if complete else None

    def _before_sentence(self, reply: tuple[int, ...]) -> Sequence[int]:
        if reply and reply[-1] == self._end:
            return ()
        size = len(reply)
        if self._free_text:
            # once the instruction is said to be done, nothing may follow
            done = size == len(self._finished) - 1 and self._finished[:size] == reply
            return (self._end,) if done else self._text
        ways = (self.draft, self._finished)
        # a set, since both ways may go on with the same token
        return tuple(sorted({way[size] for way in ways if way[:size] == reply}))


class SpokenActionConstraint:
    """An action answer in text form: seven numbers 0.00..1.00, two decimals each.

    Weights without action tokens answer freely; this makes them say one complete sentence,
    which a loop that has run out of depth queries and a fair benchmark need.

    Raises:
        ConfigurationError: the tokenizer does not write numbers digit by digit.
    """

    def __init__(self, encoder: TextEncoder, layout: TokenLayout) -> None:
        self._sentence = tuple(render_reply(_SPOKEN_ZEROS, encoder, layout))
        self._finished = tuple(render_reply(FINISHED_TEXT, encoder, layout))
        self._digits = tuple(self._digit(encoder, k) for k in range(10))
        zero = self._digits[0]
        self._places = [t for t, token in enumerate(self._sentence) if token == zero]
        start = encoder.encode(" The robot should <")
        known = self._places and self._places[0] == len(start) == self._common(start)
        if not known or len(self._places) != 3 * NUM_ACTIONS:
            raise ConfigurationError(
                "this tokenizer does not write numbers digit by digit, so an action in text form"
                " cannot be forced on the model; let it answer freely"
            )
        self.draft: tuple[int, ...] = tuple(start)

    def allowed(self, reply_ids: Sequence[int]) -> Sequence[int]:
        """See `Constraint`."""
        reply, size = tuple(reply_ids), len(reply_ids)
        if self._finished[:size] == reply:
            choices = {way[size] for way in (self._finished, self._sentence) if size < len(way)}
            return tuple(sorted(choices)) if size < len(self._finished) else ()
        if size >= len(self._sentence):
            return ()
        if size not in self._places:
            return self._sentence[size : size + 1]
        place = self._places.index(size) % 3
        if place == 0:
            return self._digits[:2]
        whole = reply[self._places[self._places.index(size) - place]]
        # 1 is followed by .00 only
        return self._digits if whole == self._digits[0] else self._digits[:1]

    def _common(self, start: Sequence[int]) -> int:
        return len(start) if self._sentence[: len(start)] == tuple(start) else -1

    @staticmethod
    def _digit(encoder: TextEncoder, digit: int) -> int:
        # as it stands inside a number, not as the first token of a text
        return encoder.encode(f"0.{digit}")[-1]
