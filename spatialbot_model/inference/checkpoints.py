"""Checkpoint folders: model and processor side by side, made new or loaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_model.contracts.prompt_templates import Geometry, prompt_template
from spatialbot_model.contracts.types import IMAGE_ROLES, ImageRole
from spatialbot_model.inference.options import Dtype
from spatialbot_model.modeling.checkpoint import (
    check_action_spec,
    load_config,
    load_model,
    save_model,
)
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.efficientnet import EfficientNetLite0Config
from spatialbot_model.modeling.presets import make_config, make_model
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.images import ImageMode, ImageSettings
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.processing.tokens import load_mini_tokenizer, load_tokenizer

VisionWeights = Literal["pretrained", "random"]

_OWN_TOKENIZER = ("mini", "mini-rgb", "tiny")
_FRAME_ROLES: dict[str, tuple[ImageRole, ...]] = {"mini-rgb": ("rgb",)}
_GEOMETRY: dict[str, Geometry] = {"mini": "squash", "mini-rgb": "squash"}
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_LONGEST_CONTEXT = 8192
"""Tokens; the language models could read more, but no prompt of eight images needs it."""


def create_checkpoint(
    preset: str,
    folder: str | Path,
    *,
    seed: int = 0,
    action_spec: ActionSpec | None = None,
    tokenizer: str | Path | None = None,
    vision_weights: VisionWeights = "pretrained",
    template: str = "compact",
    parallel_actions: bool | None = None,
    depth_tool: bool = False,
) -> tuple[SpatialBotForConditionalGeneration, SpatialBotProcessor]:
    """Make a new model with random language weights and write it with its processor.

    Args:
        preset: name in `modeling.presets.PRESETS`.
        folder: must be empty or not exist.
        seed: of the random weights.
        action_spec: what its actions will mean; None for a model that may not move a robot.
        tokenizer: folder of the base model's tokenizer; None for the one that ships with the
            small presets.
        vision_weights: pretrained where weights ship with a package (mini), else random.
        template: name of the prompt template.
        parallel_actions: whether it will be trained to give seven actions at once; None = as
            the preset says.
        depth_tool: whether it will be trained to look depths up before it acts.

    Raises:
        UnknownNameError: no such preset or template.
        CheckpointError: the folder is not empty or cannot be written, or the preset needs a
            tokenizer.
        ConfigurationError: the tokenizer does not fit the preset.
        MissingDependencyError: the package with the pretrained weights is not installed.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise CheckpointError(f"{folder} is not empty; choose a new folder for the checkpoint")
    make_config(preset)
    if tokenizer is None and preset not in _OWN_TOKENIZER:
        raise CheckpointError(
            f"the preset {preset} needs the tokenizer of its language model; give the folder that"
            " holds its tokenizer.json"
        )
    words = load_mini_tokenizer() if tokenizer is None else load_tokenizer(tokenizer)
    config = make_config(preset, len(words))
    config.action_spec = None if action_spec is None else action_spec.to_mapping()
    if parallel_actions is not None:
        config.parallel_actions = parallel_actions
        config.waypoint_queries *= parallel_actions
        config.waypoint_motion &= parallel_actions
    processor = make_processor(
        config,
        words,
        template=template,
        depth_tool=depth_tool,
        geometry=_GEOMETRY.get(preset),
        frame_roles=_FRAME_ROLES.get(preset, IMAGE_ROLES),
    )
    if vision_weights == "pretrained":
        model = make_model(config, seed=seed)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = SpatialBotForConditionalGeneration(config)
        model.train(False)
    save_model(model, folder)
    processor.save_pretrained(folder)
    return model, processor


def make_processor(
    config: SpatialBotConfig,
    tokenizer: Any,
    *,
    template: str = "compact",
    mode: ImageMode = "exact",
    depth_tool: bool = False,
    geometry: Geometry | None = None,
    frame_roles: Sequence[ImageRole] = IMAGE_ROLES,
) -> SpatialBotProcessor:
    """The processor that fits a model.

    Args:
        geometry: how images become square; the template's when left out.
        frame_roles: the images of a frame that the model is shown when it acts.

    Raises:
        ConfigurationError: the tokenizer puts the extra tokens elsewhere than the model.
    """
    mean, std = {
        "clip_vision_model": (_CLIP_MEAN, _CLIP_STD),
        "siglip_vision_model": ((0.5,) * 3, (0.5,) * 3),
        EfficientNetLite0Config.model_type: ((127 / 255,) * 3, (128 / 255,) * 3),
    }[config.vision.model_type]
    processor = SpatialBotProcessor(
        tokenizer,
        ImageSettings(
            size=config.image_size,
            mode=mode,
            geometry=geometry or prompt_template(template).geometry,
            mean=mean,
            std=std,
        ),
        tokens_per_image=config.tokens_per_image(0),
        history_tokens_per_image=config.tokens_per_image(1),
        context_length=min(config.context_length, _LONGEST_CONTEXT),
        template=template,
        action_form=config.action_form,
        parallel_actions=config.parallel_actions,
        depth_tool=depth_tool,
        frame_roles=frame_roles,
        join_depth=config.join_depth,
        robot_state=config.robot_state,
        waypoint_queries=config.waypoint_queries,
    )
    check_same_tokens(config, processor)
    return processor


def load_checkpoint(
    folder: str | Path, device: torch.device, dtype: torch.dtype
) -> tuple[SpatialBotForConditionalGeneration, SpatialBotProcessor]:
    """Model in evaluation mode and processor of a checkpoint folder.

    Raises:
        CheckpointError: the folder is incomplete, or its parts do not fit each other.
    """
    processor = SpatialBotProcessor.from_pretrained(folder)
    model = load_model(folder, device=device, dtype=dtype)
    try:
        check_same_tokens(model.config, processor)
    except ConfigurationError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    return model, processor


def check_checkpoint_spec(folder: str | Path, spec: ActionSpec) -> None:
    """Refuse a checkpoint that was made for another robot; reads no weights.

    Raises:
        CheckpointError: no checkpoint, or one that does not say what its actions mean.
        ActionSpecMismatchError: lists the fields that differ.
    """
    check_action_spec(load_config(folder), spec)


def check_same_tokens(config: SpatialBotConfig, processor: SpatialBotProcessor) -> None:
    """Refuse a processor that was made for another model.

    Raises:
        ConfigurationError: says what differs.
    """
    layout = processor.layout
    pairs: dict[str, tuple[object, object]] = {
        "image token id": (config.image_token_id, layout.image),
        "tokens per image": (config.tokens_per_image(0), processor.tokens_per_image),
        "tokens per older image": (
            config.tokens_per_image(1),
            processor.history_tokens_per_image,
        ),
        "image size": (config.image_size, processor.image_settings.size),
        "action form": (config.action_form, processor.action_form),
        "parallel actions": (config.parallel_actions, processor.parallel_actions),
        "joined depth": (config.join_depth, processor.join_depth),
        "robot state": (config.robot_state, processor.robot_state),
        "waypoint queries": (config.waypoint_queries, processor.waypoint_queries),
    }
    if config.action_form == "tokens":
        pairs["first action id"] = (config.first_action_token_id, layout.first_action)
        pairs["action query id"] = (config.action_query_token_id, layout.action_query)
    differing = [
        f"{name} ({ours!r} and {theirs!r})"
        for name, (ours, theirs) in pairs.items()
        if ours != theirs
    ]
    if differing:
        raise ConfigurationError(
            f"model and processor differ in {', '.join(differing)}; use the processor and the"
            " tokenizer that were saved beside the model"
        )


def resolve_device(name: str) -> torch.device:
    """The device of an option: auto takes CUDA where it is there.

    Raises:
        ConfigurationError: no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"device is {name!r}, expected auto, cpu or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"device is {name!r} and torch sees no CUDA device; use cpu, or install the driver"
            " and a CUDA build of torch"
        )
    return device


def resolve_dtype(name: Dtype, device: torch.device) -> torch.dtype:
    """The number type of an option: auto is bfloat16 on CUDA, float32 elsewhere."""
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
