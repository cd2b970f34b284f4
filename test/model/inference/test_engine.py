"""The engine on a tiny model: equal answers whatever is cached, batched or naive."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import random_frame, random_instruction, random_observation

from spatialbot_model.contracts.action_codec import DeltaAction, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    CheckpointError,
    ConfigurationError,
    ContextLengthError,
    PolicyCancelledError,
    PolicyError,
    PolicyTimeoutError,
    UnknownNameError,
)
from spatialbot_model.contracts.types import Observation, PromptImage
from spatialbot_model.inference.constraints import ReplyConstraint
from spatialbot_model.inference.engine import Engine
from spatialbot_model.inference.naive import naive_act
from spatialbot_model.inference.options import EngineOptions, EngineStep
from spatialbot_model.inference.session import StepRequest
from spatialbot_model.inference.stage_clock import STAGES, StageClock
from spatialbot_model.inference.token_model import Limits
from spatialbot_model.inference.vision_cache import VisionCache

OPTIONS = EngineOptions(device="cpu", depth_tool=False)


def engine_of(checkpoint: tuple, **changes: object) -> Engine:
    return Engine(*checkpoint, replace(OPTIONS, **changes))


def walk(engine: Engine, seed: int, steps: int) -> list[EngineStep]:
    """One instruction with a sliding history, from the padded start on."""
    rng = np.random.default_rng(seed)
    session, frames, instruction = engine.session(), [], random_instruction(rng)
    answers = []
    for k in range(steps):
        frames.insert(0, random_frame(rng, k))
        seen = (*frames[:4], *[frames[-1]] * (4 - len(frames)))
        answers.append(engine.act(session, Observation(seen, instruction, np.eye(4))))
    return answers


def same(left: list[EngineStep], right: list[EngineStep]) -> bool:
    return [step.reply_ids for step in left] == [step.reply_ids for step in right]


def test_an_answer_is_an_action_in_text_form(tiny: tuple) -> None:
    step = next(step for step in walk(engine_of(tiny), 0, 5) if step.bins is not None)
    action = parse_action_text(step.text, ActionSpec())
    assert isinstance(action, DeltaAction) and action.bins == step.bins
    assert len(step.action_probabilities) == 7
    assert all(1 / 101 < p <= 1 for p in step.action_probabilities)
    assert set(step.stage_ms) == set(STAGES) and step.stage_ms["prefill"] > 0


@pytest.mark.timeout(600)
def test_equal_to_hugging_face_over_200_random_inputs(tiny: tuple) -> None:
    model, processor = tiny
    engine, rng = engine_of(tiny), np.random.default_rng(11)
    constraint = ReplyConstraint(processor.encoder, processor.layout)
    seen = set()
    for _ in range(200):
        observation = random_observation(rng)
        step = engine.act(engine.session(), observation)
        naive = naive_act(model, processor, observation, constraint)
        assert step.reply_ids == naive.reply_ids
        assert step.bins == naive.bins
        seen.add(step.bins)
    # the inputs matter, and both kinds of answers occur
    assert len(seen) > 100 and None in seen


@pytest.mark.parametrize("change", [{"vision_cache": False}, {"cache": "dynamic"}])
def test_answers_do_not_depend_on_caches(tiny: tuple, change: dict) -> None:
    for seed in range(3):
        assert same(walk(engine_of(tiny), seed, 6), walk(engine_of(tiny, **change), seed, 6))


def test_cached_features_are_the_recomputed_ones_bit_for_bit(tiny: tuple) -> None:
    rng = np.random.default_rng(3)
    engine = engine_of(tiny)
    frames = [random_frame(rng, k) for k in range(7)]
    session = engine.session()
    for k in range(4, 8):
        observation = Observation(tuple(frames[k - 4 : k][::-1]), "go", np.eye(4))
        engine.act(session, observation)
        clock = StageClock(torch.device("cpu"))
        cached, fresh = (
            engine._images.observation_tokens(observation, cache, Limits(), clock)
            for cache in (session.vision_cache, VisionCache(enabled=False))
        )
        assert torch.equal(cached, fresh)


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_batch_answers_like_its_rows(tiny: tuple, kind: str) -> None:
    rng = np.random.default_rng(5)
    engine = engine_of(tiny, cache=kind)
    for _ in range(5):
        # histories of other lengths make prompts of other lengths
        observations = [random_observation(rng, n) for n in (4, 1, 3, 2)]
        batch = engine.act_batch([StepRequest(engine.session(), o) for o in observations])
        alone = [engine.act(engine.session(), o) for o in observations]
        assert same(batch, alone)
        for left, right in zip(batch, alone, strict=True):
            assert left.action_probabilities == pytest.approx(right.action_probabilities, rel=1e-3)


def test_a_batch_with_depth_rounds_answers_like_its_rows(tiny: tuple) -> None:
    """Random weights ramble, so the rows end at other places."""
    rng = np.random.default_rng(6)
    engine = engine_of(tiny, depth_tool=True, max_action_tokens=24)
    observations = [random_observation(rng, n) for n in (2, 1, 3)]
    batch = engine.act_batch([StepRequest(engine.session(), o) for o in observations])
    assert same(batch, [engine.act(engine.session(), o) for o in observations])
    assert engine.act_batch([]) == []


def test_parallel_actions_are_those_of_one_full_pass(tiny_parallel: tuple) -> None:
    model, processor = tiny_parallel
    engine = engine_of(tiny_parallel)
    grammar = ReplyConstraint(processor.encoder, processor.layout)
    layout, rng, num_actions = processor.layout, np.random.default_rng(7), 0
    for _ in range(20):
        observation = random_observation(rng)
        step = engine.act(engine.session(), observation)
        if step.bins is None:
            continue
        num_actions += 1
        images = engine.prompt_images(observation)
        conversation = processor.action_conversation(
            observation.instruction, tuple(image.role for image in images)
        )
        inputs = processor(images, conversation)
        queries = [*grammar.draft, *[layout.action_query] * 7]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([queries])], dim=1)
        inputs.pop("attention_mask")
        with torch.inference_mode():
            logits = model(**inputs).logits[0, -7:, grammar.actions.start : grammar.actions.stop]
        assert step.bins == tuple(logits.argmax(-1).tolist())
        assert step.action_probabilities == pytest.approx(
            logits.softmax(-1).max(-1).values.tolist(), rel=1e-3
        )
    assert num_actions > 5


def test_a_checkpoint_that_was_not_trained_for_it_is_not_decoded_in_parallel(
    tiny: tuple, tiny_parallel: tuple
) -> None:
    with pytest.raises(ConfigurationError, match="not trained"):
        engine_of(tiny, decode="parallel")
    step = walk(engine_of(tiny_parallel, decode="sequential"), 0, 1)[0]
    assert step.bins is not None or step.text == "The robot has finished."


def test_colour_alone_works(tiny: tuple) -> None:
    engine = engine_of(tiny, depth_images=False)
    observation = random_observation(np.random.default_rng(1))
    assert [image.role for image in engine.prompt_images(observation)] == ["rgb"] * 4
    assert len(engine.prompt_images(observation)) == 4
    assert engine.act(engine.session(), observation).text.startswith("The robot")


def test_the_prompt_has_rgbd_order(tiny: tuple) -> None:
    observation = random_observation(np.random.default_rng(1))
    images = engine_of(tiny).prompt_images(observation)
    assert [(image.role, image.age) for image in images] == [
        (role, age) for age in range(4) for role in ("rgb", "depth")
    ]
    assert images[2].pixels is observation.frames[1].color


def test_late_and_cancelled_steps_leave_the_session_usable(tiny: tuple) -> None:
    engine, rng = engine_of(tiny), np.random.default_rng(9)
    session = engine.session()
    with pytest.raises(PolicyTimeoutError):
        engine.act(session, random_observation(rng), Limits(deadline_s=time.monotonic() - 1.0))

    class AfterSomePasses:
        """Set after it was asked a few times: in the middle of decoding."""

        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 10

    observation = next(
        o
        for o in (random_observation(rng) for _ in range(20))
        if engine.act(engine.session(), o).bins is not None
    )
    with pytest.raises(PolicyCancelledError):
        engine.act(session, observation, Limits(cancel=AfterSomePasses()))
    expected = engine.act(engine.session(), observation)
    assert engine.act(session, observation).reply_ids == expected.reply_ids


def test_waiting_for_a_busy_engine_ends_at_the_deadline(tiny: tuple) -> None:
    engine = engine_of(tiny)
    observation = random_observation(np.random.default_rng(2))
    with engine._exclusive(Limits()), pytest.raises(PolicyTimeoutError):
        engine.act(engine.session(), observation, Limits(time.monotonic() + 0.05))


def test_sessions_of_several_threads_do_not_mix(tiny: tuple) -> None:
    engine = engine_of(tiny)
    expected = [walk(engine, seed, 4) for seed in range(3)]
    found: dict[int, list[EngineStep]] = {}
    threads = [
        threading.Thread(target=lambda s=seed: found.update({s: walk(engine, s, 4)}))
        for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert all(same(found[seed], expected[seed]) for seed in range(3))


def test_weights_that_give_no_number_give_no_action(tiny_folder: Path) -> None:
    engine = Engine.load(tiny_folder, OPTIONS)
    with torch.no_grad():
        engine.model.projector.linear_2.bias.fill_(float("nan"))
    with pytest.raises(PolicyError, match="not a number"):
        walk(engine, 0, 1)


def test_a_prompt_beyond_the_context_raises(tiny: tuple) -> None:
    observation = random_observation(np.random.default_rng(2))
    observation = replace(observation, instruction="cube " * 2000)
    engine = engine_of(tiny)
    with pytest.raises(ContextLengthError):
        engine.act(engine.session(), observation)


def test_a_robot_configured_otherwise_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    from spatialbot_model.inference.checkpoints import create_checkpoint

    with pytest.raises(ActionSpecMismatchError, match="rate_hz"):
        Engine.load(tiny_folder, OPTIONS, action_spec=ActionSpec(rate_hz=5.0))
    create_checkpoint("tiny", tmp_path / "chat")
    with pytest.raises(CheckpointError, match="no action spec"):
        Engine.load(tmp_path / "chat", OPTIONS, action_spec=ActionSpec())
    Engine.load(tmp_path / "chat", OPTIONS)


def test_chat_answers_with_a_conversation(tiny: tuple) -> None:
    engine, rng = engine_of(tiny, max_chat_tokens=20), np.random.default_rng(4)
    frame = random_frame(rng, 0)
    images = [PromptImage("rgb", frame.color), PromptImage("depth", frame.depth_mm)]
    answer = engine.chat(images, "What is nearest?")
    assert answer.conversation.image_roles == ("rgb", "depth")
    assert answer.conversation.messages[0].text.endswith("What is nearest?")
    assert answer.conversation.messages[-1].text == answer.text
    again = engine.chat(images, "<image 1>\n<image 2>\nWhat is nearest?")
    assert again.text == answer.text
    assert isinstance(engine.chat([], "Hello").text, str)


def test_unusable_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="dynamic, static"):
        EngineOptions(cache="elastic")
    with pytest.raises(ConfigurationError):
        EngineOptions(max_depth_queries=-1)
    with pytest.raises(ConfigurationError, match="abacus"):
        Engine.load(tmp_path, EngineOptions(device="abacus"))
