"""Models by name: configurations whose ids lie right behind a tokenizer's own vocabulary."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import CLIPVisionConfig, PhiConfig, Qwen2Config, SiglipVisionConfig

from spatialbot_model.contracts.action_spec import NUM_BINS
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.efficientnet import (
    EfficientNetLite0Config,
    EfficientNetLite0Tower,
    load_pretrained_trunk,
)
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration

QWEN_VOCABULARY = 151646
PHI_VOCABULARY = 50295
MINI_VOCABULARY = 2000
EXTRA_TOKENS = NUM_BINS + 2
"""Action bins, action query, image."""

ROWS_MULTIPLE = 64


def qwen15_clip_l(base_vocab_size: int = QWEN_VOCABULARY) -> SpatialBotConfig:
    """The paper's embodied model: Qwen1.5-0.5B (464 M) and CLIP-L/14 at 336 px (303.5 M).

    The action tokens take spare rows of the published embedding.
    """
    text = Qwen2Config(
        vocab_size=151936,
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=24,
        num_attention_heads=16,
        num_key_value_heads=16,
        max_position_embeddings=32768,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        tie_word_embeddings=True,
        bos_token_id=151643,
        eos_token_id=151643,
        pad_token_id=151643,
    )
    vision = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )
    return SpatialBotConfig(
        vision_config=vision, text_config=text, **_action_ids(base_vocab_size, text.vocab_size)
    )


def phi2_siglip(base_vocab_size: int = PHI_VOCABULARY) -> SpatialBotConfig:
    """The released SpatialBot-3B: phi-2 and SigLIP so400m/14 at 384 px without its last layer.

    No token was added to it: actions are text, and the image placeholder lies beyond the rows.
    """
    text = PhiConfig(
        vocab_size=PHI_VOCABULARY,
        hidden_size=2560,
        intermediate_size=10240,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=2048,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "partial_rotary_factor": 0.4,
        },
        tie_word_embeddings=False,
        bos_token_id=50256,
        eos_token_id=50256,
        pad_token_id=50256,
    )
    vision = SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=26,
        num_attention_heads=16,
        image_size=384,
        patch_size=14,
        vision_use_head=False,
    )
    return SpatialBotConfig(
        vision_config=vision,
        text_config=text,
        vision_feature_layer=-1,
        drop_class_token=False,
        image_token_id=base_vocab_size,
        action_form="text",
    )


def mini(base_vocab_size: int = MINI_VOCABULARY) -> SpatialBotConfig:
    """Small enough for 10 Hz on two CPU cores: EfficientNet-Lite0 at 224 px and a small Qwen2.

    RGB and depth of a frame are joined: 49 tokens for the newest frame, one for an older one.
    """
    text = _small_qwen2(
        base_vocab_size,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
    )
    return SpatialBotConfig(
        vision_config=EfficientNetLite0Config(image_size=224),
        text_config=text,
        projector_type="norm_mlp2x_gelu",
        pixel_shuffle=2,
        history_pool=7,
        drop_class_token=False,
        image_embeddings=True,
        join_depth=True,
        pool_before_projector=True,
        robot_state=True,
        parallel_actions=True,
        waypoint_queries=2,
        waypoint_motion=True,
        **_action_ids(base_vocab_size, text.vocab_size),
    )


def mini_rgb(base_vocab_size: int = MINI_VOCABULARY) -> SpatialBotConfig:
    """`mini` without depth: the same in everything else."""
    config = mini(base_vocab_size)
    config.join_depth = False
    return config


def tiny(base_vocab_size: int = 512) -> SpatialBotConfig:
    """For tests: under a million parameters, CLIP's shape at 56 px (16 tokens an image)."""
    text = _small_qwen2(
        base_vocab_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
    )
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        projection_dim=32,
    )
    return SpatialBotConfig(
        vision_config=vision, text_config=text, **_action_ids(base_vocab_size, text.vocab_size)
    )


PRESETS: dict[str, Callable[..., SpatialBotConfig]] = {
    "qwen1.5-0.5b-clip-l-336": qwen15_clip_l,
    "phi2-siglip-384": phi2_siglip,
    "mini": mini,
    "mini-rgb": mini_rgb,
    "tiny": tiny,
}


def make_config(
    name: str, base_vocab_size: int | None = None, end_token_id: int | None = None
) -> SpatialBotConfig:
    """The configuration of a preset for a tokenizer with `base_vocab_size` tokens of its own.

    `end_token_id` is the id that ends an answer; left out, it is the published model's.

    Raises:
        UnknownNameError: lists the presets.
        ConfigurationError: the tokens behind such a vocabulary do not fit the embedding.
    """
    if name not in PRESETS:
        raise UnknownNameError("model preset", name, PRESETS)
    config = PRESETS[name]() if base_vocab_size is None else PRESETS[name](base_vocab_size)
    if end_token_id is not None:
        text = config.text
        text.bos_token_id = text.eos_token_id = text.pad_token_id = end_token_id
    return config


def make_model(
    config: SpatialBotConfig, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> SpatialBotForConditionalGeneration:
    """A new model in evaluation mode: random weights of `seed`, vision pretrained if possible.

    Pretrained weights exist for EfficientNet-Lite0. The global random state is left as it was.

    Raises:
        MissingDependencyError: the package with the pretrained weights is not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = SpatialBotForConditionalGeneration(config)
    if isinstance(model.vision_tower, EfficientNetLite0Tower):
        load_pretrained_trunk(model.vision_tower)
    new: SpatialBotForConditionalGeneration = model.to(dtype).eval()
    return new


def _small_qwen2(base_vocab_size: int, **sizes: Any) -> Qwen2Config:
    rows = -(-(base_vocab_size + EXTRA_TOKENS) // ROWS_MULTIPLE) * ROWS_MULTIPLE
    return Qwen2Config(
        vocab_size=rows,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        **sizes,
    )


def _action_ids(base_vocab_size: int, rows: int) -> dict[str, Any]:
    if base_vocab_size < 1 or base_vocab_size + EXTRA_TOKENS > rows:
        raise ConfigurationError(
            f"{EXTRA_TOKENS} tokens behind a vocabulary of {base_vocab_size} do not fit the"
            f" {rows} rows of the embedding; use the tokenizer that the preset is made for"
        )
    return {
        "first_action_token_id": base_vocab_size,
        "action_query_token_id": base_vocab_size + NUM_BINS,
        "image_token_id": base_vocab_size + NUM_BINS + 1,
        "action_form": "tokens",
    }
