"""Greedy decoding with a verified draft, driven by a scripted model."""

import threading
import time

import pytest
import torch
from scripted_lm import END, LAYOUT, ByteEncoder, ScriptedLm, says

from spatialbot_model.contracts.conversation import render_reply
from spatialbot_model.contracts.errors import (
    PolicyCancelledError,
    PolicyError,
    PolicyTimeoutError,
)
from spatialbot_model.inference.constraints import FreeText, ReplyConstraint
from spatialbot_model.inference.decoding import DecodedReply, Row, decode_reply_ids, probability
from spatialbot_model.inference.token_model import Limits, PassTimes, Program, drive

ENCODER = ByteEncoder()
PROMPT = list(b"USER: go ASSISTANT:")
ACTIONS = range(LAYOUT.first_action, LAYOUT.first_action + 101)
BINS = (17, 51, 44, 62, 83, 7, 100)
SENTENCE = render_reply(
    "The robot should " + "".join(f"<act_{k:03d}>" for k in BINS) + ".", ENCODER, LAYOUT
)
FINISHED = render_reply("The robot has finished.", ENCODER, LAYOUT)


def program(constraint: object, row: Row, *, parallel: bool = False) -> Program[DecodedReply]:
    return decode_reply_ids(
        row,
        constraint,
        max_tokens=60,
        actions=ACTIONS,
        action_query=LAYOUT.action_query if parallel else None,
    )


def decode(
    reply: list[int], *, free: bool = False, parallel: bool = False
) -> tuple[DecodedReply, ScriptedLm, Row]:
    lm = ScriptedLm(says([reply], "ASSISTANT:"))
    row = Row(0, list(PROMPT))
    constraint = ReplyConstraint(ENCODER, LAYOUT, free_text=free)
    (result,) = drive([program(constraint, row, parallel=parallel)], lm, Limits(), PassTimes())
    return result, lm, row


def num_passes(lm: ScriptedLm) -> int:
    return len(lm.passes)


@pytest.mark.parametrize("free", [False, True])
def test_an_action_takes_the_prompt_and_six_tokens(free: bool) -> None:
    reply, lm, _ = decode(SENTENCE, free=free)
    assert reply.ids == tuple(SENTENCE) and reply.complete
    assert num_passes(lm) == 7
    assert [len(p[0].ids) for p in lm.passes] == [len(PROMPT) + 17, 1, 1, 1, 1, 1, 1]
    assert all(p[0].columns == ACTIONS for p in lm.passes[1:])
    assert len(reply.probabilities) == 7
    # a logit of 5 against a hundred of 0
    expected = float(torch.tensor([5.0] + [0.0] * 100).softmax(0)[0])
    assert reply.probabilities == pytest.approx([expected] * 7, rel=1e-5)


def test_a_refuted_draft_is_cut_away() -> None:
    reply, lm, row = decode(FINISHED)
    assert reply.ids == tuple(FINISHED)
    # after " The robot " everything is forced, so nothing is read any more
    assert num_passes(lm) == 1
    assert row.length + len(row.pending) == len(PROMPT) + len(FINISHED)


def test_free_text_in_place_of_the_draft() -> None:
    text = [*b" No idea.", END]
    reply, lm, _ = decode(text, free=True)
    assert reply.ids == tuple(text)
    assert lm.rows[0] == [*PROMPT, *text[:-1]]


def test_parallel_actions_take_one_pass() -> None:
    # a query stands where its action will, so the script sees one token too many
    def script(ids: list[int]) -> int:
        queries = ids.count(LAYOUT.action_query)
        if queries:
            return ACTIONS[BINS[queries - 1]]
        said = len(ids) - len(PROMPT)
        return SENTENCE[said]

    lm = ScriptedLm(script)
    row = Row(0, list(PROMPT))
    constraint = ReplyConstraint(ENCODER, LAYOUT)
    (reply,) = drive([program(constraint, row, parallel=True)], lm, Limits(), PassTimes())
    assert reply.ids == tuple(SENTENCE)
    assert num_passes(lm) == 1 and len(reply.probabilities) == 7
    # what follows replaces the queries by the actions
    assert row.length == len(PROMPT) + 17 and row.pending == SENTENCE[17:]


def test_parallel_gives_way_to_another_answer() -> None:
    reply, _, _ = decode(FINISHED, parallel=True)
    assert reply.ids == tuple(FINISHED) and not reply.probabilities


def test_long_answers_are_left_incomplete() -> None:
    lm = ScriptedLm(lambda ids: ord("x"))
    (reply,) = drive([program(FreeText(LAYOUT), Row(0, [1]))], lm, Limits(), PassTimes())
    assert reply.ids == (ord("x"),) * 60 and not reply.complete


@pytest.mark.parametrize("draft", [b" yes", b" yet", b" no", b""])
def test_a_draft_never_changes_the_answer(draft: bytes) -> None:
    reply = [*b" yes it is", END]
    lm = ScriptedLm(says([reply], "ASSISTANT:"))
    row = Row(0, list(PROMPT))
    (found,) = drive([program(FreeText(LAYOUT, draft), row)], lm, Limits(), PassTimes())
    assert found.ids == tuple(reply)


def test_rows_of_a_batch_end_on_their_own() -> None:
    replies = [SENTENCE, FINISHED, [*b" Hm.", END]]
    scripts = [says([reply], "ASSISTANT:") for reply in replies]

    class Batch:
        def __init__(self) -> None:
            self.models = [ScriptedLm(script) for script in scripts]

        def run(self, passes: list) -> list:
            return [
                None if p is None else m.run([p])[0]
                for m, p in zip(self.models, passes, strict=True)
            ]

    batch, times = Batch(), PassTimes()
    constraint = ReplyConstraint(ENCODER, LAYOUT, free_text=True)
    found = drive(
        [program(constraint, Row(0, list(PROMPT))) for _ in replies], batch, Limits(), times
    )
    assert [list(reply.ids) for reply in found] == replies
    # the longest row counts: " has finished." token by token behind the refuted draft
    assert times.num_passes == max(len(m.passes) for m in batch.models)


def test_a_late_step_is_given_up() -> None:
    lm = ScriptedLm(lambda ids: ord("x"))
    late = Limits(deadline_s=time.monotonic() - 1.0)
    with pytest.raises(PolicyTimeoutError, match="late"):
        drive([program(FreeText(LAYOUT), Row(0, [1]))], lm, late, PassTimes())
    assert not lm.passes


def test_a_step_can_be_cancelled_between_passes() -> None:
    cancel = threading.Event()

    def script(ids: list[int]) -> int:
        if len(ids) == 5:
            cancel.set()
        return ord("x")

    lm = ScriptedLm(script)
    with pytest.raises(PolicyCancelledError):
        drive([program(FreeText(LAYOUT), Row(0, [1]))], lm, Limits(cancel=cancel), PassTimes())
    assert num_passes(lm) == 5


def test_what_is_not_a_number_is_no_action() -> None:
    with pytest.raises(PolicyError, match="not a number"):
        probability(torch.full((101,), float("nan")), ACTIONS[3], ACTIONS, ACTIONS)
