"""Imported checkpoints compute what the release's parameters say, and damaged ones are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from release_files import (
    CLIP_LARGE_336,
    PHI2,
    QWEN_HALF_B,
    SO400M,
    TINY_CLIP,
    TINY_PHI,
    TINY_QWEN,
    TINY_SIGLIP,
    TOWER,
    Language,
    Tensors,
    Vision,
    clip_shapes,
    phi_config,
    phi_shapes,
    projector_shapes,
    qwen_config,
    qwen_shapes,
    random_tensors,
    siglip_shapes,
    vision_config,
    write_json,
    write_sharded,
    write_tokenizer,
)
from release_reference import prompt_states
from safetensors.torch import load_file, save_file

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling import SpatialBotForConditionalGeneration, make_config
from spatialbot_model.modeling.checkpoint import check_action_spec, load_config, load_model
from spatialbot_model.modeling.release_import import ReleaseProcessing, import_release
from spatialbot_model.modeling.release_keys import own_name, release_name


def phi_tensors(language: Language = TINY_PHI, dtype: torch.dtype = torch.float32) -> Tensors:
    shapes = phi_shapes(language) | projector_shapes(TINY_SIGLIP, language)
    return random_tensors(shapes | siglip_shapes(TINY_SIGLIP), dtype=dtype)


@pytest.fixture
def siglip_geometry(tmp_path: Path) -> Path:
    """The folder of the tower, with its configuration only."""
    write_json(tmp_path / "siglip" / "config.json", vision_config("siglip", TINY_SIGLIP))
    return tmp_path / "siglip"


@pytest.fixture
def merged_phi(tmp_path: Path) -> tuple[Path, Tensors]:
    """A merged phi checkpoint in two shards."""
    folder, tensors = tmp_path / "SpatialBot-3B", phi_tensors()
    write_sharded(folder, tensors, shards=2)
    write_json(folder / "config.json", phi_config(TINY_PHI))
    write_tokenizer(folder, TINY_PHI.rows, added=5)
    return folder, tensors


def images(vision: Vision, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(count, 3, vision.image_size, vision.image_size, generator=generator)


def assert_same_computation(
    folder: Path, tensors: Tensors, language: Language, vision: Vision, family: str
) -> None:
    """Hidden states and logits of an RGB-D prompt, imported against computed by hand."""
    model = load_model(folder, dtype=torch.float32)
    pixels = images(vision)
    before, between, after = [3, 14, 15], [9], [2, 6, 5, 35]
    states, logits = prompt_states(
        tensors, [before, pixels[0], between, pixels[1], after], language, vision, family
    )
    block = [model.config.image_token_id] * vision.patches
    ids = torch.tensor([[*before, *block, *between, *block, *after]])
    with torch.inference_mode():
        outputs = model(input_ids=ids, pixel_values=pixels, output_hidden_states=True)
    assert len(outputs.hidden_states) == len(states)
    for ours, theirs in zip(outputs.hidden_states, states, strict=True):
        torch.testing.assert_close(ours[0].double(), theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs.logits[0].double(), logits, rtol=1e-4, atol=1e-4)


def test_merged_phi_with_siglip(
    tmp_path: Path, merged_phi: tuple[Path, Tensors], siglip_geometry: Path
) -> None:
    source, tensors = merged_phi
    lines: list[str] = []
    report = import_release(
        source,
        tmp_path / "out",
        vision_tower=siglip_geometry,
        action_spec=ActionSpec(),
        report=lines.append,
    )
    check_action_spec(load_config(tmp_path / "out"), ActionSpec())
    assert_same_computation(tmp_path / "out", tensors, TINY_PHI, TINY_SIGLIP, "siglip")
    assert report.zero_filled == ("language_model.lm_head.bias",)
    assert report.ignored == ()
    assert report.vision_from == "checkpoint"
    assert report.num_rows_cut == 0
    # the output bias is the one parameter that the release does not have
    assert report.num_parameters == sum(t.numel() for t in tensors.values()) + TINY_PHI.rows
    assert report.processing.geometry == "pad"
    assert report.processing.tokens_per_image == TINY_SIGLIP.patches
    assert report.processing.tokenizer == source
    assert report.processing.mean == (0.5, 0.5, 0.5)
    assert any("model.safetensors" in line for line in lines)


def test_binary_qwen_with_clip_in_one_folder(tmp_path: Path) -> None:
    shapes = qwen_shapes(TINY_QWEN) | projector_shapes(TINY_CLIP, TINY_QWEN)
    tensors = random_tensors(shapes | clip_shapes(TINY_CLIP), dtype=torch.bfloat16)
    # files of torch hold the tied output layer as well, and old buffers
    stored = tensors | {
        "lm_head.weight": tensors["model.embed_tokens.weight"].clone(),
        f"{TOWER}embeddings.position_ids": torch.arange(TINY_CLIP.patches + 1)[None],
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
    }
    source = tmp_path / "embodied"
    write_sharded(source, stored, shards=3, binary=True)
    write_json(source / "config.json", qwen_config(TINY_QWEN))
    write_json(tmp_path / "clip" / "config.json", vision_config("clip", TINY_CLIP))
    write_json(
        tmp_path / "clip" / "preprocessor_config.json",
        {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]},
    )
    write_tokenizer(source, 90, added=3)
    report = import_release(source, tmp_path / "out", vision_tower=tmp_path / "clip")
    assert_same_computation(tmp_path / "out", tensors, TINY_QWEN, TINY_CLIP, "clip")
    assert report.dtype == "bfloat16"
    assert sorted(report.ignored) == sorted(stored.keys() - tensors.keys() - {"lm_head.weight"})
    assert report.processing.mean == (0.1, 0.2, 0.3)
    assert report.processing.std == (0.4, 0.5, 0.6)
    assert report.processing.image_token_id == 90
    assert report.num_rows_cut == 0
    # text actions, and the spare rows behind the tokenizer's 90 as they were
    config = load_model(tmp_path / "out").config
    assert (config.action_form, config.first_action_token_id) == ("text", None)
    written = load_file(tmp_path / "out" / "model.safetensors")
    embedding = written["language_model.model.embed_tokens.weight"]
    assert torch.equal(embedding, tensors["model.embed_tokens.weight"])


def test_weights_keep_their_bits_and_type(tmp_path: Path, siglip_geometry: Path) -> None:
    tensors = phi_tensors(dtype=torch.float16)
    source = tmp_path / "half"
    write_sharded(source, tensors, shards=1)
    write_json(source / "config.json", phi_config(TINY_PHI))
    report = import_release(source, tmp_path / "out", vision_tower=siglip_geometry)
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert report.dtype == "float16"
    assert written.keys() == {own_name(key) for key in tensors} | set(report.zero_filled)
    for key, tensor in tensors.items():
        assert torch.equal(written[own_name(key)], tensor), key
    model = load_model(tmp_path / "out")
    assert model.dtype == torch.float16


def test_released_vocabulary(tmp_path: Path, siglip_geometry: Path) -> None:
    language = Language(rows=PHI2.rows, width=10, inner=12, layers=1, heads=1, kv_heads=1)
    source = tmp_path / "3b"
    write_sharded(source, phi_tensors(language, torch.float16), shards=2)
    write_json(source / "config.json", phi_config(language))
    write_json(source / "vocab.json", {f"t{index}": index for index in range(50257)})
    write_json(source / "added_tokens.json", {f" {k}": 50257 + k for k in range(38)})
    report = import_release(source, tmp_path / "out", vision_tower=siglip_geometry)
    model = load_model(tmp_path / "out")
    assert report.processing.image_token_id == model.config.image_token_id == 50295
    assert model.config.embedding_rows == 50295
    assert model.config.action_form == "text"
    # nothing says what its actions mean
    assert model.config.action_spec is None
    assert model.generation_config.eos_token_id == 50256
    # the placeholder lies beyond the rows and is never looked up
    ids = torch.tensor([[5, *[50295] * TINY_SIGLIP.patches, 6]])
    with torch.inference_mode():
        logits = model(input_ids=ids, pixel_values=images(TINY_SIGLIP, 1).half()).logits
    assert logits.shape[-1] == 50295
    assert torch.isfinite(logits).all()


def test_rows_that_phi_s_tokenizer_does_not_use(
    tmp_path: Path, merged_phi: tuple[Path, Tensors], siglip_geometry: Path
) -> None:
    source, tensors = merged_phi
    write_tokenizer(source, 90, added=5)
    report = import_release(source, tmp_path / "out", vision_tower=siglip_geometry)
    cut = {key: tensors[key][:90] for key in ("model.embed_tokens.weight", "lm_head.weight")}
    assert_same_computation(tmp_path / "out", tensors | cut, TINY_PHI, TINY_SIGLIP, "siglip")
    assert report.num_rows_cut == 7
    assert load_config(tmp_path / "out").embedding_rows == 90


def test_tower_from_its_own_folder(tmp_path: Path) -> None:
    tensors = phi_tensors()
    tower = random_tensors(siglip_shapes(TINY_SIGLIP, prefix="vision_model.", whole=True), seed=8)
    source, folder = tmp_path / "frozen", tmp_path / "siglip"
    write_sharded(source, {k: v for k, v in tensors.items() if not k.startswith(TOWER)}, shards=1)
    write_json(source / "config.json", phi_config(TINY_PHI, image_aspect_ratio="square"))
    write_json(folder / "config.json", vision_config("siglip", TINY_SIGLIP))
    other_half = {"text_model.final_layer_norm.weight": torch.ones(3), "logit_scale": torch.ones(1)}
    save_file(tower | other_half, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="siglip-so400m-patch14-384"):
        import_release(source, tmp_path / "out")
    report = import_release(source, tmp_path / "out", vision_tower=folder)
    renamed = {TOWER + key.removeprefix("vision_model."): value for key, value in tower.items()}
    assert_same_computation(tmp_path / "out", tensors | renamed, TINY_PHI, TINY_SIGLIP, "siglip")
    assert report.vision_from == "folder"
    assert report.processing.geometry == "squash"
    assert report.processing.tokenizer is None
    unused = {key for key in renamed if ".layers.2." in key or ".head." in key}
    assert set(report.ignored) == unused | other_half.keys()
    assert report.processing.image_token_id == TINY_PHI.rows


FULL_SIZE: list[tuple[str, Callable[[], dict[str, Any]]]] = [
    (
        "phi2-siglip-384",
        lambda: (
            phi_shapes(PHI2)
            | projector_shapes(SO400M, PHI2)
            | siglip_shapes(SO400M)
            # of transformers' class alone
            | {"lm_head.bias": (PHI2.rows,)}
        ),
    ),
    (
        "qwen1.5-0.5b-clip-l-336",
        lambda: (
            qwen_shapes(QWEN_HALF_B)
            | projector_shapes(CLIP_LARGE_336, QWEN_HALF_B)
            | clip_shapes(CLIP_LARGE_336)
            | {"lm_head.weight": (QWEN_HALF_B.rows, QWEN_HALF_B.width)}
        ),
    ),
]


@pytest.mark.parametrize(("preset", "shapes"), FULL_SIZE)
def test_full_size_presets_have_the_release_s_parameters(
    preset: str, shapes: Callable[[], dict[str, Any]]
) -> None:
    with torch.device("meta"):
        model = SpatialBotForConditionalGeneration(make_config(preset))
    ours = {release_name(key): tuple(value.shape) for key, value in model.state_dict().items()}
    assert ours == shapes()
    assert {own_name(key) for key in ours} == set(model.state_dict())


# -- refused ----------------------------------------------------------------------------------


def rewritten(folder: Path, tensors: Tensors, **config: Any) -> Path:
    """A phi checkpoint in one file with these tensors."""
    write_sharded(folder, tensors, shards=1)
    write_json(folder / "config.json", phi_config(TINY_PHI, **config))
    return folder


def refusal(tmp_path: Path, source: Path, geometry: Path | None = None) -> str:
    """The message with which an import is refused; nothing may be left of it."""
    before = set(tmp_path.iterdir())
    with pytest.raises(CheckpointError) as caught:
        import_release(source, tmp_path / "out", vision_tower=geometry)
    assert set(tmp_path.iterdir()) == before
    return str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "model.layers.1.mlp.fc2.bias",
        "model.mm_projector.2.weight",
        f"{TOWER}encoder.layers.1.self_attn.out_proj.weight",
        "lm_head.weight",
    ],
)
def test_missing_key_is_named(tmp_path: Path, siglip_geometry: Path, key: str) -> None:
    tensors = phi_tensors()
    del tensors[key]
    message = refusal(tmp_path, rewritten(tmp_path / "in", tensors), siglip_geometry)
    assert f"1 missing:\n  {key}" in message


@pytest.mark.parametrize(
    "key",
    ["model.layers.2.mlp.fc2.bias", "model.mm_projector.4.weight", "lm_head.bias", "extra"],
)
def test_unexpected_key_is_named(tmp_path: Path, siglip_geometry: Path, key: str) -> None:
    tensors = phi_tensors() | {key: torch.zeros(TINY_PHI.rows)}
    message = refusal(tmp_path, rewritten(tmp_path / "in", tensors), siglip_geometry)
    assert f"1 unexpected:\n  {key}" in message


def test_other_shape_is_named(tmp_path: Path, siglip_geometry: Path) -> None:
    key = "model.layers.0.self_attn.dense.weight"
    tensors = phi_tensors() | {key: torch.zeros(40, 41)}
    message = refusal(tmp_path, rewritten(tmp_path / "in", tensors), siglip_geometry)
    assert f"1 of another shape:\n  {key}: (40, 41), expected (40, 40)" in message


def test_long_lists_are_cut_with_their_count(tmp_path: Path, siglip_geometry: Path) -> None:
    tensors = {k: v for k, v in phi_tensors().items() if "layers" not in k or "vision" in k}
    message = refusal(tmp_path, rewritten(tmp_path / "in", tensors), siglip_geometry)
    assert "28 missing" in message
    assert "and 8 more" in message


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"mm_projector_type": "ldp"}, "'ldp'; only 'mlp2x_gelu'"),
        ({"model_type": "bunny-stablelm"}, "supported are bunny-phi, bunny-qwen, bunny-qwen2"),
        ({"model_type": "spatialbot"}, "in our format already"),
        ({"use_s2": True}, "use_s2"),
        ({"mm_vision_tower": "/x/EVA02_CLIP_L"}, "EVA-CLIP is not supported"),
        ({"mm_hidden_size": 1152}, "24 channels, but the checkpoint was trained with 1152"),
        ({"hidden_act": 3}, "no usable configuration of a phi language model"),
        ({"vocab_size": 98}, "expected (98, 40)"),
    ],
)
def test_unusable_configuration(
    tmp_path: Path, siglip_geometry: Path, changed: dict[str, Any], expected: str
) -> None:
    source = rewritten(tmp_path / "in", phi_tensors(), **changed)
    assert expected in refusal(tmp_path, source, siglip_geometry)


def test_unknown_tower_needs_its_folder(tmp_path: Path, merged_phi: tuple[Path, Tensors]) -> None:
    assert "its geometry is unknown" in refusal(tmp_path, merged_phi[0])


def test_tokenizer_of_another_model(
    tmp_path: Path, merged_phi: tuple[Path, Tensors], siglip_geometry: Path
) -> None:
    write_tokenizer(merged_phi[0], TINY_PHI.rows + 1)
    message = refusal(tmp_path, merged_phi[0], siglip_geometry)
    assert "has 98 entries, but the model's embedding only 97 rows" in message


def test_weights_that_are_not_finite(tmp_path: Path, siglip_geometry: Path) -> None:
    tensors = phi_tensors()
    tensors["model.layers.1.mlp.fc1.weight"][3, 4] = torch.nan
    message = refusal(tmp_path, rewritten(tmp_path / "in", tensors), siglip_geometry)
    assert "language_model.model.layers.1.mlp.fc1.weight" in message
    assert "not finite" in message


def test_tied_output_layer_that_differs(tmp_path: Path) -> None:
    shapes = qwen_shapes(TINY_QWEN) | projector_shapes(TINY_CLIP, TINY_QWEN)
    tensors = random_tensors(shapes | clip_shapes(TINY_CLIP))
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1.0
    write_sharded(tmp_path / "in", tensors, shards=1)
    write_json(tmp_path / "in" / "config.json", qwen_config(TINY_QWEN))
    write_json(tmp_path / "clip" / "config.json", vision_config("clip", TINY_CLIP))
    assert "tie_word_embeddings" in refusal(tmp_path, tmp_path / "in", tmp_path / "clip")


def test_used_destination_is_left_alone(
    tmp_path: Path, merged_phi: tuple[Path, Tensors], siglip_geometry: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert "exists already" in refusal(tmp_path, merged_phi[0], siglip_geometry)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_the_folder_appears_complete_or_not_at_all(
    tmp_path: Path, merged_phi: tuple[Path, Tensors], siglip_geometry: Path
) -> None:
    source, _ = merged_phi

    def fail(folder: Path, processing: ReleaseProcessing) -> None:
        assert (folder / "model.safetensors").is_file()
        raise CheckpointError("no processor")

    before = set(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match="no processor"):
        import_release(source, tmp_path / "out", vision_tower=siglip_geometry, complete=fail)
    assert set(tmp_path.iterdir()) == before

    def note(folder: Path, processing: ReleaseProcessing) -> None:
        assert folder != tmp_path / "out"
        (folder / "processor.txt").write_text(str(processing.image_size))

    (tmp_path / "out").mkdir()
    import_release(source, tmp_path / "out", vision_tower=siglip_geometry, complete=note)
    assert (tmp_path / "out" / "processor.txt").read_text() == "31"
    assert set(tmp_path.iterdir()) == before | {tmp_path / "out"}
