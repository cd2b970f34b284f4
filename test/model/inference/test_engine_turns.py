"""What the engine says in whole turns: text actions, and depth rounds on a real tokenizer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from samples import random_frame, random_observation

from spatialbot_model.contracts.action_codec import parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.conversation import Conversation, Message, render_reply
from spatialbot_model.contracts.errors import ActionParseError
from spatialbot_model.contracts.types import DepthAnswer, PromptImage
from spatialbot_model.inference.checkpoints import load_checkpoint, make_processor
from spatialbot_model.inference.constraints import SpokenActionConstraint
from spatialbot_model.inference.engine import Engine
from spatialbot_model.inference.naive import naive_act
from spatialbot_model.inference.options import EngineOptions
from spatialbot_model.inference.token_model import Pass
from spatialbot_model.modeling.presets import make_config, make_model
from spatialbot_model.processing.tokens import load_mini_tokenizer

OPTIONS = EngineOptions(device="cpu", depth_tool=True)
BINS = (17, 51, 44, 62, 83, 7, 100)
TOKENS = "The robot should " + "".join(f"<act_{k:03d}>" for k in BINS) + "."
SPOKEN = "The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>."


@pytest.fixture(scope="module")
def text_form() -> tuple:
    """A tiny model whose actions are text, like the released weights."""
    tokenizer = load_mini_tokenizer()
    config = make_config("tiny", len(tokenizer))
    config.action_form = "text"
    config.image_token_id, config.first_action_token_id = len(tokenizer), None
    config.action_query_token_id = None
    return make_model(config, seed=3), make_processor(config, tokenizer)


class Script:
    """Stands in for the engine's runner: says `replies` one after another, whatever it sees.

    Which reply it is follows from how often the answer's prefix has been read.
    """

    def __init__(self, engine: Engine, replies: Sequence[str]) -> None:
        processor = engine.processor
        encoder, layout = processor.encoder, processor.layout
        self.ids: list[int] = []
        self._replies = [render_reply(text, encoder, layout) for text in replies]
        self._end = layout.end
        self._prefix: list[int] = []
        self._num_columns = 2200
        self._encoder, self._template = encoder, processor.prompt_template

    def begin(self, features: Any, num_tokens: int, robot_states: Any = None) -> None:
        self.ids = []

    def run(self, passes: Sequence[Pass]) -> list[torch.Tensor]:
        (wanted,) = passes
        if not self.ids:
            self._starts = [len(wanted.ids) - wanted.num_logits + 1]
        del self.ids[wanted.keep :]
        # a pass that holds an end token begins the next answer behind a tool's turn
        if self.ids and self._end in wanted.ids:
            self._starts.append(len(self.ids) + len(wanted.ids) - wanted.num_logits + 1)
        self.ids += wanted.ids
        logits = torch.zeros(wanted.num_logits, self._num_columns)
        for k in range(wanted.num_logits):
            said = len(self.ids) - wanted.num_logits + k + 1 - self._starts[-1]
            reply = self._replies[min(len(self._starts), len(self._replies)) - 1]
            logits[k, reply[said] if 0 <= said < len(reply) else self._end] = 9.0
        columns = wanted.columns
        return [logits if columns is None else logits[:, columns.start : columns.stop]]


def scripted(checkpoint: tuple, replies: Sequence[str], **changes: Any) -> tuple[Engine, Script]:
    engine = Engine(*checkpoint, replace(OPTIONS, **changes))
    script = Script(engine, replies)
    engine._tokens = script  # type: ignore[assignment]
    return engine, script


@pytest.mark.parametrize("form", ["tiny", "text_form"])
def test_depth_rounds_read_what_training_would_render(
    form: str, request: pytest.FixtureRequest
) -> None:
    """Train/serve parity: the tokens behind a tool's turn are the renderer's own."""
    checkpoint = request.getfixturevalue(form)
    action = TOKENS if form == "tiny" else SPOKEN
    asks = ["The depth value of point(0.51,0.40) is Depth(0.51,0.40).", "Depth(0.25,0.75)."]
    engine, script = scripted(checkpoint, [*asks, action])
    observation = random_observation(np.random.default_rng(0))
    depth_mm = observation.newest.depth_mm.copy()
    depth_mm[:] = 584
    newest = replace(observation.newest, depth_mm=depth_mm)
    observation = replace(observation, frames=(newest, *observation.frames[1:]))
    step = engine.act(engine.session(), observation)
    assert step.text == SPOKEN
    assert step.depth_answers == (DepthAnswer(0.51, 0.4, 584), DepthAnswer(0.25, 0.75, 584))
    assert step.num_rounds == 2 and step.stage_ms["tool"] > 0
    processor = engine.processor
    images = engine.prompt_images(observation)
    asked = processor.action_conversation(
        observation.instruction, tuple(image.role for image in images)
    )
    turns = (
        Message("assistant", asks[0]),
        Message("tool", "API: Depth(0.51,0.40)=584"),
        Message("assistant", asks[1]),
        Message("tool", "API: Depth(0.25,0.75)=584"),
        Message("assistant", action),
    )
    conversation = Conversation((*asked.messages, *turns), asked.image_roles)
    ages = [image.age for image in images]
    expected = processor.render(conversation, ages, for_generation=False).ids.tolist()
    assert script.ids == expected[: len(script.ids)]
    # only what needs no pass is left: the last number, the stop and the end
    assert len(expected) - len(script.ids) <= 3


def test_depths_come_from_the_newest_frame(tiny: tuple) -> None:
    engine, _ = scripted(tiny, ["Depth(0.50,0.50).", TOKENS])
    observation = random_observation(np.random.default_rng(3))
    frames = list(observation.frames)
    for k, frame in enumerate(frames):
        frames[k] = replace(frame, depth_mm=np.full_like(frame.depth_mm, 1000 + k))
    step = engine.act(engine.session(), replace(observation, frames=tuple(frames)))
    assert [answer.depth_mm for answer in step.depth_answers] == [1000]


def test_without_the_tool_the_first_token_is_bound(tiny: tuple) -> None:
    engine, _ = scripted(tiny, ["Depth(0.50,0.50).", TOKENS], depth_tool=False)
    step = engine.act(engine.session(), random_observation(np.random.default_rng(3)))
    assert step.num_rounds == 0
    parse_action_text(step.text, ActionSpec())


def test_a_text_answer_is_given_as_it_is(text_form: tuple) -> None:
    engine, _ = scripted(text_form, ["I cannot see the cube."])
    step = engine.act(engine.session(), random_observation(np.random.default_rng(3)))
    assert step.text == "I cannot see the cube." and step.bins is None
    assert not step.action_probabilities
    with pytest.raises(ActionParseError):
        parse_action_text(step.text, ActionSpec())


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_text_action_is_forced_after_the_last_round(text_form: tuple, rounds: int) -> None:
    engine, _ = scripted(text_form, ["Depth(0.50,0.50)."], max_depth_queries=rounds)
    step = engine.act(engine.session(), random_observation(np.random.default_rng(3)))
    assert step.num_rounds == rounds
    parse_action_text(step.text, ActionSpec())


def test_a_chat_looks_depths_up(tiny: tuple) -> None:
    engine, _ = scripted(tiny, ["Depth(0.10,0.90).", "It is 700 mm away."])
    frame = random_frame(np.random.default_rng(1), 0)
    depth_mm = np.full((10, 10), 700, np.uint16)
    images = [PromptImage("rgb", frame.color)]
    answer = engine.chat(images, "How far is it?", depth_mm)
    assert answer.text == "It is 700 mm away." and not answer.limit_reached
    assert answer.depth_answers == (DepthAnswer(0.1, 0.9, 700),)
    assert [m.role for m in answer.conversation.messages] == [
        *("user", "assistant", "tool", "assistant"),
    ]
    assert engine.chat(images, "How far?").text == "Depth(0.10,0.90)."


def test_a_chat_that_asks_on_and_on_ends(tiny: tuple) -> None:
    engine, _ = scripted(tiny, ["Depth(0.10,0.90)."], max_depth_queries=3)
    answer = engine.chat([], "How far is it?", np.full((10, 10), 700, np.uint16))
    assert answer.limit_reached and len(answer.depth_answers) == 3


def test_text_actions_equal_hugging_face_under_the_same_constraint(text_form: tuple) -> None:
    """The baseline of the benchmark: a sentence of numbers, digit by digit."""
    model, processor = text_form
    constraint = SpokenActionConstraint(processor.encoder, processor.layout)
    observation = random_observation(np.random.default_rng(3), 2)
    answer = naive_act(model, processor, observation, constraint)
    parse_action_text(answer.text, ActionSpec())
    assert answer.bins is None


def test_the_released_kind_of_checkpoint_loads(text_form: tuple, tmp_path: Path) -> None:
    model, processor = text_form
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = load_checkpoint(tmp_path, torch.device("cpu"), torch.float32)
    engine = Engine(*loaded, replace(OPTIONS, max_action_tokens=16))
    observation = random_observation(np.random.default_rng(3), 1)
    assert isinstance(engine.act(engine.session(), observation).text, str)
