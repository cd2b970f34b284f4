"""Putting a release's tensors in the places of our model, each exactly once."""

from collections.abc import Mapping
from functools import partial

import torch

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.release_keys import (
    OWN_LANGUAGE_PREFIX,
    listed,
    own_name,
    release_name,
)
from spatialbot_model.modeling.weight_files import StoredTensor

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
_HEAD_BIAS = "lm_head.bias"


def matched(
    tensors: Mapping[str, StoredTensor],
    expected: Mapping[str, tuple[int, ...]],
    config: SpatialBotConfig,
) -> tuple[dict[str, StoredTensor], tuple[str, ...]]:
    """The tensors under our names, checked against what the model needs.

    Returns:
        Them and those that a release does not have, which are zero; and the names of the latter.

    Raises:
        CheckpointError: lists what is missing, unexpected or of another shape.
    """
    own = {own_name(key): tensor for key, tensor in tensors.items()}
    needed = dict(expected)
    absent = {}
    if config.text.model_type == "phi":
        # in transformers' class, not in the release's
        bias = OWN_LANGUAGE_PREFIX + _HEAD_BIAS
        absent[bias] = _zeros(tensors[EMBEDDING], needed.pop(bias))
    if config.tie_word_embeddings:
        head = OWN_LANGUAGE_PREFIX + HEAD
        needed.pop(head, None)
        _drop_tied_head(own, head)
    missing = [release_name(key) for key in needed.keys() - own.keys()]
    unexpected = [release_name(key) for key in own.keys() - needed.keys()]
    reshaped = [
        f"{release_name(key)}: {own[key].shape}, expected {shape}"
        for key, shape in needed.items()
        if key in own and own[key].shape != shape
    ]
    problems = [
        f"{len(names)} {what}:{listed(names)}"
        for what, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", reshaped),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"the weights do not fit a {config.text.model_type} language model with a"
            f" {config.vision.model_type} tower and a two-layer projector; nothing was"
            " written.\n" + "\n".join(problems)
        )
    return own | absent, tuple(absent)


def _drop_tied_head(own: dict[str, StoredTensor], head: str) -> None:
    stored = own.pop(head, None)
    embedding = own.get(OWN_LANGUAGE_PREFIX + EMBEDDING)
    if stored is None or embedding is None:
        return
    if not torch.equal(stored.read(), embedding.read()):
        raise CheckpointError(
            f"{HEAD} differs from {EMBEDDING}, though the configuration ties them"
            " (tie_word_embeddings); the checkpoint contradicts itself."
        )


def _zeros(like: StoredTensor, shape: tuple[int, ...]) -> StoredTensor:
    return StoredTensor(
        like.file, "zeros", shape, like.dtype, partial(torch.zeros, shape, dtype=like.dtype)
    )
