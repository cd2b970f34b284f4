"""The ``config.json`` of a released Bunny/SpatialBot checkpoint, read into what we need of it.

It is the configuration of the language model with multimodal fields (``mm_*``) mixed in; the
vision tower is only named there, so its geometry comes from elsewhere (`release_vision`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import AutoConfig, PreTrainedConfig

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.weight_files import read_json

CONFIG_NAME = "config.json"

TEXT_MODEL_TYPES = {"bunny-phi": "phi", "bunny-qwen": "qwen2", "bunny-qwen2": "qwen2"}
"""Supported ``model_type`` of a release -> the language model's type in transformers."""

PROJECTOR_TYPE = "mlp2x_gelu"

# Rotary settings as they were written before transformers 5 gathered them in one field.
_LEGACY_ROTARY = ("rope_theta", "rope_scaling", "partial_rotary_factor")

BOOKKEEPING_FIELDS = frozenset(
    {
        "_name_or_path",
        "architectures",
        "auto_map",
        "dtype",
        "model_type",
        "torch_dtype",
        "transformers_version",
    }
)
"""Fields of any configuration that say how a file was made, not what the model is."""


@dataclass(frozen=True, slots=True)
class ReleaseConfig:
    """What a release's configuration says.

    Attributes:
        model_type: e.g. "bunny-phi".
        text_model_type: the language model's type in transformers, e.g. "phi".
        vision_name: `mm_vision_tower`, a hub name or a path on its makers' machine.
        vision_width: `mm_hidden_size`, channels that the projector takes; None if not said.
        geometry: "pad" when images were padded to a square in training, else "squash".
        trained_length: longest input in training; the release cuts longer ones silently.
        values: all fields.
    """

    model_type: str
    text_model_type: str
    vision_name: str
    vision_width: int | None
    geometry: Literal["pad", "squash"]
    trained_length: int | None
    values: dict[str, Any]

    def text_config(self, num_rows: int | None = None) -> PreTrainedConfig:
        """The language model's configuration; `num_rows` replaces the size of the vocabulary."""
        known = {*AutoConfig.for_model(self.text_model_type).to_dict(), *_LEGACY_ROTARY}
        kept = {
            name: value
            for name, value in self.values.items()
            if name in known and name not in BOOKKEEPING_FIELDS
        }
        if num_rows is not None:
            kept["vocab_size"] = num_rows
        try:
            config: PreTrainedConfig = AutoConfig.for_model(self.text_model_type, **kept)
        # each language model checks its own fields, with errors of its own kinds
        except Exception as error:
            raise CheckpointError(
                f"{CONFIG_NAME} is no usable configuration of a {self.text_model_type} language"
                f" model: {error}"
            ) from error
        return config


def read_release_config(folder: Path) -> ReleaseConfig:
    """Read and check a release's configuration.

    Raises:
        CheckpointError: it is missing, or of a model that is not supported; says which are.
    """
    path = folder / CONFIG_NAME
    values = read_json(path)
    model_type = values.get("model_type")
    if model_type not in TEXT_MODEL_TYPES:
        hint = " This folder is in our format already." if model_type == "spatialbot" else ""
        raise CheckpointError(
            f"{path}: model_type is {model_type!r}; supported are"
            f" {', '.join(sorted(TEXT_MODEL_TYPES))}.{hint}"
        )
    projector = values.get("mm_projector_type", PROJECTOR_TYPE)
    if projector != PROJECTOR_TYPE:
        raise CheckpointError(
            f"{path}: mm_projector_type is {projector!r}; only {PROJECTOR_TYPE!r} is supported."
        )
    for field in ("use_s2", "quantization_config"):
        if values.get(field):
            raise CheckpointError(f"{path}: {field} is set; such checkpoints are not supported.")
    vision_name = str(values.get("mm_vision_tower") or "")
    # the release tells its towers apart by these words, in this order
    if "sig" not in vision_name.lower() and "eva" in vision_name.lower():
        raise CheckpointError(
            f"{path}: mm_vision_tower is {vision_name!r}; EVA-CLIP is not supported, only CLIP and"
            " SigLIP."
        )
    width, length = values.get("mm_hidden_size"), values.get("tokenizer_model_max_length")
    return ReleaseConfig(
        model_type=str(model_type),
        text_model_type=TEXT_MODEL_TYPES[str(model_type)],
        vision_name=vision_name,
        vision_width=None if width is None else int(width),
        geometry="pad" if values.get("image_aspect_ratio") == "pad" else "squash",
        trained_length=None if length is None else int(length),
        values=values,
    )
