"""`TokenModel` on the real weights: prefill with images, decode on a cache, few logits.

Logits are computed only where they are wanted: after the last tokens of a pass, and for the
101 action tokens alone where one of them must follow.

A batch is held in common columns of the cache. A row that reads fewer tokens than others, or
that was cut back, leaves holes; a mask hides them, and positions count a row's own tokens only.
So a row's numbers are those of the row alone up to rounding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from spatialbot_model.contracts.errors import ContextLengthError
from spatialbot_model.inference.cuda_graph import DecodeGraph
from spatialbot_model.inference.kv_cache import (
    BufferCache,
    CacheKind,
    GrowingCache,
    capacity_for,
)
from spatialbot_model.inference.lean_decoder import LeanDecoder
from spatialbot_model.inference.token_model import Pass
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration


class TorchTokenModel:
    """Rows of one batch on a model; implements `token_model.TokenModel`.

    Used by one thread at a time. `begin` before each batch.

    Args:
        model: in evaluation mode, with sdpa attention.
        cache: `static` buffers, or transformers' growing cache.
        context_length: most tokens of a row.
        cuda_graph: whether single tokens are decoded by a captured graph (CUDA only).
    """

    def __init__(
        self,
        model: SpatialBotForConditionalGeneration,
        *,
        cache: CacheKind,
        context_length: int,
        cuda_graph: bool = False,
    ) -> None:
        self._model = model
        self._decoder: nn.Module = model.language_model.get_decoder()
        self._lean = (
            LeanDecoder(self._decoder, context_length) if LeanDecoder.fits(self._decoder) else None
        )
        self._head: Any = model.language_model.get_output_embeddings()
        self._embed: Any = model.language_model.get_input_embeddings()
        self._image_id = int(model.config.image_token_id)
        self._num_layers = int(model.config.text.num_hidden_layers)
        self._kind = cache
        self._context_length = context_length
        self._device = self._embed.weight.device
        self._positions = torch.arange(context_length + 1, device=self._device)
        self._buffers: dict[int, BufferCache] = {}
        self._graph: DecodeGraph | None = DecodeGraph(self._decode) if cuda_graph else None
        self._cache: BufferCache | GrowingCache = GrowingCache()
        self._features: list[torch.Tensor | None] = []
        self._states: list[torch.Tensor | None] = []
        self._columns_used = 0
        self._filled: torch.Tensor | None = None
        self._lengths: list[int] = []

    def begin(
        self,
        image_features: Sequence[torch.Tensor | None],
        num_tokens: int,
        robot_states: Sequence[torch.Tensor | None] | None = None,
    ) -> None:
        """Start a batch of empty rows.

        Args:
            image_features: per row (sum n_i, D), in the order of its image tokens; None without.
            num_tokens: columns that the batch is expected to need at most.
            robot_states: per row (1, 21), for weights that act by it; None where unknown.
        """
        num_rows = len(image_features)
        self._states = list(robot_states or (None,) * num_rows)
        self._features = list(image_features)
        self._lengths = [0] * num_rows
        self._columns_used = 0
        self._filled = None
        if num_rows > 1:
            self._filled = torch.zeros(num_rows, 0, dtype=torch.bool, device=self._device)
        if self._kind == "dynamic":
            self._cache = GrowingCache()
            return
        if num_rows not in self._buffers:
            self._buffers[num_rows] = BufferCache(self._num_layers, capacity_for(num_tokens))
        self._cache = self._buffers[num_rows]
        self._cache.truncate(0)
        self._cache.reserve(num_tokens)

    @torch.inference_mode()
    def run(self, passes: Sequence[Pass | None]) -> list[torch.Tensor | None]:
        """See `TokenModel`.

        Raises:
            ContextLengthError: a row grows beyond the context.
        """
        for row, wanted in enumerate(passes):
            if wanted is not None and wanted.keep + len(wanted.ids) > self._context_length:
                raise ContextLengthError(
                    f"a row of {wanted.keep} tokens cannot take {len(wanted.ids)} more; the"
                    f" model's context is {self._context_length}. Allow fewer depth queries, show"
                    " fewer images, or use a model with fewer tokens an image"
                )
            if wanted is not None and wanted.keep > self._lengths[row]:
                raise ValueError(f"row {row} has {self._lengths[row]} tokens, not {wanted.keep}")
        if len(passes) == 1:
            assert passes[0] is not None
            logits: list[torch.Tensor | None] = [self._run_alone(passes[0])]
        else:
            logits = self._run_batch(passes)
        if self._device.type == "cuda":
            # the next token is chosen on the host anyway; here the wait is part of the pass's time
            torch.cuda.synchronize(self._device)
        return logits

    @property
    def _library_cache(self) -> Any:
        return self._cache.cache if isinstance(self._cache, GrowingCache) else self._cache

    def _run_alone(self, wanted: Pass) -> torch.Tensor:
        self._cache.truncate(wanted.keep)
        end = wanted.keep + len(wanted.ids)
        self._cache.reserve(end)
        self._lengths[0] = end
        ids = torch.tensor([wanted.ids], device=self._device)
        if self._graph is not None and len(wanted.ids) == 1:
            assert isinstance(self._cache, BufferCache)
            hidden = self._graph.run(self._embed(ids), wanted.keep, self._cache)
        else:
            hidden = self._decode(
                self._embed_row(ids, 0, wanted),
                self._positions[None, wanted.keep : end],
                None,
                self._library_cache,
                wanted.num_logits,
            )
        return self._logits(hidden[0], wanted, 0)

    def _run_batch(self, passes: Sequence[Pass | None]) -> list[torch.Tensor | None]:
        """One pass of several rows: each row's tokens end at the last new column."""
        assert self._filled is not None
        num_rows, width = len(passes), max(len(p.ids) for p in passes if p is not None)
        start = self._columns_used
        self._cache.reserve(start + width)
        positions = torch.zeros(num_rows, width, dtype=torch.long, device=self._device)
        embeds = []
        for row, wanted in enumerate(passes):
            count = 0 if wanted is None else len(wanted.ids)
            padding = self._embed.weight.new_zeros(width - count, self._embed.weight.shape[1])
            if wanted is None:
                embeds.append(padding)
                continue
            self._cut_row(row, wanted.keep)
            self._lengths[row] = wanted.keep + count
            positions[row, width - count :] = self._positions[wanted.keep : wanted.keep + count]
            ids = torch.tensor([wanted.ids], device=self._device)
            embeds.append(torch.cat([padding, self._embed_row(ids, row, wanted)[0]]))
        new = torch.zeros(num_rows, width, dtype=torch.bool, device=self._device)
        for row, wanted in enumerate(passes):
            if wanted is not None:
                new[row, width - len(wanted.ids) :] = True
        self._filled = torch.cat([self._filled, new], dim=1)
        self._columns_used += width
        hidden = self._decode(
            torch.stack(embeds),
            positions,
            self._batch_mask(start, width),
            self._library_cache,
            max(p.num_logits for p in passes if p is not None),
        )
        return [
            None if p is None else self._logits(hidden[row], p, row) for row, p in enumerate(passes)
        ]

    def _cut_row(self, row: int, keep: int) -> None:
        """Hide a row's tokens from `keep` on; their columns stay in use."""
        assert self._filled is not None
        if keep < self._lengths[row]:
            self._filled[row] &= self._filled[row].cumsum(0) <= keep

    def _batch_mask(self, start: int, width: int) -> torch.Tensor:
        """(B, 1, width, columns) bool: filled columns up to the query's own."""
        assert self._filled is not None
        columns = torch.arange(start + width, device=self._device)
        queries = columns[start:, None]
        mask = self._filled[:, None, None, :] & (columns <= queries)
        # a query of padding sees itself, since attention over nothing is not a number
        return mask | (columns == queries)

    def _embed_row(self, ids: torch.Tensor, row: int, wanted: Pass) -> torch.Tensor:
        features = self._features[row]
        if wanted.keep == 0 and features is not None:
            return self._model.merge(ids, features)
        return self._model.embed_ids(ids)

    def _decode(
        self,
        embeds: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | None,
        cache: Any,
        num_wanted: int,
    ) -> torch.Tensor:
        """Hidden states of at least the last `num_wanted` tokens."""
        if self._lean is not None:
            return self._lean(embeds, positions, mask, cache, num_wanted)
        output = self._decoder(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        return output.last_hidden_state  # type: ignore[no-any-return]  # untyped model output

    def _logits(self, hidden_TD: torch.Tensor, wanted: Pass, row: int) -> torch.Tensor:
        hidden_TD, columns = hidden_TD[-wanted.num_logits :], wanted.columns
        reader = self._model.action_queries
        if wanted.num_queries and reader is not None:
            asked = hidden_TD[None, -wanted.num_queries :]
            acts = reader.action_states(asked, self._states[row])[0]
            hidden_TD = torch.cat((hidden_TD[: -len(acts)], acts))
        weight, bias = self._head.weight, getattr(self._head, "bias", None)
        if columns is not None:
            weight = weight[columns.start : columns.stop]
            bias = None if bias is None else bias[columns.start : columns.stop]
        return nn.functional.linear(hidden_TD, weight, bias).float()
