"""Prompt and images in, logits and losses out."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import DynamicCache, StaticCache

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.modeling import SpatialBotForConditionalGeneration, make_config, make_model
from spatialbot_model.modeling.aligned_loss import supervised_positions

Model = SpatialBotForConditionalGeneration
MakePrompt = Callable[..., dict[str, torch.Tensor]]


def flat_features(model: Model, prompt: dict[str, torch.Tensor]) -> torch.Tensor:
    encoded = model.encode_images(prompt["pixel_values"])
    return torch.cat(model.image_tokens(encoded, prompt["image_roles"], prompt["image_ages"]))


@torch.no_grad()
def test_image_positions_are_replaced_in_order(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    ids, features = prompt["input_ids"], flat_features(model, prompt)
    merged = model.merge(ids, features)
    next_feature = iter(features)
    for position, id in enumerate(ids[0].tolist()):
        if id == model.config.image_token_id:
            assert torch.equal(merged[0, position], next(next_feature))
        else:
            assert torch.equal(merged[0, position], model.get_input_embeddings().weight[id])
    assert next(next_feature, None) is None


@torch.no_grad()
def test_the_image_id_may_lie_beyond_the_rows(make_prompt: MakePrompt) -> None:
    config = make_config("tiny")
    config.image_token_id = config.embedding_rows + 7
    model = make_model(config)
    logits = model(**make_prompt(config)).logits
    assert logits.shape[-1] == config.embedding_rows
    assert model.generation_config.suppress_tokens == [config.action_query_token_id]


def test_counts_that_differ_are_named(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    features = flat_features(model, prompt)
    positions = int((prompt["input_ids"] == model.config.image_token_id).sum())
    with pytest.raises(ValueError, match=f"{positions} image positions and {positions - 1} image"):
        model.merge(prompt["input_ids"], features[1:])
    with pytest.raises(ValueError, match=f"{positions} image positions and 0 image"):
        model(input_ids=prompt["input_ids"])
    with pytest.raises(ValueError, match=r"0 image positions and \d+ image"):
        model.merge(torch.tensor([[3, 4]]), features)


def test_ids_beyond_the_rows_are_named(model: Model) -> None:
    with pytest.raises(ValueError, match=r"token id 99999 lies beyond the 640 embedding rows"):
        model.merge(torch.tensor([[3, 99999]]), None)


def test_contradictory_inputs(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    ids = prompt["input_ids"]
    with pytest.raises(ValueError, match="not both"):
        model(**prompt, labels=ids, targets=ids)
    with pytest.raises(ValueError, match="exactly one"):
        model(attention_mask=ids)
    with pytest.raises(ValueError, match="not both"):
        model(**prompt, image_features=torch.zeros(1, 64))


def test_roles_and_ages_are_checked(make_prompt: MakePrompt, model: Model) -> None:
    features = torch.zeros(2, model.tokens_per_image(0), 64)
    with pytest.raises(ConfigurationError, match="2 images with 3 roles and 2 ages"):
        model.image_tokens(features, [0, 1, 0], [0, 0])
    if model.config.image_embeddings:
        with pytest.raises(ConfigurationError, match="pass image_roles"):
            model.image_tokens(features)
    with pytest.raises(ConfigurationError, match="age is -1"):
        model.tokens_per_image(-1)


@torch.no_grad()
def test_tokens_of_each_image(model: Model) -> None:
    features = model.encode_images(torch.randn(3, 3, 56, 56))
    tokens = model.image_tokens(features, [0, 1, 0], [0, 1, 3])
    assert [len(each) for each in tokens] == [model.tokens_per_image(age) for age in (0, 1, 3)]
    if not model.config.image_embeddings:
        assert torch.equal(tokens[2], features[2])


@torch.no_grad()
def test_tokens_of_an_image_do_not_depend_on_its_neighbours(model: Model) -> None:
    features = model.encode_images(torch.randn(5, 3, 56, 56))
    roles, ages = [0, 1, 0, 1, 0], [0, 0, 1, 3, 2]
    together = model.image_tokens(features, roles, ages)
    for index, tokens in enumerate(together):
        one = slice(index, index + 1)
        assert torch.equal(model.image_tokens(features[one], roles[one], ages[one])[0], tokens)


@torch.no_grad()
def test_role_and_age_matter_where_they_are_embedded(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config, ages=(0, 0, 0))
    before = model(**prompt).logits
    after = model(**prompt | {"image_roles": 1 - prompt["image_roles"]}).logits
    assert torch.equal(before, after) is not model.config.image_embeddings


@torch.no_grad()
def test_a_pair_of_images_gives_the_same_bits_again(model: Model) -> None:
    pixels = torch.randn(6, 3, 56, 56)
    first = [model.encode_images(pixels[index : index + 2]) for index in (0, 2, 4)]
    again = [model.encode_images(pixels[index : index + 2].clone()) for index in (4, 2, 0)]
    assert all(torch.equal(a, b) for a, b in zip(first, reversed(again), strict=True))


@torch.no_grad()
def test_a_frame_in_bfloat16_gives_the_same_bits_again() -> None:
    model = make_model(make_config("mini"), dtype=torch.bfloat16)
    frame = torch.randn(2, 3, 224, 224)
    first = model.encode_images(frame)
    assert first.dtype == torch.bfloat16 and first.shape == (1, 50, 256)
    model.encode_images(torch.randn(2, 3, 224, 224))
    assert torch.equal(model.encode_images(frame.clone()), first)


@torch.no_grad()
@pytest.mark.parametrize("cache_kind", ["dynamic", "static"])
def test_decoding_with_a_cache_equals_recomputing(
    model: Model, make_prompt: MakePrompt, cache_kind: str
) -> None:
    prompt = make_prompt(model.config)
    ids = prompt.pop("input_ids")
    del prompt["attention_mask"]
    whole = model(input_ids=ids, **prompt).logits
    text = model.config.text
    cache = (
        DynamicCache(config=text)
        if cache_kind == "dynamic"
        else StaticCache(config=text, max_cache_len=128)
    )
    split = ids.shape[1] - 4
    steps = [model(input_ids=ids[:, :split], past_key_values=cache, use_cache=True, **prompt)]
    for index in range(split, ids.shape[1]):
        steps.append(
            model(input_ids=ids[:, index : index + 1], past_key_values=cache, use_cache=True)
        )
    logits = torch.cat([step.logits for step in steps], dim=1)
    torch.testing.assert_close(logits, whole, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_several_positions_at_once_behind_a_cache(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    ids = prompt.pop("input_ids")
    del prompt["attention_mask"]
    whole = model(input_ids=ids, **prompt).logits
    cache = StaticCache(config=model.config.text, max_cache_len=128)
    model(input_ids=ids[:, :-3], past_key_values=cache, use_cache=True, **prompt)
    logits = model(input_ids=ids[:, -3:], past_key_values=cache, use_cache=True).logits
    torch.testing.assert_close(logits, whole[:, -3:], atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_a_causal_4d_mask_changes_nothing(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    length = prompt["input_ids"].shape[1]
    causal = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
    masked = model(**prompt | {"attention_mask": causal}).logits
    torch.testing.assert_close(masked, model(**prompt).logits, atol=2e-4, rtol=1e-4)
    blind = causal.clone()
    blind[..., -1, 0] = False
    other = model(**prompt | {"attention_mask": blind}).logits
    torch.testing.assert_close(other[:, :-1], masked[:, :-1])
    assert not torch.allclose(other[:, -1], masked[:, -1])


@torch.no_grad()
def test_left_padding_changes_no_answer(
    model: Model, make_prompt: MakePrompt, pad_left: Callable[..., dict[str, torch.Tensor]]
) -> None:
    prompts = [
        make_prompt(model.config, ages=(0, 0), words=3, seed=1),
        make_prompt(model.config, ages=(0, 0, 1, 1), words=6, seed=2),
    ]
    batch = pad_left(prompts)
    together = model(**batch, logits_to_keep=1).logits
    for row, prompt in enumerate(prompts):
        alone = model(**prompt, logits_to_keep=1).logits[0]
        torch.testing.assert_close(together[row], alone, atol=2e-4, rtol=1e-4)


@torch.no_grad()
def test_image_features_replace_pixels(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    expected = model(**prompt).logits
    features = flat_features(model, prompt)
    given = model(input_ids=prompt["input_ids"], image_features=features).logits
    torch.testing.assert_close(given, expected)
    embeds = model.merge(prompt["input_ids"], features)
    torch.testing.assert_close(model(inputs_embeds=embeds).logits, expected)


def cross_entropy(logits: np.ndarray, ids: list[int]) -> float:
    """Mean of -log softmax over rows."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    log_z = np.log(np.exp(logits).sum(axis=-1))
    return float(np.mean([z - row[id] for z, row, id in zip(log_z, logits, ids, strict=True)]))


@torch.no_grad()
def test_loss_of_labels_is_shifted(model: Model, make_prompt: MakePrompt) -> None:
    prompt = make_prompt(model.config)
    ids = prompt["input_ids"]
    labels = torch.full_like(ids, -100)
    labels[0, -3:] = ids[0, -3:]
    output = model(**prompt, labels=labels)
    rows = output.logits[0, -4:-1].double().numpy()
    assert output.loss.item() == pytest.approx(cross_entropy(rows, ids[0, -3:].tolist()), rel=1e-5)
    shifted = F.pad(labels[:, 1:], (0, 1), value=-100)
    assert model(**prompt, targets=shifted).loss.item() == output.loss.item()
    if hasattr(model.language_model, "loss_function"):
        embeds = model.merge(ids, flat_features(model, prompt))
        library = model.language_model(inputs_embeds=embeds, labels=labels).loss
        assert output.loss.item() == pytest.approx(library.item(), rel=1e-5)


@torch.no_grad()
def test_loss_of_parallel_targets_is_in_place(model: Model, make_prompt: MakePrompt) -> None:
    config = model.config
    prompt = make_prompt(config)
    actions = [config.first_action_token_id + bin for bin in (17, 51, 44, 62, 83, 7, 100)]
    ids = F.pad(prompt["input_ids"], (0, 7), value=config.action_query_token_id)
    targets = torch.full_like(ids, -100)
    targets[0, -7:] = torch.tensor(actions)
    prompt |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    output = model(**prompt, targets=targets)
    rows = output.logits[0, -7:].double().numpy()
    assert output.loss.item() == pytest.approx(cross_entropy(rows, actions), rel=1e-5)
    positions = supervised_positions(targets)
    assert positions.tolist() == list(range(ids.shape[1] - 7, ids.shape[1]))
    short = model(**prompt, targets=targets, logits_to_keep=positions)
    assert short.logits.shape[1] == 7
    assert short.loss.item() == pytest.approx(output.loss.item(), rel=1e-6)
    last = model(**prompt, targets=targets, logits_to_keep=7)
    assert last.loss.item() == pytest.approx(output.loss.item(), rel=1e-6)


@torch.no_grad()
def test_loss_over_items_of_a_larger_batch_and_of_nothing(
    model: Model, make_prompt: MakePrompt
) -> None:
    prompt = make_prompt(model.config)
    targets = torch.full_like(prompt["input_ids"], -100)
    assert model(**prompt, targets=targets).loss.item() == 0.0
    targets[0, -2:] = 5
    mean = model(**prompt, targets=targets).loss.item()
    assert model(**prompt, targets=targets, num_items_in_batch=8).loss.item() == pytest.approx(
        mean * 2 / 8
    )


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
def test_gradients_reach_every_part(model: Model, make_prompt: MakePrompt) -> None:
    model = type(model)(model.config).train()
    prompt = make_prompt(model.config)
    model(**prompt, labels=prompt["input_ids"].clamp(max=400)).loss.backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    # the tower's last layer lies behind the hidden state that is used
    assert all("encoder.layers.2." in name or "post_layernorm" in name for name in without)
    plain = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    model(**prompt, labels=prompt["input_ids"].clamp(max=400)).loss.backward()
    for name, parameter in model.named_parameters():
        if name in plain:
            torch.testing.assert_close(parameter.grad, plain[name], atol=1e-5, rtol=1e-4)
