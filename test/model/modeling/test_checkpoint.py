"""Folders written and read back: equal bits, strict keys, no other format."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ActionSpecMismatchError, CheckpointError
from spatialbot_model.modeling import (
    SpatialBotConfig,
    SpatialBotForConditionalGeneration,
    check_action_spec,
    load_config,
    load_model,
    make_config,
    make_model,
    save_model,
)

Model = SpatialBotForConditionalGeneration
MakePrompt = Callable[..., dict[str, torch.Tensor]]


@pytest.fixture
def folder(tmp_path: Path, model: Model) -> Path:
    save_model(model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def assert_equal_bits(ours: Model, theirs: Model) -> None:
    a, b = ours.state_dict(), theirs.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@torch.no_grad()
def test_round_trip(folder: Path, model: Model, make_prompt: MakePrompt) -> None:
    again = load_model(folder)
    assert_equal_bits(model, again)
    assert not again.training
    prompt = make_prompt(model.config)
    assert torch.equal(again(**prompt).logits, model(**prompt).logits)
    assert again.generation_config.suppress_tokens == model.generation_config.suppress_tokens
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".json", ".safetensors"]


def test_the_library_finds_the_class(folder: Path, model: Model) -> None:
    assert isinstance(AutoConfig.from_pretrained(folder), SpatialBotConfig)
    again = AutoModelForImageTextToText.from_pretrained(folder)
    assert type(again) is Model
    assert_equal_bits(model, again)


def test_names_of_the_parts(folder: Path) -> None:
    names = load_file(folder / "model.safetensors")
    prefixes = {name.split(".")[0] for name in names}
    assert {"vision_tower", "projector", "language_model"} <= prefixes
    assert prefixes <= {"vision_tower", "projector", "language_model", "image_embedding"}
    # tied to the embedding
    assert "language_model.lm_head.weight" not in names


@pytest.mark.parametrize("preset", ["tiny", "mini", "phi2-siglip-384", "qwen1.5-0.5b-clip-l-336"])
def test_configurations_round_trip(preset: str, tmp_path: Path) -> None:
    config = make_config(preset)
    config.action_spec = ActionSpec().to_mapping()
    config.save_pretrained(tmp_path)
    again = load_config(tmp_path)
    ours, theirs = config.to_dict(), again.to_dict()
    for noise in ("_name_or_path", "transformers_version"):
        ours.pop(noise, None)
        theirs.pop(noise, None)
    assert ours == theirs
    assert type(again.text) is type(config.text) and type(again.vision) is type(config.vision)


def test_dtype_as_saved_or_as_asked(tmp_path: Path) -> None:
    save_model(make_model(make_config("tiny"), dtype=torch.bfloat16), tmp_path)
    assert load_model(tmp_path).dtype == torch.bfloat16
    assert load_model(tmp_path, dtype=torch.float32).dtype == torch.float32
    assert load_model(tmp_path).language_model.dtype == torch.bfloat16


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_missing_weights_are_listed(folder: Path) -> None:
    def drop(weights: dict[str, torch.Tensor]) -> None:
        del weights["projector.linear_1.bias"]

    edit_weights(folder, drop)
    with pytest.raises(CheckpointError, match=r"1 missing \(projector\.linear_1\.bias\)"):
        load_model(folder)


def test_unexpected_weights_are_listed(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update(extra=torch.zeros(1)))
    with pytest.raises(CheckpointError, match=r"1 unexpected \(extra\)"):
        load_model(folder)


def test_misshapen_weights_are_listed(folder: Path) -> None:
    name = "projector.linear_2.bias"
    edit_weights(folder, lambda weights: weights.update({name: torch.zeros(3)}))
    with pytest.raises(CheckpointError, match=r"1 mismatched \(.*projector\.linear_2\.bias"):
        load_model(folder)


def test_a_truncated_file(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot read the weights"):
        load_model(folder)


def test_pickled_weights_are_not_read(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="can run code"):
        load_model(folder)


def test_folders_that_are_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load_model(tmp_path / "nowhere")
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(CheckpointError, match="cannot read"):
        load_config(tmp_path)
    path.write_text(json.dumps({"model_type": "bunny-phi"}))
    with pytest.raises(CheckpointError, match=r"'bunny-phi'.*spatialbot model import"):
        load_config(tmp_path)
    path.write_text("[]")
    with pytest.raises(CheckpointError, match="of type None"):
        load_config(tmp_path)


def test_the_action_spec_of_a_checkpoint() -> None:
    config = make_config("tiny")
    with pytest.raises(CheckpointError, match="no action spec"):
        check_action_spec(config, ActionSpec())
    config.action_spec = ActionSpec().to_mapping()
    check_action_spec(config, ActionSpec())
    with pytest.raises(ActionSpecMismatchError, match="rate_hz"):
        check_action_spec(config, ActionSpec(rate_hz=5.0))
