"""Writes tiny checkpoints under the names and shapes of the released Bunny/SpatialBot models.

The names are written out here from the release's own structure, not taken from the code under
test. Every weight is random, so that a mixed-up pair of weights shows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Shapes = dict[str, tuple[int, ...]]
Tensors = dict[str, torch.Tensor]

TOWER = "model.vision_tower.vision_tower.vision_model."


@dataclass(frozen=True)
class Language:
    """Sizes of a language model."""

    rows: int
    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int


@dataclass(frozen=True)
class Vision:
    """Sizes of a vision tower as published, its last layer included."""

    width: int
    inner: int
    layers: int
    heads: int
    image_size: int
    patch_size: int

    @property
    def patches(self) -> int:
        """Of one image; the rest of a row that fills no patch is not seen."""
        return (self.image_size // self.patch_size) ** 2


TINY_PHI = Language(rows=97, width=40, inner=56, layers=2, heads=4, kv_heads=4)
TINY_QWEN = Language(rows=101, width=32, inner=48, layers=2, heads=4, kv_heads=2)
TINY_SIGLIP = Vision(width=24, inner=36, layers=3, heads=3, image_size=31, patch_size=7)
TINY_CLIP = Vision(width=24, inner=36, layers=3, heads=2, image_size=28, patch_size=7)

PHI2 = Language(rows=50295, width=2560, inner=10240, layers=32, heads=32, kv_heads=32)
SO400M = Vision(width=1152, inner=4304, layers=27, heads=16, image_size=384, patch_size=14)
QWEN_HALF_B = Language(rows=151936, width=1024, inner=2816, layers=24, heads=16, kv_heads=16)
CLIP_LARGE_336 = Vision(width=1024, inner=4096, layers=24, heads=16, image_size=336, patch_size=14)


def linear(name: str, n_out: int, n_in: int, bias: bool = True) -> Shapes:
    """A linear layer's parameters."""
    return {f"{name}.weight": (n_out, n_in)} | ({f"{name}.bias": (n_out,)} if bias else {})


def norm(name: str, width: int) -> Shapes:
    """A layer norm's parameters."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def phi_shapes(size: Language) -> Shapes:
    """phi as the release stores it: no bias on the output layer."""
    shapes: Shapes = {"model.embed_tokens.weight": (size.rows, size.width)}
    for index in range(size.layers):
        layer = f"model.layers.{index}"
        for name in ("q_proj", "k_proj", "v_proj", "dense"):
            shapes |= linear(f"{layer}.self_attn.{name}", size.width, size.width)
        shapes |= linear(f"{layer}.mlp.fc1", size.inner, size.width)
        shapes |= linear(f"{layer}.mlp.fc2", size.width, size.inner)
        shapes |= norm(f"{layer}.input_layernorm", size.width)
    shapes |= norm("model.final_layernorm", size.width)
    return shapes | linear("lm_head", size.rows, size.width, bias=False)


def qwen_shapes(size: Language) -> Shapes:
    """Qwen1.5; its output layer is its embedding."""
    kv_width = size.width // size.heads * size.kv_heads
    shapes: Shapes = {"model.embed_tokens.weight": (size.rows, size.width)}
    for index in range(size.layers):
        layer = f"model.layers.{index}"
        shapes |= linear(f"{layer}.self_attn.q_proj", size.width, size.width)
        shapes |= linear(f"{layer}.self_attn.k_proj", kv_width, size.width)
        shapes |= linear(f"{layer}.self_attn.v_proj", kv_width, size.width)
        shapes |= linear(f"{layer}.self_attn.o_proj", size.width, size.width, bias=False)
        shapes |= linear(f"{layer}.mlp.gate_proj", size.inner, size.width, bias=False)
        shapes |= linear(f"{layer}.mlp.up_proj", size.inner, size.width, bias=False)
        shapes |= linear(f"{layer}.mlp.down_proj", size.width, size.inner, bias=False)
        shapes[f"{layer}.input_layernorm.weight"] = (size.width,)
        shapes[f"{layer}.post_attention_layernorm.weight"] = (size.width,)
    shapes["model.norm.weight"] = (size.width,)
    return shapes


def _tower_shapes(size: Vision, layers: int, prefix: str) -> Shapes:
    shapes: Shapes = {}
    for index in range(layers):
        layer = f"{prefix}encoder.layers.{index}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= linear(f"{layer}.self_attn.{name}", size.width, size.width)
        shapes |= linear(f"{layer}.mlp.fc1", size.inner, size.width)
        shapes |= linear(f"{layer}.mlp.fc2", size.width, size.inner)
        shapes |= norm(f"{layer}.layer_norm1", size.width)
        shapes |= norm(f"{layer}.layer_norm2", size.width)
    return shapes | norm(f"{prefix}post_layernorm", size.width)


def siglip_shapes(size: Vision, prefix: str = TOWER, whole: bool = False) -> Shapes:
    """SigLIP without its last layer and head, as the release stores it; or the `whole` tower."""
    patch = (size.width, 3, size.patch_size, size.patch_size)
    shapes: Shapes = {
        f"{prefix}embeddings.patch_embedding.weight": patch,
        f"{prefix}embeddings.patch_embedding.bias": (size.width,),
        f"{prefix}embeddings.position_embedding.weight": (size.patches, size.width),
    }
    shapes |= _tower_shapes(size, size.layers if whole else size.layers - 1, prefix)
    if whole:
        shapes[f"{prefix}head.probe"] = (1, 1, size.width)
        shapes[f"{prefix}head.attention.in_proj_weight"] = (3 * size.width, size.width)
        shapes |= norm(f"{prefix}head.layernorm", size.width)
    return shapes


def clip_shapes(size: Vision, prefix: str = TOWER) -> Shapes:
    """CLIP, complete."""
    patch = (size.width, 3, size.patch_size, size.patch_size)
    shapes: Shapes = {
        f"{prefix}embeddings.class_embedding": (size.width,),
        f"{prefix}embeddings.patch_embedding.weight": patch,
        f"{prefix}embeddings.position_embedding.weight": (size.patches + 1, size.width),
    }
    shapes |= norm(f"{prefix}pre_layrnorm", size.width)
    return shapes | _tower_shapes(size, size.layers, prefix)


def projector_shapes(vision: Vision, language: Language) -> Shapes:
    """Two linear layers; the activation between them takes number 1."""
    first = linear("model.mm_projector.0", language.width, vision.width)
    return first | linear("model.mm_projector.2", language.width, language.width)


def random_tensors(shapes: Shapes, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
    """Random weights; those of norms lie around one."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator) * 0.2
        if "norm" in name and name.endswith(".weight"):
            values += 1.0
        tensors[name] = values.to(dtype)
    return tensors


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


def write_sharded(folder: Path, tensors: Tensors, shards: int, binary: bool = False) -> None:
    """Weights in several files with an index, as the release's larger checkpoints come."""
    stem, suffix = ("pytorch_model", "bin") if binary else ("model", "safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    weight_map = {}
    for number in range(shards):
        name = f"{stem}-{number + 1:05d}-of-{shards:05d}.{suffix}"
        part = dict(list(tensors.items())[number::shards])
        if binary:
            torch.save(part, folder / name)
        else:
            save_file(part, folder / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    write_json(folder / f"{stem}.{suffix}.index.json", {"metadata": {}, "weight_map": weight_map})


def phi_config(size: Language, **changed: Any) -> dict[str, Any]:
    """The fields of a released phi checkpoint, as transformers 4.36 wrote them."""
    return {
        "_name_or_path": "BAAI/bunny-phi-2-siglip",
        "architectures": ["BunnyPhiForCausalLM"],
        "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_bunny_phi.BunnyPhiConfig"},
        "bos_token_id": 50256,
        "embd_pdrop": 0.0,
        "eos_token_id": 50256,
        "freeze_mm_mlp_adapter": False,
        "hidden_act": "gelu_new",
        "hidden_size": size.width,
        "image_aspect_ratio": "pad",
        "initializer_range": 0.02,
        "intermediate_size": size.inner,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048,
        "mm_hidden_size": TINY_SIGLIP.width,
        "mm_projector_lr": 2e-05,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_tower": "google/siglip-so400m-patch14-384",
        "model_type": "bunny-phi",
        "num_attention_heads": size.heads,
        "num_hidden_layers": size.layers,
        "num_key_value_heads": size.kv_heads,
        "pad_token_id": 50256 if size.rows > 50256 else None,
        "partial_rotary_factor": 0.4,
        "qk_layernorm": False,
        "resid_pdrop": 0.1,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "tokenizer_model_max_length": 2048,
        "tokenizer_padding_side": "right",
        "torch_dtype": "float16",
        "transformers_version": "4.36.2",
        "tune_mm_mlp_adapter": False,
        "use_cache": True,
        "use_mm_proj": True,
        "vocab_size": size.rows,
        **changed,
    }


def qwen_config(size: Language, **changed: Any) -> dict[str, Any]:
    """The fields of a Qwen1.5 checkpoint of the release's code."""
    return {
        "architectures": ["BunnyQwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 99,
        "eos_token_id": 99,
        "hidden_act": "silu",
        "hidden_size": size.width,
        "image_aspect_ratio": "pad",
        "initializer_range": 0.02,
        "intermediate_size": size.inner,
        "max_position_embeddings": 32768,
        "max_window_layers": 21,
        "mm_hidden_size": TINY_CLIP.width,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_tower": "/data/models/clip-vit-large-patch14-336",
        "model_type": "bunny-qwen2",
        "num_attention_heads": size.heads,
        "num_hidden_layers": size.layers,
        "num_key_value_heads": size.kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": True,
        "tokenizer_model_max_length": 2048,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.37.0",
        "use_cache": True,
        "use_mm_proj": True,
        "use_sliding_window": False,
        "vocab_size": size.rows,
        **changed,
    }


def vision_config(family: str, size: Vision) -> dict[str, Any]:
    """``config.json`` of a CLIP or SigLIP folder with both halves."""
    return {
        "model_type": family,
        "text_config": {"model_type": f"{family}_text_model"},
        "vision_config": {
            "model_type": f"{family}_vision_model",
            "hidden_size": size.width,
            "image_size": size.image_size,
            "intermediate_size": size.inner,
            "num_attention_heads": size.heads,
            "num_hidden_layers": size.layers,
            "patch_size": size.patch_size,
        },
    }


def write_tokenizer(folder: Path, entries: int, added: int = 0) -> None:
    """A ``tokenizer.json`` with that many entries, the last `added` of them added ones."""
    vocabulary = {f"t{index}": index for index in range(entries - added)}
    extra = [{"id": index, "content": f"<{index}>"} for index in range(entries - added, entries)]
    write_json(folder / "tokenizer.json", {"model": {"vocab": vocabulary}, "added_tokens": extra})
