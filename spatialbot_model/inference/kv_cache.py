"""Keys and values of the tokens read so far, in buffers that are allocated once.

Growing views of a fixed buffer give attention the same numbers as a cache that grows by
concatenation, without its copies; cutting back is setting a length. For a CUDA graph, whose
shapes may not change, the same buffers are written at a position held in a tensor and attended
to whole, under a mask.
"""

from typing import Any, Literal

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

CacheKind = Literal["static", "dynamic"]
CACHE_KINDS: tuple[CacheKind, ...] = ("static", "dynamic")

_GRANULE = 256


class BufferLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # library
    """Keys and values of one layer, (B, heads, capacity, head width) each."""

    def __init__(self, state: "BufferCache") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # library
        self._state = state
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate the buffers; called by the first `update`."""
        self.dtype, self.device = key_states.dtype, key_states.device
        capacity = self._state.capacity
        # zeros, since a CUDA graph multiplies unwritten places by an attention of exactly 0
        self.keys = key_states.new_zeros((*key_states.shape[:2], capacity, key_states.shape[3]))
        self.values = value_states.new_zeros(
            (*value_states.shape[:2], capacity, value_states.shape[3])
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append and return what attention looks at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        fixed = self._state.fixed_position
        if fixed is not None:
            self.keys.index_copy_(2, fixed, key_states)
            self.values.index_copy_(2, fixed, value_states)
            return self.keys, self.values
        end = self.length + key_states.shape[2]
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def grow(self, capacity: int) -> None:
        """Move to larger buffers."""
        if not self.is_initialized:
            return
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros((*old.shape[:2], capacity, old.shape[3]))
            new[:, :, : self.length] = old[:, :, : self.length]
            setattr(self, name, new)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Keys that a query sees, and where they begin."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens held."""
        return self.length

    def get_max_length(self) -> int:
        """Tokens that fit."""
        return self._state.capacity


class BufferCache(Cache):
    """A cache of fixed capacity whose length can be set back.

    Attributes:
        capacity: tokens that fit.
        fixed_position: (1,) int64 where the next token is written, while a CUDA graph is
            captured or replayed; None otherwise.
    """

    def __init__(self, num_layers: int, capacity: int) -> None:
        self.capacity = capacity
        self.fixed_position: torch.Tensor | None = None
        self._own_layers = [BufferLayer(self) for _ in range(num_layers)]
        super().__init__(layers=list(self._own_layers))

    def reserve(self, num_tokens: int) -> None:
        """Make room for that many tokens; what is held stays."""
        if num_tokens <= self.capacity:
            return
        self.capacity = capacity_for(num_tokens)
        for layer in self._own_layers:
            layer.grow(self.capacity)

    def truncate(self, length: int) -> None:
        """Forget all tokens from `length` on."""
        for layer in self._own_layers:
            layer.length = min(length, layer.length)

    def advance(self, num_tokens: int) -> None:
        """Count tokens that a graph has written."""
        for layer in self._own_layers:
            layer.length += num_tokens


class GrowingCache:
    """transformers' own growing cache behind the same methods."""

    def __init__(self) -> None:
        self.cache = DynamicCache()

    def reserve(self, num_tokens: int) -> None:
        """Nothing to do: it grows by itself."""

    def truncate(self, length: int) -> None:
        """Forget all tokens from `length` on."""
        surplus = int(self.cache.get_seq_length()) - length
        if surplus > 0:
            # a positive number meant the length to keep up to transformers 5.17
            self.cache.crop(-surplus)


def capacity_for(num_tokens: int) -> int:
    """A buffer size for that many tokens, rounded up so that it rarely changes."""
    return -(-num_tokens // _GRANULE) * _GRANULE
