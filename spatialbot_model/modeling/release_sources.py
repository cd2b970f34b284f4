"""Collecting a release's tensors from the folders it may be spread over.

Later sources win: the base, then what was trained besides an adapter
(``non_lora_trainables.bin``) or in pretraining (``mm_projector.bin``), then the adapter itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.lora_merge import (
    ADAPTER_CONFIG_NAME,
    LoraUpdate,
    read_adapter,
    with_update,
)
from spatialbot_model.modeling.release_config import CONFIG_NAME, TEXT_MODEL_TYPES
from spatialbot_model.modeling.release_keys import (
    RELEASE_PROJECTOR_PREFIX,
    RELEASE_VISION_PREFIX,
    canonical,
    is_derived,
    listed,
)
from spatialbot_model.modeling.weight_files import StoredTensor, open_file, open_weights, read_json

_NON_LORA_NAME = "non_lora_trainables.bin"
_PROJECTOR_NAME = "mm_projector.bin"
_HEAD_BIAS = "lm_head.bias"


@dataclass(frozen=True, slots=True)
class ReleaseTensors:
    """All tensors of a release under their canonical names, by the part they belong to.

    Attributes:
        language, projector, vision: the tensors; `vision` is empty when the tower lies apart.
        ignored: names of stored tensors that are not needed.
        num_merged: weights that have an adapter merged in.
        has_base: whether the language model comes from a base folder.
    """

    language: dict[str, StoredTensor]
    projector: dict[str, StoredTensor]
    vision: dict[str, StoredTensor]
    ignored: tuple[str, ...]
    num_merged: int
    has_base: bool


def gather_tensors(source: Path, base: Path | None) -> ReleaseTensors:
    """Read what a release consists of; adapters are merged when their weight is read.

    Raises:
        CheckpointError: a base that is missing, not needed or of another kind, unreadable
            files, or an adapter of something that the base does not have.
    """
    adapted = (source / ADAPTER_CONFIG_NAME).is_file()
    projector_alone = not adapted and (source / _PROJECTOR_NAME).is_file()
    ignored: list[str] = []
    num_merged = 0
    if not adapted and not projector_alone:
        if base is not None:
            raise CheckpointError(
                f"{source} is a whole checkpoint and needs no base; leave {base} out."
            )
        tensors = _named(open_weights(source), ignored)
    else:
        if base is None:
            raise CheckpointError(_base_needed(source, adapted))
        tensors = _base_tensors(base, ignored)
        extra = source / (_NON_LORA_NAME if adapted else _PROJECTOR_NAME)
        if extra.is_file():
            tensors |= _named(open_file(extra), ignored)
        if adapted:
            updates = read_adapter(source)
            tensors = _merge(tensors, updates, source)
            num_merged = len(updates)
    return ReleaseTensors(
        language={
            key: tensor
            for key, tensor in tensors.items()
            if not key.startswith((RELEASE_PROJECTOR_PREFIX, RELEASE_VISION_PREFIX))
        },
        projector=_part(tensors, RELEASE_PROJECTOR_PREFIX),
        vision=_part(tensors, RELEASE_VISION_PREFIX),
        ignored=tuple(ignored),
        num_merged=num_merged,
        has_base=base is not None,
    )


def _part(tensors: Mapping[str, StoredTensor], prefix: str) -> dict[str, StoredTensor]:
    return {key: tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def _named(stored: Mapping[str, StoredTensor], ignored: list[str]) -> dict[str, StoredTensor]:
    named: dict[str, StoredTensor] = {}
    for key, tensor in stored.items():
        name = canonical(key)
        if is_derived(name):
            ignored.append(key)
        elif name in named:
            raise CheckpointError(
                f"{tensor.file}: {key} and {named[name].key} are two names of one parameter."
            )
        else:
            named[name] = tensor
    return named


def _base_tensors(base: Path, ignored: list[str]) -> dict[str, StoredTensor]:
    model_type = read_json(base / CONFIG_NAME).get("model_type")
    supported = {*TEXT_MODEL_TYPES, *TEXT_MODEL_TYPES.values()}
    if model_type not in supported:
        raise CheckpointError(
            f"{base / CONFIG_NAME}: model_type is {model_type!r}; a base is a language model or a"
            f" merged checkpoint, one of {', '.join(sorted(supported))}."
        )
    tensors = _named(open_weights(base), ignored)
    # phi-2 has this bias; the release's model class does not, so it was never used in training
    if model_type == "phi" and tensors.pop(_HEAD_BIAS, None) is not None:
        ignored.append(_HEAD_BIAS)
    return tensors


def _base_needed(source: Path, adapted: bool) -> str:
    if not adapted:
        return (
            f"{source} holds a projector alone; give the folder of the language model that it was"
            " trained with as base."
        )
    name = read_json(source / ADAPTER_CONFIG_NAME).get("base_model_name_or_path")
    return (
        f"{source} is a LoRA adapter; give the folder of the model that it was trained on as base"
        f" ({ADAPTER_CONFIG_NAME} names {name!r})."
    )


def _merge(
    tensors: Mapping[str, StoredTensor], updates: Mapping[str, LoraUpdate], source: Path
) -> dict[str, StoredTensor]:
    unknown = updates.keys() - tensors.keys()
    if unknown:
        raise CheckpointError(
            f"{source} adapts {len(unknown)} weights that the base does not have:{listed(unknown)}"
        )
    unlike = [
        f"{key}: adapter for {update.weight_shape}, weight {tensors[key].shape}"
        for key, update in updates.items()
        if tensors[key].shape != update.weight_shape
    ]
    if unlike:
        raise CheckpointError(
            f"{source} adapts {len(unlike)} weights of another shape than the base has:"
            + listed(unlike)
        )
    merged = {key: with_update(tensors[key], update) for key, update in updates.items()}
    return {**tensors, **merged}
