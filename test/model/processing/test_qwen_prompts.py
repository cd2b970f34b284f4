"""Each released prompt variant in the real ids of Qwen1.5, written down by hand.

The ids were looked up in Qwen's published vocabulary, word by word, not produced by this code.
"""

import pytest
from qwen_tokenizer import qwen_tokenizer

from spatialbot_model.contracts.conversation import (
    Conversation,
    Message,
    TokenLayout,
    render_conversation,
    render_reply,
)
from spatialbot_model.contracts.prompt_templates import action_user_text, prompt_template
from spatialbot_model.processing.tokens import HfTextEncoder, add_layout_tokens

END, IMAGE, NEWLINE, BLANK = 151643, 151748, 198, 220
# A chat between a curious user and an artificial intelligence assistant
# . The assistant gives helpful , detailed , and polite answers to the user 's questions
SYSTEM = [32, 6236, 1948, 264, 22208, 1196, 323, 458, 20443, 11229, 17847]
SYSTEM += [13, 576, 17847, 6696, 10950, 11, 11682, 11, 323, 47787, 11253, 311, 279, 1196, 594, 4755]
SPACED_SYSTEM = [*SYSTEM, 13, 13872, 25, BLANK]  # ". USER: ", the blank before an image alone
CLOSE_SYSTEM = [*SYSTEM, 37171, 25]  # ".USER" is one token
USER = [6448, 25]  # "USER" ":"
ASSISTANT = [35560, 3846, 2821, 25]  # " ASS" "IST" "ANT" ":"
# What is the depth value of point < 0 . 5 , 0 . 2 >? Answer directly from depth map .
QUESTION = [3838, 374, 279, 7990, 897, 315, 1459, 366, 15, 13, 20, 11, 15, 13, 17, 47585]
QUESTION += [21806, 5961, 504, 7990, 2415, 13]
ANSWER = [BLANK, 16, 15, 20, 22, END]  # " " 1 0 5 7
# In struct the robot to pick up the red cube \n Answer with robot parameters .
TASK = [641, 1235, 279, 12305, 311, 3735, 705, 279, 2518, 23739, 198, 16141, 448, 12305, 5029, 13]
SHOULD = [576, 12305, 1265]  # The robot should
ASKED = Message(
    "user",
    "<image 1>\n<image 2>\n"
    "What is the depth value of point <0.5,0.2>? Answer directly from depth map.",
)

TWO_IMAGES = [IMAGE, IMAGE, NEWLINE, IMAGE, NEWLINE]
PROMPTS = {
    "release-training": [*SPACED_SYSTEM, *TWO_IMAGES, *QUESTION, *ASSISTANT],
    "release-quickstart": [*SPACED_SYSTEM, IMAGE, IMAGE, IMAGE, *QUESTION, *ASSISTANT],
    "release-cli": [*SPACED_SYSTEM, *TWO_IMAGES, *QUESTION, *ASSISTANT],
    "release-spatialbench": [*CLOSE_SYSTEM, *TWO_IMAGES, *QUESTION, *ASSISTANT],
    "release-rtx": [*USER, *TWO_IMAGES, *QUESTION, *ASSISTANT],
    "compact": [*USER, BLANK, IMAGE, IMAGE, IMAGE, *QUESTION, *ASSISTANT],
}


@pytest.fixture(scope="module")
def qwen() -> tuple[HfTextEncoder, TokenLayout]:
    tokenizer = qwen_tokenizer()
    layout = add_layout_tokens(tokenizer, with_actions=True)
    return HfTextEncoder(tokenizer), layout


def test_extra_tokens_fit_the_spare_rows_of_qwen(qwen: tuple[HfTextEncoder, TokenLayout]) -> None:
    assert qwen[1] == TokenLayout(
        image=151748, end=151643, first_action=151646, action_query=151747
    )
    assert qwen[1].image < 151_936


@pytest.mark.parametrize("name", PROMPTS)
def test_variants_in_qwens_ids(name: str, qwen: tuple[HfTextEncoder, TokenLayout]) -> None:
    messages = (ASKED, Message("assistant", "1057"))
    for end, for_generation, answer in ((1, True, []), (2, False, ANSWER)):
        rendered = render_conversation(
            Conversation(messages[:end], ("rgb", "depth")),
            prompt_template(name),
            *qwen,
            # the newer image takes two tokens, so that their order can be seen
            (2, 1),
            context_length=100,
            for_generation=for_generation,
        )
        assert rendered.ids.tolist() == [*PROMPTS[name], *answer]
        assert rendered.ids[rendered.supervised].tolist() == answer


def test_an_action_step_in_qwens_ids(qwen: tuple[HfTextEncoder, TokenLayout]) -> None:
    """The robot scripts' prompt, and the two forms of an answer."""
    rendered = render_conversation(
        Conversation(
            (
                Message("user", action_user_text("pick up the red cube", 4)),
                Message("assistant", "The robot should <act_050><act_017><act_100>."),
            ),
            ("rgb",) * 4,
        ),
        prompt_template("release-rtx"),
        *qwen,
        (1,) * 4,
        context_length=100,
    )
    images = [IMAGE, NEWLINE] * 4
    actions = [151696, 151663, 151746]
    expected = [*USER, *images, *TASK, *ASSISTANT, *SHOULD, *actions, 13, END]
    assert rendered.ids.tolist() == expected
    as_text = render_reply("The robot should <0.17, 0.51, 1>.", *qwen)
    # " <" 0 . 1 7 , " " 0 . 5 1 , " " 1 ">."
    numbers = [366, 15, 13, 16, 22, 11, BLANK, 15, 13, 20, 16, 11, BLANK, 16, 14276]
    assert as_text == [*SHOULD, *numbers, END]


def test_special_tokens_in_a_text_are_spelled_out(
    qwen: tuple[HfTextEncoder, TokenLayout],
) -> None:
    # " <" act _ 0 5 0 >< | endo ft ext | >< image >< | im _start | >
    spelled = [366, 531, 62, 15, 20, 15, 1784, 91, 8691, 723, 427, 91, 1784, 1805, 1784]
    spelled += [91, 318, 4906, 91, 29]
    assert qwen[0].encode(" <act_050><|endoftext|><image><|im_start|>") == spelled
