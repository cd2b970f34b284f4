"""The vision tower of a released checkpoint: its weights, its geometry, which features count.

CLIP is used up to its last but one layer, without the class token. Of SigLIP the release
deletes the last layer and the pooling head, and uses what the last remaining layer gives,
before the final norm. A release holds the tower's weights itself, or leaves them in the
folder that the tower was taken from; its geometry is written only there, so without that
folder a tower must be one of those that the release names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.release_config import BOOKKEEPING_FIELDS, CONFIG_NAME
from spatialbot_model.modeling.release_keys import RELEASE_VISION_PREFIX, vision_folder_name
from spatialbot_model.modeling.weight_files import StoredTensor, open_weights, read_json

Triple = tuple[float, float, float]

_CLIP, _SIGLIP = "clip_vision_model", "siglip_vision_model"
_FAMILIES = {"clip": _CLIP, _CLIP: _CLIP, "siglip": _SIGLIP, _SIGLIP: _SIGLIP}
_CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)
_SIGLIP_MEAN: Triple = (0.5, 0.5, 0.5)
_SIGLIP_STD: Triple = (0.5, 0.5, 0.5)

_CLIP_LARGE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
}
_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 384,
}
# (family, channels, patch [px], rows of the position embedding) -> its configuration
_KNOWN_TOWERS: dict[tuple[str, int, int, int], dict[str, Any]] = {
    (_SIGLIP, 1152, 14, 729): _SO400M,
    (_CLIP, 1024, 14, 577): {**_CLIP_LARGE, "image_size": 336},
    (_CLIP, 1024, 14, 257): {**_CLIP_LARGE, "image_size": 224},
}


@dataclass(frozen=True, slots=True)
class ReleaseVision:
    """A release's vision tower.

    Attributes:
        config: of the tower as we build it.
        feature_layer, drop_class_token: fields of `SpatialBotConfig`.
        mean, std: of (value / 255) per channel, as the tower takes images.
        tensors: its weights under the release's names.
        ignored: tensors that are there and not used.
    """

    config: PreTrainedConfig
    feature_layer: int
    drop_class_token: bool
    mean: Triple
    std: Triple
    tensors: dict[str, StoredTensor]
    ignored: tuple[str, ...]


def read_release_vision(
    inside: Mapping[str, StoredTensor], folder: Path | None, name: str
) -> ReleaseVision:
    """Find the tower of a release.

    Args:
        inside: the tower's tensors within the checkpoint, canonical names; may be empty.
        folder: a CLIP or SigLIP folder. Its weights are used when the checkpoint has none.
        name: `mm_vision_tower`, for messages.

    Raises:
        CheckpointError: no weights, or a geometry that nothing tells.
    """
    ignored: list[str] = []
    told = None if folder is None else _folder_config(folder)
    if inside:
        tensors = dict(inside)
    elif folder is not None:
        tensors, ignored = _folder_tensors(folder)
    else:
        raise CheckpointError(
            f"the checkpoint holds no vision tower; it was trained with {name or 'one'}. Give the"
            " folder of that CLIP or SigLIP model as the vision tower."
        )
    config = told or _known_config(tensors, name)
    siglip = config.model_type == _SIGLIP
    if siglip:
        config.num_hidden_layers -= 1
        config.vision_use_head = False
        cut = (f"encoder.layers.{config.num_hidden_layers}.", "head.")
        surplus = [
            key for key in tensors if key.removeprefix(RELEASE_VISION_PREFIX).startswith(cut)
        ]
        tensors = {key: tensor for key, tensor in tensors.items() if key not in surplus}
        ignored += surplus
    mean, std = (_SIGLIP_MEAN, _SIGLIP_STD) if siglip else _clip_normalisation(folder)
    return ReleaseVision(
        config=config,
        feature_layer=-1 if siglip else -2,
        drop_class_token=not siglip,
        mean=mean,
        std=std,
        tensors=tensors,
        ignored=tuple(sorted(ignored)),
    )


def _folder_config(folder: Path) -> PreTrainedConfig:
    values = read_json(folder / CONFIG_NAME)
    family = _FAMILIES.get(str(values.get("model_type")))
    if family is None:
        raise CheckpointError(
            f"{folder / CONFIG_NAME}: model_type is {values.get('model_type')!r}; expected a vision"
            f" tower, one of {', '.join(sorted(_FAMILIES))}."
        )
    nested = values.get("vision_config")
    if isinstance(nested, dict):
        values = nested
    own = AutoConfig.for_model(family).to_dict()
    kept = {
        key: value for key, value in values.items() if key in own and key not in BOOKKEEPING_FIELDS
    }
    config: PreTrainedConfig = AutoConfig.for_model(family, **kept)
    return config


def _folder_tensors(folder: Path) -> tuple[dict[str, StoredTensor], list[str]]:
    tensors, ignored = {}, []
    for key, tensor in open_weights(folder).items():
        name = vision_folder_name(key)
        if name is None:
            ignored.append(key)
        else:
            tensors[name] = tensor
    return tensors, ignored


def _known_config(tensors: Mapping[str, StoredTensor], name: str) -> PreTrainedConfig:
    """The configuration of a tower that is recognised by its shapes."""
    patch = tensors.get(f"{RELEASE_VISION_PREFIX}embeddings.patch_embedding.weight")
    positions = tensors.get(f"{RELEASE_VISION_PREFIX}embeddings.position_embedding.weight")
    classed = f"{RELEASE_VISION_PREFIX}embeddings.class_embedding" in tensors
    family = _CLIP if classed else _SIGLIP
    if patch is not None and positions is not None and len(patch.shape) == 4:
        signature = (family, patch.shape[0], patch.shape[-1], positions.shape[0])
        if signature in _KNOWN_TOWERS:
            config: PreTrainedConfig = AutoConfig.for_model(family, **_KNOWN_TOWERS[signature])
            return config
    raise CheckpointError(
        f"the vision tower ({name or 'unnamed'}) is none of those the release is known to use, so"
        " its geometry is unknown. Give the folder of the CLIP or SigLIP model that it was trained"
        f" from as the vision tower; its {CONFIG_NAME} is enough."
    )


def _clip_normalisation(folder: Path | None) -> tuple[Triple, Triple]:
    """Mean and deviation beside the tower, where the release takes them from for CLIP."""
    path = None if folder is None else folder / "preprocessor_config.json"
    if path is None or not path.is_file():
        return _CLIP_MEAN, _CLIP_STD
    values = read_json(path)
    return (
        _triple(path, "image_mean", values.get("image_mean", _CLIP_MEAN)),
        _triple(path, "image_std", values.get("image_std", _CLIP_STD)),
    )


def _triple(path: Path, field: str, value: object) -> Triple:
    if isinstance(value, list | tuple) and len(value) == 3:
        red, green, blue = (float(item) for item in value)
        return red, green, blue
    raise CheckpointError(f"{path}: {field} is {value!r}; expected three numbers.")
