"""What a released checkpoint computes, in plain tensor operations on its own parameter names.

Written from the definitions of the models, in float64. Nothing of transformers or of the code
under test is used, so that agreement means something.
"""

import math

import torch
from release_files import TOWER, Language, Tensors, Vision
from torch import Tensor


def linear(t: Tensors, name: str, x: Tensor) -> Tensor:
    """x W^T + b, without b when there is none."""
    y = x @ t[f"{name}.weight"].T
    return y + t[f"{name}.bias"] if f"{name}.bias" in t else y


def layer_norm(t: Tensors, name: str, x: Tensor, eps: float) -> Tensor:
    """Normalised over the last axis, scaled and shifted."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps)
    return scaled * t[f"{name}.weight"] + t[f"{name}.bias"]


def rms_norm(t: Tensors, name: str, x: Tensor, eps: float) -> Tensor:
    """Scaled by the root mean square of the last axis."""
    return x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps) * t[f"{name}.weight"]


def gelu_tanh(x: Tensor) -> Tensor:
    """The approximation that phi and SigLIP were trained with."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def gelu(x: Tensor) -> Tensor:
    """The exact one, of the projector."""
    return 0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0)))


def quick_gelu(x: Tensor) -> Tensor:
    """OpenAI's approximation, of CLIP."""
    return x * torch.sigmoid(1.702 * x)


def silu(x: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return x * torch.sigmoid(x)


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Softmax attention of (T, H, d) queries, keys and values; (T, H * d)."""
    scores = torch.einsum("thd,shd->hts", q, k) / math.sqrt(q.shape[-1])
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -math.inf)
    return torch.einsum("hts,shd->thd", scores.softmax(-1), v).flatten(1)


def rotate(x: Tensor, base: float, width: int) -> Tensor:
    """Rotary positions on the first `width` channels of (T, H, d)."""
    half = width // 2
    frequency = base ** (-torch.arange(half, dtype=torch.float64) * 2 / width)
    angle = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * frequency
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    first, second, rest = x[..., :half], x[..., half:width], x[..., width:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


def vision_features(t: Tensors, image: Tensor, size: Vision, family: str) -> Tensor:
    """(P, C) features of one (3, S, S) image, as the release feeds them to its projector.

    SigLIP: the output of the last but one layer of the published tower, before the last norm.
    CLIP: the same layer, without the class token.
    """
    side, patch = size.image_size // size.patch_size, size.patch_size
    cut = image[:, : side * patch, : side * patch]
    patches = cut.unfold(1, patch, patch).unfold(2, patch, patch)  # (3, side, side, p, p)
    kernel = t[f"{TOWER}embeddings.patch_embedding.weight"]
    x = torch.einsum("cyxij,ocij->yxo", patches, kernel).reshape(side * side, -1)
    if family == "siglip":
        x = x + t[f"{TOWER}embeddings.patch_embedding.bias"]
    else:
        x = torch.cat([t[f"{TOWER}embeddings.class_embedding"][None], x])
    x = x + t[f"{TOWER}embeddings.position_embedding.weight"]
    eps, activation = (1e-6, gelu_tanh) if family == "siglip" else (1e-5, quick_gelu)
    if family == "clip":
        x = layer_norm(t, f"{TOWER}pre_layrnorm", x, eps)
    for index in range(size.layers - 1):
        layer = f"{TOWER}encoder.layers.{index}"
        h = layer_norm(t, f"{layer}.layer_norm1", x, eps)
        q, k, v = (
            linear(t, f"{layer}.self_attn.{name}_proj", h).unflatten(-1, (size.heads, -1))
            for name in "qkv"
        )
        x = x + linear(t, f"{layer}.self_attn.out_proj", attend(q, k, v, causal=False))
        h = layer_norm(t, f"{layer}.layer_norm2", x, eps)
        x = x + linear(t, f"{layer}.mlp.fc2", activation(linear(t, f"{layer}.mlp.fc1", h)))
    return x[1:] if family == "clip" else x


def projected(t: Tensors, features: Tensor) -> Tensor:
    """(P, D) image tokens."""
    hidden = gelu(linear(t, "model.mm_projector.0", features))
    return linear(t, "model.mm_projector.2", hidden)


def phi(t: Tensors, x: Tensor, size: Language, rotary_base: float = 10000.0) -> list[Tensor]:
    """Hidden states of phi: the input, each layer's output, the normalised last one."""
    rotary_width = int(0.4 * (size.width // size.heads))
    states = [x]
    for index in range(size.layers):
        layer = f"model.layers.{index}"
        h = layer_norm(t, f"{layer}.input_layernorm", x, 1e-5)
        q, k, v = (
            linear(t, f"{layer}.self_attn.{name}_proj", h).unflatten(-1, (size.heads, -1))
            for name in "qkv"
        )
        q, k = rotate(q, rotary_base, rotary_width), rotate(k, rotary_base, rotary_width)
        attended = linear(t, f"{layer}.self_attn.dense", attend(q, k, v, causal=True))
        x = (
            x
            + attended
            + linear(t, f"{layer}.mlp.fc2", gelu_tanh(linear(t, f"{layer}.mlp.fc1", h)))
        )
        states.append(x)
    states[-1] = layer_norm(t, "model.final_layernorm", x, 1e-5)
    return states


def qwen(t: Tensors, x: Tensor, size: Language) -> list[Tensor]:
    """Hidden states of Qwen1.5, in the same order."""
    width = size.width // size.heads
    states = [x]
    for index in range(size.layers):
        layer = f"model.layers.{index}"
        h = rms_norm(t, f"{layer}.input_layernorm", x, 1e-6)
        q, k, v = (
            linear(t, f"{layer}.self_attn.{name}_proj", h).unflatten(-1, (-1, width))
            for name in "qkv"
        )
        q, k = rotate(q, 1e6, width), rotate(k, 1e6, width)
        shared = size.heads // size.kv_heads
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
        x = x + linear(t, f"{layer}.self_attn.o_proj", attend(q, k, v, causal=True))
        h = rms_norm(t, f"{layer}.post_attention_layernorm", x, 1e-6)
        gated = silu(linear(t, f"{layer}.mlp.gate_proj", h)) * linear(t, f"{layer}.mlp.up_proj", h)
        x = x + linear(t, f"{layer}.mlp.down_proj", gated)
        states.append(x)
    states[-1] = rms_norm(t, "model.norm", x, 1e-6)
    return states


def prompt_states(
    tensors: Tensors,
    segments: list[list[int] | Tensor],
    language: Language,
    vision: Vision,
    family: str,
) -> tuple[list[Tensor], Tensor]:
    """Hidden states and logits of a prompt of token ids and (3, S, S) images, by turns."""
    t = {name: value.double() for name, value in tensors.items()}
    embedded = [
        projected(t, vision_features(t, part.double(), vision, family))
        if isinstance(part, Tensor)
        else t["model.embed_tokens.weight"][part]
        for part in segments
    ]
    x = torch.cat(embedded)
    states = phi(t, x, language) if family == "siglip" else qwen(t, x, language)
    head = t.get("lm_head.weight", t["model.embed_tokens.weight"])
    return states, states[-1] @ head.T
