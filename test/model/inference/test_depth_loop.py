"""The depth tool's loop: 0, 1, 3 and unlimited queries, and calls that are wrong."""

import itertools
import logging

import numpy as np
import pytest
from scripted_lm import END, LAYOUT, ByteEncoder, ScriptedLm, says

from spatialbot_model.contracts.action_codec import ActionSpec, parse_action_tokens
from spatialbot_model.contracts.conversation import render_reply
from spatialbot_model.contracts.prompt_templates import prompt_template
from spatialbot_model.contracts.types import DepthAnswer
from spatialbot_model.inference.constraints import FreeText, ReplyConstraint
from spatialbot_model.inference.depth_loop import DepthTool, Dialogue, TurnSettings, converse
from spatialbot_model.inference.token_model import Limits, PassTimes, drive

ENCODER = ByteEncoder()
TEMPLATE = prompt_template("compact")
PROMPT = tuple(b"USER: go ASSISTANT:")
BINS = (17, 51, 44, 62, 83, 7, 100)
SENTENCE = "The robot should " + "".join(f"<act_{k:03d}>" for k in BINS) + "."
SETTINGS = TurnSettings(ENCODER, LAYOUT, TEMPLATE, 120, range(257, 358))

DEPTH_MM = np.full((40, 60), 584, np.uint16)
DEPTH_MM[0, 0] = 0  # its neighbours stand in
DEPTH_MM[30:, 50:] = 0


def reply(text: str) -> list[int]:
    return render_reply(text, ENCODER, LAYOUT)


def run(
    replies: list[str], *, max_rounds: int = 3, chat: bool = False, tool: bool = True
) -> tuple[Dialogue, ScriptedLm]:
    lm = ScriptedLm(says([reply(text) for text in replies], "ASSISTANT:"))
    program = converse(
        PROMPT,
        SETTINGS,
        FreeText(LAYOUT) if chat else ReplyConstraint(ENCODER, LAYOUT, free_text=True),
        forced=None if chat else ReplyConstraint(ENCODER, LAYOUT),
        tool=DepthTool(DEPTH_MM, max_rounds) if tool else None,
        clock=itertools.count().__next__,
    )
    (dialogue,) = drive([program], lm, Limits(), PassTimes())
    return dialogue, lm


def test_no_query() -> None:
    dialogue, lm = run([SENTENCE])
    assert dialogue.text == SENTENCE
    assert dialogue.num_rounds == 0 and not dialogue.depth_answers
    assert len(lm.passes) == 7


@pytest.mark.parametrize("count", [1, 3])
def test_queries_are_answered_and_the_model_goes_on(count: int) -> None:
    asks = [f"The depth of point(0.{k}1,0.40) is Depth(0.{k}1,0.40)." for k in range(1, count + 1)]
    dialogue, lm = run([*asks, SENTENCE])
    assert dialogue.text == SENTENCE and not dialogue.limit_reached
    assert dialogue.num_rounds == count
    assert dialogue.depth_answers == tuple(
        DepthAnswer(float(f"0.{k}1"), 0.40, 584) for k in range(1, count + 1)
    )
    assert [m.role for m in dialogue.messages] == ["assistant", "tool"] * count + ["assistant"]
    # what the model read is exactly the conversation as it would be rendered
    expected = list(PROMPT)
    for k, ask in enumerate(asks, 1):
        expected += [*reply(ask), *f"USER: API: Depth(0.{k}1,0.40)=584 ASSISTANT:".encode()]
    read = lm.rows[0]
    assert read[: len(expected)] == expected
    # and no token was read twice
    assert all(p[0].keep >= len(PROMPT) for p in lm.passes[1:])


def test_several_calls_in_one_reply() -> None:
    dialogue, _ = run(["Depth(0.10,0.20) and Depth(0.51,0.40).", SENTENCE])
    assert dialogue.messages[1].text == "API: Depth(0.10,0.20)=584\nAPI: Depth(0.51,0.40)=584"
    assert dialogue.num_rounds == 1 and len(dialogue.depth_answers) == 2


def test_after_the_last_round_the_action_is_forced() -> None:
    dialogue, lm = run(["Depth(0.10,0.20)."], max_rounds=2)
    assert dialogue.num_rounds == 2 and len(dialogue.depth_answers) == 2
    # it never wanted to answer; what it was made to say can be read
    parse_action_tokens(dialogue.text, ActionSpec())
    assert not dialogue.limit_reached
    assert lm.rows[0].count(END) == 2


def test_a_chat_ends_after_the_last_round() -> None:
    dialogue, _ = run(["Depth(0.10,0.20)."], max_rounds=2, chat=True)
    assert dialogue.limit_reached and dialogue.num_rounds == 2
    assert dialogue.text == "Depth(0.10,0.20)."
    assert [m.role for m in dialogue.messages] == ["assistant", "tool"] * 2 + ["assistant"]


def test_no_rounds_at_all_forces_the_action_at_once() -> None:
    dialogue, lm = run(["Depth(0.10,0.20)."], max_rounds=0)
    assert dialogue.num_rounds == 0
    parse_action_tokens(dialogue.text, ActionSpec())
    assert END not in lm.rows[0]


def test_without_a_tool_calls_are_only_text() -> None:
    dialogue, _ = run(["Depth(0.10,0.20)."], chat=True, tool=False)
    assert dialogue.text == "Depth(0.10,0.20)." and not dialogue.limit_reached
    assert not dialogue.depth_answers


@pytest.mark.parametrize(
    ("call", "line", "answers"),
    [
        ("Depth(0.00,0.00)", "API: Depth(0.00,0.00)=584", (DepthAnswer(0.0, 0.0, 584),)),
        ("Depth(0.95,0.95)", "API: Depth(0.95,0.95)=invalid", (DepthAnswer(0.95, 0.95, None),)),
        ("Depth(1.20,0.40)", "API: Depth(1.20,0.40)=invalid", (DepthAnswer(1.2, 0.4, None),)),
        ("Depth(0.5)", "API: invalid call", ()),
        ("Depth(,)", "API: invalid call", ()),
        ("Depth(-0.1,0.5)", "API: invalid call", ()),
        ("Depth(nan,0.5)", "API: invalid call", ()),
        ("Depth(0.5,0.4", "API: invalid call", ()),
        ("Depth(" + "9" * 80 + ",0.5)", "API: invalid call", ()),
        ("Depth(x) Depth(0.5,0.5)", "API: invalid call\nAPI: Depth(0.50,0.50)=584",
         (DepthAnswer(0.5, 0.5, 584),)),
    ],
)  # fmt: skip
def test_bad_calls_are_answered_too(call: str, line: str, answers: tuple) -> None:
    dialogue, _ = run([call, SENTENCE])
    assert dialogue.messages[1].text == line
    assert dialogue.depth_answers == answers
    assert dialogue.text == SENTENCE


def test_every_round_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "spatialbot_model.inference.depth_loop"):
        run(["Depth(0.10,0.20).", SENTENCE])
    assert "Depth(0.10,0.20)=584" in caplog.text


def test_a_reply_that_never_ends_is_cut_and_answered() -> None:
    dialogue, lm = run(["Depth(0.10,0.20) " + "x" * 200, SENTENCE])
    assert dialogue.text == SENTENCE and dialogue.num_rounds == 1
    assert lm.rows[0][len(PROMPT) + 120] == END


def test_a_call_before_an_action_in_the_same_reply_is_not_answered() -> None:
    dialogue, _ = run([f"Depth(0.10,0.20). {SENTENCE}"])
    assert dialogue.num_rounds == 0 and dialogue.text.endswith(SENTENCE)
