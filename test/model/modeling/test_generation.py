"""`generate` of the library: greedy, constrained, in batches, with every cache."""

from collections.abc import Callable

import pytest
import torch
from transformers import PhiConfig, SiglipVisionConfig

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.modeling import (
    SpatialBotConfig,
    SpatialBotForConditionalGeneration,
    make_model,
)

Model = SpatialBotForConditionalGeneration
Inputs = dict[str, torch.Tensor]
MakePrompt = Callable[..., Inputs]

GREEDY = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}


@torch.no_grad()
def greedy_by_hand(model: Model, prompt: Inputs, count: int) -> list[int]:
    """The whole prompt again for every token, placeholders never chosen."""
    prompt = dict(prompt)
    answer = []
    for _ in range(count):
        logits = model(**prompt).logits[0, -1]
        logits[model.generation_config.suppress_tokens or []] = -torch.inf
        answer.append(int(logits.argmax()))
        ids = torch.cat([prompt["input_ids"], torch.tensor([[answer[-1]]])], dim=1)
        prompt |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return answer


CACHES = [{}, {"use_cache": False}, {"cache_implementation": "static"}]


@pytest.mark.parametrize("options", CACHES)
def test_the_released_kind_of_model(make_prompt: MakePrompt, options: dict[str, object]) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    model = make_model(
        SpatialBotConfig(
            vision_config=SiglipVisionConfig(
                **sizes, num_hidden_layers=2, image_size=42, patch_size=14, vision_use_head=False
            ),
            text_config=PhiConfig(**sizes, num_hidden_layers=2, vocab_size=500),
            vision_feature_layer=-1,
            drop_class_token=False,
            image_token_id=500,
            action_form="text",
        )
    )
    assert model.generation_config.suppress_tokens is None
    prompt = make_prompt(model.config)
    answer = model.generate(**prompt, **GREEDY, **options)[0, prompt["input_ids"].shape[1] :]
    assert answer.tolist() == greedy_by_hand(model, prompt, 6)


@pytest.mark.parametrize("options", CACHES)
def test_greedy(model: Model, make_prompt: MakePrompt, options: dict[str, object]) -> None:
    prompt = make_prompt(model.config, seed=3)
    answer = model.generate(**prompt, **GREEDY, **options)
    length = prompt["input_ids"].shape[1]
    assert torch.equal(answer[:, :length], prompt["input_ids"])
    assert answer[0, length:].tolist() == greedy_by_hand(model, prompt, 6)


def test_a_left_padded_batch_answers_as_each_row_alone(
    model: Model, make_prompt: MakePrompt, pad_left: Callable[[list[Inputs]], Inputs]
) -> None:
    prompts = [
        make_prompt(model.config, ages=(0, 0), words=3, seed=4),
        make_prompt(model.config, ages=(0, 0, 1, 1), words=6, seed=5),
    ]
    together = model.generate(**pad_left(prompts), **GREEDY)[:, -6:]
    assert together.tolist() == [greedy_by_hand(model, prompt, 6) for prompt in prompts]


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_allowed_tokens_only(model: Model, make_prompt: MakePrompt, cache: str) -> None:
    prompt = make_prompt(model.config)
    length = prompt["input_ids"].shape[1]
    first = model.config.first_action_token_id
    asked = []

    def allowed(row: int, ids: torch.Tensor) -> list[int]:
        asked.append(len(ids) - length)
        return list(range(first, first + 101)) if len(ids) < length + 4 else [7]

    answer = model.generate(
        **prompt, **GREEDY, prefix_allowed_tokens_fn=allowed, cache_implementation=cache
    )[0, length:].tolist()
    assert all(first <= id < first + 101 for id in answer[:4]) and answer[4:] == [7, 7]
    assert asked == [0, 1, 2, 3, 4, 5]


def test_features_instead_of_pixels(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    expected = model.generate(**prompt, **GREEDY)
    with torch.no_grad():
        encoded = model.encode_images(prompt["pixel_values"])
        tokens = model.image_tokens(encoded, prompt["image_roles"], prompt["image_ages"])
    given = model.generate(
        input_ids=prompt["input_ids"],
        attention_mask=prompt["attention_mask"],
        image_features=torch.cat(tokens),
        **GREEDY,
    )
    assert torch.equal(given, expected)


def test_placeholders_are_never_answered(model: Model, make_prompt: MakePrompt) -> None:
    config = model.config
    unwanted = {config.action_query_token_id}
    unwanted |= set(range(config.image_token_id, config.embedding_rows))
    assert len(unwanted) >= 2
    assert set(model.generation_config.suppress_tokens) == unwanted
    prompt = make_prompt(config)
    one_more = GREEDY | {"max_new_tokens": 1, "output_scores": True}
    scores = model.generate(**prompt, **one_more, return_dict_in_generate=True).scores[0][0]
    assert {int(id) for id in (scores == -torch.inf).nonzero()} == unwanted


def test_an_end_token_ends_the_answer(make_prompt: MakePrompt, model: Model) -> None:
    prompt = make_prompt(model.config, seed=3)
    second = greedy_by_hand(model, prompt, 2)[1]
    answer = model.generate(**prompt, **GREEDY, eos_token_id=second)
    ids = answer[0, prompt["input_ids"].shape[1] :].tolist()
    assert ids[-1] == second and len(ids) <= 2


def test_beams_would_tear_images_apart(model: Model, make_prompt: MakePrompt) -> None:
    with pytest.raises(ConfigurationError, match="not supported with images"):
        model.generate(**make_prompt(model.config), **GREEDY, num_beams=2)


def test_without_images(model: Model) -> None:
    answer = model.generate(input_ids=torch.tensor([[3, 4, 5]]), **GREEDY)
    assert answer.shape == (1, 9)
