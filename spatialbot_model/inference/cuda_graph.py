"""One decode step as a CUDA graph: a single launch instead of hundreds of small ones.

The graph reads one token's embedding, its position and a mask from fixed tensors, writes keys
and values at that position of fixed buffers, and leaves the hidden state in a fixed tensor.
Without CUDA the same step runs without capture, which is what the tests compare. The capture
itself has not been run on a GPU yet.
"""

from collections.abc import Callable
from typing import Any

import torch

from spatialbot_model.inference.kv_cache import BufferCache

_WARM_UP_RUNS = 3


Decode = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, Any, int], torch.Tensor]
"""(B, T, D) embeddings, (B, T) positions, mask, cache, n -> hidden states of the last n."""


class DecodeGraph:
    """Decodes single tokens of single rows; captured at first use and when buffers change."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._cache: BufferCache | None = None
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(self, embeds: torch.Tensor, position: int, cache: BufferCache) -> torch.Tensor:
        """Hidden state (1, 1, D) of one token, valid until the next run.

        Args:
            embeds: (1, 1, D) of the token.
            position: tokens read before it; as many are held by `cache`.
            cache: gets the token's keys and values.
        """
        if self._cache is not cache or self._columns.numel() != cache.capacity:
            self._prepare(embeds, cache)
        self._embeds.copy_(embeds)
        self._position.fill_(position)
        if self._graph is None:
            self._hidden = self._step()
        else:
            self._graph.replay()
        cache.advance(1)
        return self._hidden

    def _prepare(self, embeds: torch.Tensor, cache: BufferCache) -> None:
        device = embeds.device
        self._cache, self._graph = cache, None
        self._embeds = embeds.clone()
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        self._columns = torch.arange(cache.capacity, device=device)
        if device.type != "cuda":
            return
        # runs before the capture write to the place that the next token takes anyway
        self._position.fill_(cache.get_seq_length())
        stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # library
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_RUNS):
                self._step()
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._hidden = self._step()
        self._graph = graph

    def _step(self) -> torch.Tensor:
        assert self._cache is not None
        mask = (self._columns <= self._position)[None, None, None, :]
        self._cache.fixed_position = self._position
        try:
            return self._decode(self._embeds, self._position[None], mask, self._cache, 1)
        finally:
            self._cache.fixed_position = None
