"""Which features of a tower are used, and the order of what the projector joins."""

import numpy as np
import pytest
import torch
from transformers import CLIPVisionConfig, Qwen2Config, SiglipVisionConfig

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.modeling import SpatialBotConfig, make_config
from spatialbot_model.modeling.projector import (
    ImageTokenEmbedding,
    Projector,
    average_tokens,
    pixel_shuffle,
)
from spatialbot_model.modeling.vision import make_vision_tower, num_layers_run, patch_features

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}
TEXT = Qwen2Config(
    vocab_size=64,
    hidden_size=24,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
)


def images(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_clip_gives_the_last_but_one_hidden_state_without_class_token() -> None:
    config = make_config("tiny")
    tower = make_vision_tower(config).eval()
    pixels = images(2, 56)
    hidden = tower(pixels, output_hidden_states=True).hidden_states
    assert len(hidden) == 4
    features = patch_features(tower, config, pixels)
    assert features.shape == (2, 16, 32)
    torch.testing.assert_close(features, hidden[-2][:, 1:])
    assert not torch.allclose(features, hidden[-1][:, 1:])


@torch.no_grad()
def test_siglip_as_released_is_the_full_tower_before_its_last_layer() -> None:
    full_config = SiglipVisionConfig(**SMALL, image_size=42, patch_size=14)
    from transformers import SiglipVisionModel

    full = SiglipVisionModel(full_config).eval()
    config = SpatialBotConfig(
        vision_config=SiglipVisionConfig(
            **SMALL | {"num_hidden_layers": 2}, image_size=42, patch_size=14, vision_use_head=False
        ),
        text_config=TEXT,
        vision_feature_layer=-1,
        drop_class_token=False,
    )
    tower = make_vision_tower(config).eval()
    assert not any(name.startswith("head.") for name in tower.state_dict())
    report = tower.load_state_dict(full.state_dict(), strict=False)
    assert not report.missing_keys
    features = patch_features(tower, config, images(1, 42))
    assert features.shape == (1, 9, 32)
    expected = full(images(1, 42), output_hidden_states=True).hidden_states[-2]
    torch.testing.assert_close(features, expected)


def test_one_tower_serves_rgb_and_depth() -> None:
    config = make_config("tiny")
    tower = make_vision_tower(config).eval()
    with torch.no_grad():
        together = patch_features(tower, config, images(2, 56))
        again = patch_features(tower, config, images(2, 56))
    assert torch.equal(together, again)


@pytest.mark.parametrize("shape", [(3, 56, 56), (1, 3, 28, 28), (1, 1, 56, 56)])
def test_other_image_shapes_are_refused(shape: tuple[int, ...]) -> None:
    config = make_config("tiny")
    with pytest.raises(ConfigurationError, match=r"expected \(N, 3, 56, 56\)"):
        patch_features(make_vision_tower(config), config, torch.zeros(shape))


@pytest.mark.parametrize(("layer", "count"), [(-1, 3), (-2, 2), (0, 0), (3, 3), (-4, 0)])
def test_hidden_states_by_index(layer: int, count: int) -> None:
    config = make_config("tiny")
    config.vision_feature_layer = layer
    assert num_layers_run(config) == count


@pytest.mark.parametrize("layer", [4, -5])
def test_a_hidden_state_that_does_not_exist(layer: int) -> None:
    config = make_config("tiny")
    config.vision_feature_layer = layer
    with pytest.raises(ConfigurationError, match=r"tower has 3 layers"):
        num_layers_run(config)


def test_pixel_shuffle_joins_squares_row_by_row() -> None:
    grid, side, width = 6, 2, 5
    features = np.random.default_rng(0).normal(size=(2, grid * grid, width)).astype(np.float32)
    shuffled = pixel_shuffle(torch.from_numpy(features), side).numpy()
    assert shuffled.shape == (2, 9, 20)
    for y in range(3):
        for x in range(3):
            parts = [
                features[:, (2 * y + i) * grid + 2 * x + j] for i in range(2) for j in range(2)
            ]
            np.testing.assert_array_equal(shuffled[:, 3 * y + x], np.concatenate(parts, axis=-1))


def test_older_images_are_averaged_over_squares() -> None:
    grid, width = 4, 3
    tokens = np.random.default_rng(1).normal(size=(grid * grid, width)).astype(np.float32)
    pooled = average_tokens(torch.from_numpy(tokens)[None], 2)[0].numpy()
    for y in range(2):
        for x in range(2):
            rows = [(2 * y + i) * grid + 2 * x + j for i in range(2) for j in range(2)]
            np.testing.assert_allclose(pooled[2 * y + x], tokens[rows].mean(axis=0), rtol=1e-5)
    assert average_tokens(torch.from_numpy(tokens)[None], 1).shape == (1, 16, 3)


def gelu(x: np.ndarray) -> np.ndarray:
    from math import erf

    return x * 0.5 * (1.0 + np.vectorize(erf)(x / np.sqrt(2.0)))


@torch.no_grad()
@pytest.mark.parametrize("projector_type", ["mlp2x_gelu", "norm_mlp2x_gelu"])
def test_projector_against_numpy(projector_type: str) -> None:
    config = SpatialBotConfig(
        vision_config=CLIPVisionConfig(**SMALL, image_size=56, patch_size=14),
        text_config=TEXT,
        pixel_shuffle=2,
        projector_type=projector_type,
    )
    projector = Projector(config)
    features = torch.randn(1, 16, 32)
    x = pixel_shuffle(features, 2).double().numpy()
    if projector_type.startswith("norm"):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    else:
        assert projector.norm is None
    one, two = projector.linear_1, projector.linear_2
    x = gelu(x @ one.weight.double().numpy().T + one.bias.double().numpy())
    x = x @ two.weight.double().numpy().T + two.bias.double().numpy()
    out = projector(features)
    assert out.shape == (1, 4, 24) and config.tokens_per_image(0) == 4
    np.testing.assert_allclose(out.numpy(), x, atol=1e-5)


def test_embeddings_of_role_and_age() -> None:
    embedding = ImageTokenEmbedding(make_config("mini"))
    tokens = torch.zeros(1, 49, 256)
    with torch.no_grad():
        same = (embedding(tokens, [1], [2]) - embedding(tokens, [0], [2]))[0]
        torch.testing.assert_close(
            same, (embedding.role.weight[1] - embedding.role.weight[0]).expand(49, -1)
        )
    for role, age in ((2, 0), (-1, 0), (0, 4), (0, -1)):
        with pytest.raises(ConfigurationError, match=r"roles 0\.\.1 and ages 0\.\.3"):
            embedding(tokens, [role], [age])


def test_action_tokens_need_their_ids() -> None:
    with pytest.raises(ConfigurationError, match="needs first_action_token_id"):
        SpatialBotConfig(action_form="tokens")
    with pytest.raises(ConfigurationError, match="and action_query_token_id"):
        SpatialBotConfig(parallel_actions=True, first_action_token_id=3)


def test_unknown_towers_and_projectors_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="siglip_vision_model"):
        SpatialBotConfig(vision_config={"model_type": "vit"})
    with pytest.raises(UnknownNameError, match="mlp2x_gelu"):
        SpatialBotConfig(projector_type="linear")
    with pytest.raises(ConfigurationError, match="must divide the 4 x 4 patches"):
        SpatialBotConfig(vision_config=make_config("tiny").vision, pixel_shuffle=3)
