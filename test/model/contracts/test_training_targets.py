"""What is learned at each position, in the causal and in the parallel form."""

import pytest
from byte_encoder import ACTION_QUERY, BYTE_LAYOUT, END, FIRST_ACTION, IMAGE, ByteEncoder

from spatialbot_model.contracts.action_codec import FINISHED_TEXT
from spatialbot_model.contracts.conversation import (
    Conversation,
    Message,
    RenderedPrompt,
    TokenLayout,
    causal_targets,
    parallel_inputs,
    render_conversation,
)
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.prompt_templates import prompt_template

TEXT_LAYOUT = TokenLayout(image=IMAGE, end=END)
ACTION = "The robot should <act_017><act_100>."


def rendered(*answers: str) -> RenderedPrompt:
    messages: list[Message] = []
    for answer in answers:
        messages += [Message("tool" if messages else "user", "Q"), Message("assistant", answer)]
    return render_conversation(
        Conversation(tuple(messages)),
        prompt_template("release-rtx"),
        ByteEncoder(),
        BYTE_LAYOUT,
        (),
        context_length=999,
    )


def test_causal_targets_are_the_next_learned_ids() -> None:
    prompt = rendered("Hm", "No")
    assert prompt.ids.tolist() == [*b"USER:Q ASSISTANT: Hm", END, *b"USER:Q ASSISTANT: No", END]
    turn = [-100] * 16
    expected = [*turn, *b" Hm", END, -100, *turn, *b" No", END, -100]
    # the colon before an answer predicts its first token, the end token nothing
    assert causal_targets(prompt).tolist() == expected


def test_parallel_form_asks_for_each_number_at_its_own_place() -> None:
    prompt = rendered("Hm", ACTION)
    ids, targets = parallel_inputs(prompt, BYTE_LAYOUT)
    turn = [-100] * 16
    sentence = b" The robot should"
    assert ids.tolist() == [
        *(*b"USER:Q ASSISTANT: Hm", END),
        *(*b"USER:Q ASSISTANT:", *sentence, ACTION_QUERY, ACTION_QUERY, *b".", END),
    ]
    assert targets.tolist() == [
        *(*turn, *b" Hm", END, -100),
        # " should" learns nothing, then two numbers in place, then neither full stop nor end
        *(*turn, *sentence, -100, FIRST_ACTION + 17, FIRST_ACTION + 100, -100, -100),
    ]
    assert prompt.ids.tolist().count(ACTION_QUERY) == 0


def test_parallel_form_of_an_answer_without_actions_is_the_causal_one() -> None:
    prompt = rendered(FINISHED_TEXT)
    ids, targets = parallel_inputs(prompt, BYTE_LAYOUT)
    assert ids.tolist() == prompt.ids.tolist()
    assert targets.tolist() == causal_targets(prompt).tolist()


def test_answers_after_an_action_are_learned_again() -> None:
    prompt = rendered(ACTION, "Hm")
    _, targets = parallel_inputs(prompt, BYTE_LAYOUT)
    assert targets.tolist()[-5:] == [*b" Hm", END, -100]


def test_parallel_form_needs_action_tokens() -> None:
    with pytest.raises(ConfigurationError, match="parallel decoding needs"):
        parallel_inputs(rendered("Hm"), TEXT_LAYOUT)
