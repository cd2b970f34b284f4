"""The processor: batches, round trips through a folder, and parity of training and robot."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qwen_tokenizer import qwen_tokenizer

from spatialbot_model.contracts.conversation import Conversation, Message, causal_targets
from spatialbot_model.contracts.errors import (
    CheckpointError,
    ConfigurationError,
    ContextLengthError,
    UnknownNameError,
)
from spatialbot_model.contracts.prompt_templates import PROMPT_TEMPLATES, image_user_text
from spatialbot_model.contracts.types import ImageRole, PromptImage
from spatialbot_model.processing.images import ImageSettings, preprocess_images
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.processing.tokens import load_mini_tokenizer

ACTION = "The robot should <act_050><act_017><act_050><act_050><act_050><act_050><act_100>."
INSTRUCTION = "pick up the red cube and put it on the left cutting board"


def make_processor(**changes: Any) -> SpatialBotProcessor:
    given: dict[str, Any] = {
        "image_settings": ImageSettings(16),
        "tokens_per_image": 4,
        "history_tokens_per_image": 1,
        "context_length": 500,
    }
    return SpatialBotProcessor(load_mini_tokenizer(), **(given | changes))


def history(num_frames: int, with_depth: bool = True) -> list[PromptImage]:
    rng = np.random.default_rng(num_frames)
    images = []
    for age in range(num_frames):
        color = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        images.append(PromptImage("rgb", color, age))
        if with_depth:
            depth_mm = rng.integers(0, 9000, (24, 32), dtype=np.uint16)
            images.append(PromptImage("depth", depth_mm, age))
    return images


def roles(images: list[PromptImage]) -> tuple[ImageRole, ...]:
    return tuple(image.role for image in images)


def answered(conversation: Conversation, text: str = ACTION) -> Conversation:
    messages = (*conversation.messages, Message("assistant", text))
    return Conversation(messages, conversation.image_roles)


PROCESSOR = make_processor()


@pytest.mark.parametrize("with_depth", [True, False])
@pytest.mark.parametrize("num_frames", [1, 2, 4])
def test_a_step_becomes_one_batch(num_frames: int, with_depth: bool) -> None:
    images = history(num_frames, with_depth)
    conversation = PROCESSOR.action_conversation(INSTRUCTION, roles(images))
    batch = PROCESSOR(images, conversation)
    per_frame = 2 if with_depth else 1
    ids = batch["input_ids"]
    assert ids.shape == batch["attention_mask"].shape == (1, ids.shape[1])
    assert ids.dtype == torch.int64
    num_tokens = per_frame * (4 + num_frames - 1)
    assert (ids == PROCESSOR.layout.image).sum() == num_tokens
    assert batch["attention_mask"].all()
    expected = torch.from_numpy(preprocess_images(images, PROCESSOR.image_settings))
    assert torch.equal(batch["pixel_values"], expected)
    assert batch["image_roles"].tolist() == [0, 1][:per_frame] * num_frames
    assert batch["image_ages"].tolist() == [image.age for image in images]
    assert "targets" not in batch


def test_the_question_reads_as_told() -> None:
    images = history(1)
    conversation = PROCESSOR.action_conversation(INSTRUCTION, roles(images))
    ids = PROCESSOR(images, conversation)["input_ids"][0].tolist()
    text = PROCESSOR.tokenizer.decode(ids)
    assert text == (
        f"USER: {'<image>' * 8}Instruct the robot to {INSTRUCTION}\n"
        "Answer with robot parameters. ASSISTANT:"
    )


def test_talk_without_images_has_no_pixels() -> None:
    batch = PROCESSOR([], Conversation((Message("user", "Hello."),)))
    assert set(batch) == {"input_ids", "attention_mask"}


def test_one_question_may_show_one_to_eight_images() -> None:
    for num_images in range(1, 9):
        images = history(num_images, with_depth=False)
        message = Message("user", image_user_text("How many cubes?", num_images))
        batch = PROCESSOR(images, Conversation((message,), roles(images)))
        assert batch["pixel_values"].shape == (num_images, 3, 16, 16)
    with pytest.raises(ConfigurationError, match="9 images"):
        PROCESSOR.action_conversation(INSTRUCTION, ["rgb"] * 9)


def test_images_must_be_what_the_conversation_declares() -> None:
    images = history(1)
    conversation = PROCESSOR.action_conversation(INSTRUCTION, ("depth", "rgb"))
    with pytest.raises(ConfigurationError, match="declares"):
        PROCESSOR(images, conversation)


def test_what_does_not_fit_is_refused_with_both_counts() -> None:
    images = history(4)
    conversation = PROCESSOR.action_conversation(INSTRUCTION, roles(images))
    length = PROCESSOR(images, conversation)["input_ids"].shape[1]
    short = make_processor(context_length=length - 1)
    with pytest.raises(ContextLengthError, match=rf"{length} tokens, 14 of .* is {length - 1}"):
        short(images, conversation)


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(sorted(PROMPT_TEMPLATES)),
    st.text(min_size=1, max_size=20).filter(lambda t: t.strip() != "" and "<image" not in t),
    st.sampled_from([ACTION, "The robot has finished.", " ?", "1057", "\n", "Größe"]),
    st.integers(1, 4),
)
def test_training_starts_with_exactly_what_the_robot_is_asked(
    template: str, instruction: str, answer: str, num_frames: int
) -> None:
    processor = TEMPLATED[template]
    images = history(num_frames)
    ages = [image.age for image in images]
    conversation = processor.action_conversation(instruction, roles(images))
    asked = processor.render(conversation, ages)
    learned = processor.render(answered(conversation, answer), ages, for_generation=False)
    assert learned.ids[: len(asked)].tolist() == asked.ids.tolist()
    assert not learned.supervised[: len(asked)].any()
    assert learned.supervised[len(asked) :].all()
    assert processor.decode(learned.ids[len(asked) :]) == answer
    special = asked.ids[asked.ids >= processor.layout.end]
    assert set(special.tolist()) == {processor.layout.image}


TEMPLATED = {name: make_processor(template=name) for name in PROMPT_TEMPLATES}


@pytest.mark.parametrize("parallel", [False, True])
def test_a_training_batch_carries_aligned_targets(parallel: bool) -> None:
    processor = make_processor(parallel_actions=parallel)
    images = history(2)
    ages = [image.age for image in images]
    conversation = answered(processor.action_conversation(INSTRUCTION, roles(images)))
    batch = processor(images, conversation, for_generation=False)
    rendered = processor.render(conversation, ages, for_generation=False)
    layout = processor.layout
    assert layout.first_action is not None
    actions = [layout.first_action + k for k in (50, 17, 50, 50, 50, 50, 100)]
    # the answer ends with seven numbers, a full stop and the end token
    if parallel:
        assert batch["input_ids"][0, -9:-2].tolist() == [layout.action_query] * 7
        assert batch["targets"][0, -9:].tolist() == [*actions, -100, -100]
    else:
        assert batch["input_ids"][0].tolist() == rendered.ids.tolist()
        assert batch["targets"][0].tolist() == causal_targets(rendered).tolist()
        assert batch["targets"][0, -10:-3].tolist() == actions


@pytest.mark.parametrize("tokenizer", ["mini", "qwen"])
def test_a_processor_survives_a_checkpoint_folder(tokenizer: str, tmp_path: Path) -> None:
    settings = ImageSettings(28, "release", "squash", "paper", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    processor = SpatialBotProcessor(
        load_mini_tokenizer() if tokenizer == "mini" else qwen_tokenizer(),
        settings,
        9,
        800,
        template="release-cli",
        history_tokens_per_image=3,
        parallel_actions=True,
    )
    processor.save_pretrained(tmp_path)
    # a model's config lies in the same folder
    config = {"model_type": "spatialbot", "transformers_version": "5.17.0"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = SpatialBotProcessor.from_pretrained(tmp_path)
    assert again.to_dict() == processor.to_dict()
    assert again.image_settings == settings
    assert again.layout == processor.layout
    images = history(2)
    conversation = processor.action_conversation("pick up the red cube", roles(images))
    first, second = processor(images, conversation), again(images, conversation)
    assert {key: value.tolist() for key, value in first.items()} == {
        key: value.tolist() for key, value in second.items()
    }
    assert again.decode([*again.encoder.encode(" The robot"), again.layout.end]) == "The robot"


def test_a_processor_can_be_copied() -> None:
    images = history(1)
    conversation = PROCESSOR.action_conversation(INSTRUCTION, roles(images))
    again = copy.deepcopy(PROCESSOR)
    assert again(images, conversation)["input_ids"].equal(
        PROCESSOR(images, conversation)["input_ids"]
    )


def test_any_ids_can_be_read() -> None:
    assert PROCESSOR.decode([*PROCESSOR.encoder.encode(" Yes"), 10_000_000]) == "Yes"


def test_settings_can_be_changed_when_loading(tmp_path: Path) -> None:
    PROCESSOR.save_pretrained(tmp_path)
    again = SpatialBotProcessor.from_pretrained(tmp_path, context_length=77, token="ignored")
    assert (again.context_length, again.template) == (77, "compact")


def test_an_incomplete_or_foreign_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"processor_config\.json"):
        SpatialBotProcessor.from_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    saved = json.loads(path.read_text())
    for broken in (
        saved | {"image_seq_length": 3},
        {key: value for key, value in saved.items() if key != "template"},
        saved | {"image_settings": {"size": 16}},
        saved | {"template": "vicuna"},
    ):
        path.write_text(json.dumps(broken))
        with pytest.raises(CheckpointError, match=r"expected|choose one of"):
            SpatialBotProcessor.from_pretrained(tmp_path)
    path.write_text(json.dumps(saved))
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="tokenizer"):
        SpatialBotProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"template": "vicuna"}, UnknownNameError),
        ({"action_form": "words"}, ConfigurationError),
        ({"action_form": "text", "parallel_actions": True}, ConfigurationError),
        ({"tokens_per_image": 0}, ConfigurationError),
        ({"context_length": 0}, ConfigurationError),
    ],
)
def test_unusable_settings_are_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make_processor(**changes)


def test_weights_with_text_actions_learn_no_action_tokens() -> None:
    processor = make_processor(action_form="text")
    conversation = Conversation((Message("user", "Hello."), Message("assistant", ACTION)))
    with pytest.raises(ConfigurationError, match="the model has none"):
        processor.render(conversation, [], for_generation=False)
    assert make_processor(history_tokens_per_image=None).num_image_tokens(3) == 4
