"""Towers known by their shapes, tokenizers counted without loading, names there and back."""

from pathlib import Path

import pytest
import torch
from release_files import (
    CLIP_LARGE_336,
    SO400M,
    TINY_CLIP,
    TOWER,
    Shapes,
    clip_shapes,
    siglip_shapes,
    vision_config,
    write_json,
    write_tokenizer,
)

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.release_keys import canonical, own_name, release_name
from spatialbot_model.modeling.release_tokenizer import find_tokenizer, vocabulary_size
from spatialbot_model.modeling.release_vision import read_release_vision
from spatialbot_model.modeling.weight_files import StoredTensor


def unread(shapes: Shapes) -> dict[str, StoredTensor]:
    """Tensors of full size that nothing may read."""

    def refuse() -> torch.Tensor:
        raise AssertionError("only shapes are needed")

    return {
        key: StoredTensor(Path("x"), key, shape, torch.float16, refuse)
        for key, shape in shapes.items()
    }


@pytest.mark.parametrize("whole", [False, True])
def test_released_siglip_is_known(whole: bool) -> None:
    tower = read_release_vision(unread(siglip_shapes(SO400M, whole=whole)), None, "")
    config = tower.config
    assert (config.hidden_size, config.intermediate_size) == (1152, 4304)
    assert (config.num_hidden_layers, config.num_attention_heads) == (26, 16)
    assert (config.image_size, config.patch_size) == (384, 14)
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu_pytorch_tanh", 1e-6)
    assert (tower.feature_layer, tower.drop_class_token) == (-1, False)
    assert tower.tensors.keys() == siglip_shapes(SO400M).keys()
    assert len(tower.ignored) == (16 + 4 if whole else 0)


def test_clip_of_the_embodied_model_is_known() -> None:
    tower = read_release_vision(unread(clip_shapes(CLIP_LARGE_336)), None, "")
    config = tower.config
    assert (config.num_hidden_layers, config.num_attention_heads) == (24, 16)
    assert (config.image_size, config.hidden_act) == (336, "quick_gelu")
    assert (tower.feature_layer, tower.drop_class_token) == (-2, True)
    assert tower.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
    assert tower.std == pytest.approx((0.2686, 0.2613, 0.2758), abs=1e-4)


def test_folder_of_another_kind(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "dinov2"})
    with pytest.raises(CheckpointError, match="'dinov2'; expected a vision tower"):
        read_release_vision(unread(clip_shapes(TINY_CLIP)), tmp_path, "")


def test_broken_normalisation(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", vision_config("clip", TINY_CLIP))
    write_json(tmp_path / "preprocessor_config.json", {"image_std": [1.0]})
    with pytest.raises(CheckpointError, match="image_std"):
        read_release_vision(unread(clip_shapes(TINY_CLIP)), tmp_path, "")


@pytest.mark.parametrize(
    ("release", "own"),
    [
        ("model.embed_tokens.weight", "language_model.model.embed_tokens.weight"),
        ("lm_head.weight", "language_model.lm_head.weight"),
        ("model.mm_projector.0.bias", "projector.linear_1.bias"),
        ("model.mm_projector.2.weight", "projector.linear_2.weight"),
        (f"{TOWER}pre_layrnorm.bias", "vision_tower.pre_layrnorm.bias"),
    ],
)
def test_names(release: str, own: str) -> None:
    assert own_name(release) == own
    assert release_name(own) == release
    for wrapped in (release, f"base_model.model.{release}", f"model.{release}"):
        assert canonical(wrapped) == release


def test_entries_of_tokenizers(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "fast", 50, added=4)
    write_json(tmp_path / "slow" / "vocab.json", {"a": 0, "b": 1})
    write_json(tmp_path / "slow" / "added_tokens.json", {"<x>": 2})
    assert vocabulary_size(tmp_path / "fast") == 50
    assert vocabulary_size(tmp_path / "slow") == 3
    write_json(
        tmp_path / "slow" / "tokenizer_config.json", {"added_tokens_decoder": {"3": {}, "2": {}}}
    )
    assert vocabulary_size(tmp_path / "slow") == 4
    write_json(tmp_path / "fast" / "tokenizer.json", {"model": {}})
    with pytest.raises(CheckpointError, match="not as expected"):
        vocabulary_size(tmp_path / "fast")


def test_tokenizer_is_looked_for(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "base", 5)
    source = tmp_path / "source"
    assert find_tokenizer(None, source, None) is None
    assert find_tokenizer(None, source, tmp_path / "base") == tmp_path / "base"
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        find_tokenizer(source, source, tmp_path / "base")
