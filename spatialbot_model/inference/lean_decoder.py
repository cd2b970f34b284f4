"""A Qwen2 decoder's forward pass with nothing in it that inference does not need.

It computes what transformers' `Qwen2Model` computes, with its weights, but leaves out the work
that no answer depends on: the last layer's queries and MLP are run only at the positions whose
logits are wanted (keys and values at all, later tokens look at them), rotary tables are made
once, and no masks are built where attention has a causal mode. Layers that read the same input
are joined. Other architectures run through transformers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen2Model

_MOST_COPIED_BYTES = 500_000_000


class LeanDecoder:
    """Runs the layers of a `Qwen2Model`; B rows, T new tokens, L keys, D model width.

    Args:
        decoder: see `fits`. Weights of joined layers are copied while that takes less than
            0.5 GB, so they must not change afterwards.
        context_length: most positions of a row.
    """

    def __init__(self, decoder: Qwen2Model, context_length: int) -> None:
        self._layers: list[Any] = list(decoder.layers)
        copied = sum(
            linear.weight.nbytes for layer in self._layers for linear in _joined_linears(layer)
        )
        copies = copied <= _MOST_COPIED_BYTES
        self._inputs = [_Joined(_joined_linears(layer)[:3], copies) for layer in self._layers]
        self._gates = [_Joined(_joined_linears(layer)[3:], copies) for layer in self._layers]
        self._norm: Any = decoder.norm
        attention = self._layers[0].self_attn
        self._head_width = int(attention.head_dim)
        self._groups = int(attention.num_key_value_groups)
        weight = decoder.embed_tokens.weight
        positions = torch.arange(context_length, device=weight.device)[None]
        with torch.inference_mode():
            cos, sin = decoder.rotary_emb(weight[:1, None], positions)
        self._cos, self._sin = cos[0], sin[0]

    @staticmethod
    def fits(decoder: nn.Module) -> bool:
        """Whether a decoder is one that this class computes."""
        return (
            type(decoder) is Qwen2Model
            and not decoder.has_sliding_layers
            and decoder.rotary_emb.rope_type == "default"
            and decoder.config.hidden_act == "silu"
        )

    def __call__(
        self,
        embeds_BTD: Tensor,
        positions_BT: Tensor,
        mask: Tensor | None,
        cache: Any,
        num_wanted: int,
    ) -> Tensor:
        """Hidden states (B, num_wanted, D) of the last tokens; their keys go into the cache.

        Args:
            mask: (B, 1, T, L) bool, True where a query sees a key; None for plain causal rows.
            cache: of transformers.
        """
        cos = self._cos[positions_BT][:, None]
        sin = self._sin[positions_BT][:, None]
        x = embeds_BTD
        last = len(self._layers) - 1
        for index, layer in enumerate(self._layers):
            attention = layer.self_attn
            normed = _rms_norm(layer.input_layernorm, x)
            if index == last and num_wanted < x.shape[1]:
                key, value = map(self._heads, self._inputs[index](normed, slice(1, 3)))
                key, value = cache.update(_rotate(key, cos, sin), value, index)
                x, normed = x[:, -num_wanted:], normed[:, -num_wanted:]
                cos, sin = cos[:, :, -num_wanted:], sin[:, :, -num_wanted:]
                mask = mask[:, :, -num_wanted:] if mask is not None else None
                query = self._heads(self._inputs[index](normed, slice(0, 1))[0])
            else:
                query, key, value = map(self._heads, self._inputs[index](normed))
                key, value = cache.update(_rotate(key, cos, sin), value, index)
            attended = self._attend(_rotate(query, cos, sin), key, value, mask)
            x = x + attention.o_proj(attended.transpose(1, 2).flatten(2))
            gate, up = self._gates[index](_rms_norm(layer.post_attention_layernorm, x))
            x = x + layer.mlp.down_proj(F.silu(gate) * up)
        return _rms_norm(self._norm, x)

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, heads * width) -> (B, heads, T, width)."""
        return x.reshape(*x.shape[:2], -1, self._head_width).transpose(1, 2)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """(B, heads, T, width) of queries that are the last T of the keys' positions."""
        num_queries, num_keys = query.shape[2], key.shape[2]
        if num_queries == 1 and mask is None:
            # the heads of a group share their keys, so they are taken as its queries
            grouped = query.reshape(query.shape[0], -1, self._groups, self._head_width)
            return F.scaled_dot_product_attention(grouped, key, value).flatten(1, 2)[:, :, None]
        if self._groups > 1:
            key = key.repeat_interleave(self._groups, dim=1)
            value = value.repeat_interleave(self._groups, dim=1)
        if mask is None and num_queries < num_keys:
            mask = torch.ones(num_queries, num_keys, dtype=torch.bool, device=query.device)
            mask = mask.tril(num_keys - num_queries)
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None
        )


class _Joined:
    """Linear layers that read the same input, as one where their weights may be copied."""

    def __init__(self, linears: Sequence[Any], copies: bool) -> None:
        self._linears = linears
        self._widths = [linear.out_features for linear in linears]
        self._weight: Tensor | None = None
        self._bias: Tensor | None = None
        if not copies:
            return
        with torch.inference_mode():
            self._weight = torch.cat([linear.weight for linear in linears])
            if linears[0].bias is not None:
                self._bias = torch.cat([linear.bias for linear in linears])
            if self._weight.device.type == "cpu" and self._weight.dtype == torch.float32:
                # laid out by columns: reads twice as fast when one token is multiplied
                self._weight = self._weight.t().contiguous().t()

    def __call__(self, x: Tensor, which: slice = slice(None)) -> Sequence[Tensor]:
        """Outputs of the chosen layers."""
        if self._weight is None:
            return [linear(x) for linear in self._linears[which]]
        widths = self._widths[which]
        first = sum(self._widths[: which.start or 0])
        rows = slice(first, first + sum(widths))
        bias = None if self._bias is None else self._bias[rows]
        return torch.split(F.linear(x, self._weight[rows], bias), widths, dim=-1)


def _joined_linears(layer: Any) -> list[Any]:
    attention, mlp = layer.self_attn, layer.mlp
    return [
        *(attention.q_proj, attention.k_proj, attention.v_proj),
        *(mlp.gate_proj, mlp.up_proj),
    ]


def _rms_norm(norm: Any, x: Tensor) -> Tensor:
    wide = x.float()
    wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + norm.variance_epsilon)
    weighted: Tensor = norm.weight * wide.to(x.dtype)
    return weighted


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin
