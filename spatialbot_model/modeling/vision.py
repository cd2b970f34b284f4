"""Vision towers behind one face: images in, patch features and their grid out."""

from typing import Any

from torch import Tensor
from transformers import AutoModel, PreTrainedModel

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.efficientnet import EfficientNetLite0Config


def make_vision_tower(config: SpatialBotConfig) -> PreTrainedModel:
    """The tower of a configuration, with random weights."""
    tower: PreTrainedModel = AutoModel.from_config(config.vision)  # type: ignore[no-untyped-call]
    return tower


def patch_features(tower: Any, config: SpatialBotConfig, pixel_values: Tensor) -> Tensor:
    """Features (N, P, C) of images (N, 3, S, S), patches row by row, P = patch_grid squared.

    Layers behind the chosen hidden state are not run. For SigLIP as released the tower is
    built without its last layer and head, and the hidden state is taken before the last norm.

    Raises:
        ConfigurationError: images of another shape than the tower's.
    """
    size = config.image_size
    if pixel_values.ndim != 4 or tuple(pixel_values.shape[1:]) != (3, size, size):
        raise ConfigurationError(
            f"pixel_values are {tuple(pixel_values.shape)}, expected (N, 3, {size}, {size}) as"
            " the vision tower takes them; use the processor saved beside this model"
        )
    pixel_values = pixel_values.to(tower.dtype)
    if config.vision.model_type == EfficientNetLite0Config.model_type:
        features: Tensor = tower(pixel_values).last_hidden_state
        return features
    hidden: Tensor = tower.embeddings(pixel_values)
    if config.vision.model_type == "clip_vision_model":
        # the library's own spelling
        hidden = tower.pre_layrnorm(hidden)
    for layer in tower.encoder.layers[: num_layers_run(config)]:
        hidden = layer(hidden, None)
    return hidden[:, 1:] if config.drop_class_token else hidden


def num_layers_run(config: SpatialBotConfig) -> int:
    """How many transformer layers lie before the hidden state `vision_feature_layer`.

    Raises:
        ConfigurationError: the tower has no such hidden state.
    """
    available, wanted = int(config.vision.num_hidden_layers), config.vision_feature_layer
    count = wanted if wanted >= 0 else available + 1 + wanted
    if not 0 <= count <= available:
        raise ConfigurationError(
            f"vision_feature_layer is {wanted}, but the tower has {available} layers; expected"
            f" {-available - 1}..{available}"
        )
    return count


def feature_width(config: SpatialBotConfig) -> int:
    """Channels C of a patch feature."""
    return int(config.vision.hidden_size)
