"""Presets by name: sizes, ids, and the large ones without their memory."""

import pytest
import torch

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.modeling import (
    PRESETS,
    SpatialBotForConditionalGeneration,
    make_config,
    make_model,
)


def on_meta(preset: str) -> SpatialBotForConditionalGeneration:
    with torch.device("meta"):
        return SpatialBotForConditionalGeneration(make_config(preset))


def millions(module: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


def test_the_papers_embodied_model() -> None:
    model = on_meta("qwen1.5-0.5b-clip-l-336")
    assert millions(model.language_model) == pytest.approx(464.0, abs=0.05)
    assert millions(model.vision_tower) == pytest.approx(303.5, abs=0.05)
    config = model.config
    assert config.tokens_per_image(0) == config.tokens_per_image(3) == 576
    assert config.context_length == 32768
    ids = (config.first_action_token_id, config.action_query_token_id, config.image_token_id)
    assert ids == (151646, 151747, 151748)
    assert model.get_input_embeddings().weight.shape == (151936, 1024)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert [
        tuple(model.projector.get_submodule(name).weight.shape) for name in ("linear_1", "linear_2")
    ] == [(1024, 1024)] * 2
    assert config.text.rope_parameters["rope_theta"] == 1_000_000.0


def test_the_released_model() -> None:
    model = on_meta("phi2-siglip-384")
    config = model.config
    assert millions(model.language_model) == pytest.approx(2775.1, abs=0.1)
    assert len(model.vision_tower.encoder.layers) == 26
    assert config.tokens_per_image(0) == 729
    assert (config.image_token_id, config.embedding_rows) == (50295, 50295)
    assert config.first_action_token_id is None and config.action_form == "text"
    assert model.projector.linear_1.weight.shape == (2560, 1152)
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight


def test_the_small_ones() -> None:
    mini, tiny = on_meta("mini"), on_meta("tiny")
    assert [mini.tokens_per_image(age) for age in (0, 1, 3)] == [49, 1, 1]
    assert mini.config.image_size == 224 and mini.config.image_embeddings
    assert millions(tiny) < 1.0
    assert millions(mini) < 8.0
    for model in (mini, tiny):
        text = model.config.text
        assert text.num_attention_heads % text.num_key_value_heads == 0
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("preset", ["mini", "tiny"])
def test_extra_tokens_lie_behind_any_vocabulary(preset: str) -> None:
    for vocabulary in (259, 2000, 2001):
        config = make_config(preset, vocabulary)
        assert config.first_action_token_id == vocabulary
        assert config.action_query_token_id == vocabulary + 101
        assert config.image_token_id == vocabulary + 102 < config.embedding_rows


def test_a_vocabulary_that_does_not_fit() -> None:
    with pytest.raises(ConfigurationError, match=r"vocabulary of 151900 do not fit"):
        make_config("qwen1.5-0.5b-clip-l-336", 151900)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="mini") as caught:
        make_config("qwen")
    assert caught.value.valid == tuple(sorted(PRESETS))


def test_the_end_token_reaches_generation() -> None:
    model = make_model(make_config("tiny", end_token_id=2))
    assert model.generation_config.eos_token_id == 2
    assert model.generation_config.pad_token_id == 2


def test_a_new_model_depends_on_its_seed_alone() -> None:
    config = make_config("tiny")
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first = make_model(config, seed=1).state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    second, third = make_model(config, seed=1).state_dict(), make_model(config, seed=2).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)


def test_mini_starts_with_pretrained_vision() -> None:
    one, other = (make_model(make_config("mini"), seed=seed) for seed in (0, 1))
    assert not one.training
    for ours, theirs in zip(
        one.vision_tower.parameters(), other.vision_tower.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
