"""LoRA adapters and lone projectors on their base: merged as by hand, or refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from release_files import (
    TINY_PHI,
    TINY_SIGLIP,
    TOWER,
    Tensors,
    phi_config,
    phi_shapes,
    projector_shapes,
    random_tensors,
    siglip_shapes,
    vision_config,
    write_json,
    write_sharded,
    write_tokenizer,
)
from release_reference import prompt_states
from safetensors.torch import load_file, save_file

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.checkpoint import load_model
from spatialbot_model.modeling.release_import import ImportReport, import_release

PEFT = "base_model.model."
RANK, ALPHA = 4, 10
TARGETS = ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")


def adapter_tensors(weights: Tensors, seed: int = 3) -> Tensors:
    """A pair of matrices for each weight, under PEFT's names."""
    generator = torch.Generator().manual_seed(seed)
    pairs = {}
    for name, weight in weights.items():
        module = PEFT + name.removesuffix(".weight")
        n_out, n_in = weight.shape
        pairs[f"{module}.lora_A.weight"] = torch.randn(RANK, n_in, generator=generator) * 0.1
        pairs[f"{module}.lora_B.weight"] = torch.randn(n_out, RANK, generator=generator) * 0.1
    return pairs


def adapter_config(**changed: Any) -> dict[str, Any]:
    """As PEFT wrote it for the release's training."""
    return {
        "auto_mapping": None,
        "base_model_name_or_path": "/data/phi-2",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.05,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": RANK,
        "rank_pattern": {},
        "target_modules": list(TARGETS),
        "task_type": "CAUSAL_LM",
        **changed,
    }


def merged_by_hand(weights: Tensors, pairs: Tensors, scale: float) -> Tensors:
    """W + scale B A, one weight after the other."""
    merged = dict(weights)
    for name in weights:
        module = PEFT + name.removesuffix(".weight")
        if f"{module}.lora_A.weight" in pairs:
            down, up = pairs[f"{module}.lora_A.weight"], pairs[f"{module}.lora_B.weight"]
            merged[name] = weights[name] + scale * up @ down
    return merged


class Lora:
    """A LoRA folder, its base phi and its tower on disk, and the tensors they were made of."""

    def __init__(self, root: Path) -> None:
        self.root, self.source, self.base = root, root / "lora", root / "phi-2"
        self.tower_folder = root / "siglip"
        self.language = random_tensors(phi_shapes(TINY_PHI))
        self.projector = random_tensors(projector_shapes(TINY_SIGLIP, TINY_PHI), seed=1)
        self.tower = random_tensors(siglip_shapes(TINY_SIGLIP, prefix="vision_model."), seed=2)
        adapted = {
            name: weight
            for name, weight in self.language.items()
            if name.split(".")[-2] in TARGETS and name.endswith(".weight")
        }
        self.pairs = adapter_tensors(adapted)
        # phi-2 has a bias that the release's class leaves out
        bias = {"lm_head.bias": torch.full((TINY_PHI.rows,), 7.0)}
        write_sharded(self.base, self.language | bias, shards=2)
        write_json(self.base / "config.json", {"model_type": "phi", "vocab_size": TINY_PHI.rows})
        write_tokenizer(self.base, 90)
        # the vocabulary is that of the end of training; the base has more rows
        write_json(self.source / "config.json", phi_config(TINY_PHI, vocab_size=90))
        write_json(self.source / "adapter_config.json", adapter_config())
        save_file(self.pairs, self.source / "adapter_model.safetensors")
        self.write_projector({PEFT + name: value for name, value in self.projector.items()})
        write_json(self.tower_folder / "config.json", vision_config("siglip", TINY_SIGLIP))
        save_file(self.tower, self.tower_folder / "model.safetensors")

    def write_projector(self, tensors: Tensors) -> None:
        """What was trained besides the adapter."""
        torch.save(tensors, self.source / "non_lora_trainables.bin")

    def run(self, base: Path | None = None) -> ImportReport:
        """Import everything."""
        return import_release(
            self.source,
            self.root / "out",
            base=base or self.base,
            vision_tower=self.tower_folder,
        )

    def expected(self, scale: float = ALPHA / RANK) -> Tensors:
        """The release's tensors after the merge."""
        tower = {TOWER + k.removeprefix("vision_model."): v for k, v in self.tower.items()}
        merged = merged_by_hand(self.language, self.pairs, scale) | self.projector | tower
        # loading resizes to the tokenizer's 90 entries
        cut = {key: merged[key][:90] for key in ("model.embed_tokens.weight", "lm_head.weight")}
        return merged | cut


@pytest.fixture
def lora(tmp_path: Path) -> Lora:
    return Lora(tmp_path)


def assert_same_computation(folder: Path, tensors: Tensors) -> None:
    model = load_model(folder, dtype=torch.float32)
    generator = torch.Generator().manual_seed(6)
    image = torch.randn(3, 31, 31, generator=generator)
    states, logits = prompt_states(tensors, [[3, 1], image, [4]], TINY_PHI, TINY_SIGLIP, "siglip")
    ids = torch.tensor([[3, 1, *[model.config.image_token_id] * TINY_SIGLIP.patches, 4]])
    with torch.inference_mode():
        outputs = model(input_ids=ids, pixel_values=image[None], output_hidden_states=True)
    for ours, theirs in zip(outputs.hidden_states, states, strict=True):
        torch.testing.assert_close(ours[0].double(), theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs.logits[0].double(), logits, rtol=1e-4, atol=1e-4)


def test_adapter_on_its_base(lora: Lora) -> None:
    report = lora.run()
    assert_same_computation(lora.root / "out", lora.expected())
    assert report.merged_adapters == len(lora.pairs) // 2 == 6 * TINY_PHI.layers
    # the base has 97 rows, its tokenizer 90 entries: the placeholder comes behind those
    assert report.num_rows_cut == 7
    assert report.processing.image_token_id == 90
    assert report.processing.tokenizer == lora.base
    assert "lm_head.bias" in report.ignored
    assert report.zero_filled == ("language_model.lm_head.bias",)


def test_binary_adapter_with_named_adapter_and_rank_stabilised_scale(lora: Lora) -> None:
    (lora.source / "adapter_model.safetensors").unlink()
    named = {key.replace(".weight", ".default.weight"): value for key, value in lora.pairs.items()}
    torch.save(named, lora.source / "adapter_model.bin")
    write_json(lora.source / "adapter_config.json", adapter_config(use_rslora=True))
    lora.run()
    assert_same_computation(lora.root / "out", lora.expected(scale=ALPHA / RANK**0.5))


def test_merge_rounds_once(lora: Lora) -> None:
    name = "model.layers.0.self_attn.q_proj.weight"
    half = {key: value.half() for key, value in lora.language.items()}
    write_sharded(lora.base, half, shards=2)
    lora.run()
    written = load_file(lora.root / "out" / "model.safetensors")[f"language_model.{name}"]
    exact = merged_by_hand({name: half[name].double()}, double(lora.pairs), ALPHA / RANK)[name]
    assert written.dtype == torch.float16
    assert (written.double() - exact).abs().max() <= exact.abs().max() * 2.0**-11
    # rounding the product before adding it would differ in many places
    once = (half[name].float() + merged_delta(lora.pairs, name)).half()
    assert (written != once).float().mean() < 0.001


def double(tensors: Tensors) -> Tensors:
    return {key: value.double() for key, value in tensors.items()}


def merged_delta(pairs: Tensors, name: str) -> torch.Tensor:
    module = PEFT + name.removesuffix(".weight")
    return ALPHA / RANK * pairs[f"{module}.lora_B.weight"] @ pairs[f"{module}.lora_A.weight"]


def test_adapter_on_a_merged_checkpoint_and_its_tower(lora: Lora) -> None:
    """Continued training: the base is a merged release, and its tower is adapted as well."""
    tower = {TOWER + k.removeprefix("vision_model."): v for k, v in lora.tower.items()}
    merged = lora.root / "SpatialBot-3B"
    old_projector = random_tensors(projector_shapes(TINY_SIGLIP, TINY_PHI), seed=11)
    write_sharded(merged, lora.language | old_projector | tower, shards=2)
    write_json(merged / "config.json", phi_config(TINY_PHI))
    name = f"{TOWER}encoder.layers.0.mlp.fc1.weight"
    pairs = lora.pairs | adapter_tensors({name: tower[name]}, seed=12)
    save_file(pairs, lora.source / "adapter_model.safetensors")
    report = lora.run(merged)
    lora.pairs = pairs
    everything = merged_by_hand(lora.language | tower, pairs, ALPHA / RANK) | lora.projector
    assert_same_computation(lora.root / "out", everything)
    assert report.vision_from == "checkpoint"


def test_projector_alone_on_its_base(lora: Lora) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors", "non_lora_trainables.bin"):
        (lora.source / name).unlink()
    torch.save(lora.projector, lora.source / "mm_projector.bin")
    report = lora.run()
    lora.pairs = {}
    assert_same_computation(lora.root / "out", lora.expected())
    assert report.merged_adapters == 0
    with pytest.raises(CheckpointError, match="a projector alone; give the folder"):
        import_release(lora.source, lora.root / "other", vision_tower=lora.tower_folder)


# -- refused ----------------------------------------------------------------------------------


def test_base_is_asked_for(lora: Lora) -> None:
    with pytest.raises(CheckpointError, match=r"is a LoRA adapter; .*'/data/phi-2'"):
        import_release(lora.source, lora.root / "out", vision_tower=lora.tower_folder)


def test_base_of_another_kind(lora: Lora) -> None:
    write_json(lora.base / "config.json", {"model_type": "llama"})
    with pytest.raises(CheckpointError, match=r"'llama'; a base is .*phi, qwen2"):
        lora.run()


def test_whole_checkpoint_needs_no_base(lora: Lora) -> None:
    (lora.source / "adapter_config.json").unlink()
    with pytest.raises(CheckpointError, match="whole checkpoint and needs no base"):
        lora.run()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"use_dora": True}, "use_dora is True"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"modules_to_save": ["embed_tokens"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"r": 0}, "r is 0"),
        ({"r": RANK + 1}, "says rank 5"),
        ({"lora_alpha": "10"}, "lora_alpha '10'"),
    ],
)
def test_adapters_that_are_not_merged(lora: Lora, changed: dict[str, Any], field: str) -> None:
    write_json(lora.source / "adapter_config.json", adapter_config(**changed))
    with pytest.raises(CheckpointError, match=field):
        lora.run()


def refused_pairs(lora: Lora, changed: Tensors, removed: str | None = None) -> str:
    pairs = {key: value for key, value in lora.pairs.items() if key != removed} | changed
    save_file(pairs, lora.source / "adapter_model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        lora.run()
    assert not (lora.root / "out").exists()
    return str(caught.value)


def test_unknown_target(lora: Lora) -> None:
    module = f"{PEFT}model.layers.7.self_attn.q_proj"
    pair = {
        f"{module}.lora_A.weight": torch.zeros(RANK, 40),
        f"{module}.lora_B.weight": torch.zeros(40, RANK),
    }
    message = refused_pairs(lora, pair)
    assert "adapts 1 weights that the base does not have" in message
    assert "model.layers.7.self_attn.q_proj.weight" in message


def test_lonely_matrix(lora: Lora) -> None:
    key = f"{PEFT}model.layers.1.mlp.fc1.lora_B.weight"
    assert "1 adapted layers have only one" in refused_pairs(lora, {}, removed=key)


def test_target_of_another_shape(lora: Lora) -> None:
    key = f"{PEFT}model.layers.1.mlp.fc1.lora_B.weight"
    message = refused_pairs(lora, {key: torch.zeros(57, RANK)})
    assert "model.layers.1.mlp.fc1.weight: adapter for (57, 40), weight (56, 40)" in message


def test_tensors_that_are_no_pairs(lora: Lora) -> None:
    key = f"{PEFT}model.embed_tokens.lora_embedding_A"
    assert key in refused_pairs(lora, {key: torch.zeros(RANK, 97)})


def test_projector_of_another_width(lora: Lora) -> None:
    changed = lora.projector | {"model.mm_projector.0.weight": torch.zeros(40, 25)}
    lora.write_projector({PEFT + name: value for name, value in changed.items()})
    with pytest.raises(CheckpointError, match=r"mm_projector.0.weight: \(40, 25\), expected"):
        lora.run()


def test_missing_projector(lora: Lora) -> None:
    (lora.source / "non_lora_trainables.bin").unlink()
    with pytest.raises(CheckpointError, match="4 missing:"):
        lora.run()
