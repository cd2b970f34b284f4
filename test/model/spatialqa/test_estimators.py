"""Monocular depth and SAM with tiny random weights, saved and loaded as real ones are."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_scenes import DrawnRecipe, draw_scene
from transformers import (
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    SamConfig,
    SamModel,
    SamProcessor,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
)
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil

from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_model.spatialqa.depth_sources import DepthScale, read_depth
from spatialbot_model.spatialqa.monocular import MonocularDepth, MonocularOptions, write_depths
from spatialbot_model.spatialqa.sam import SamMasks, SamRecipe

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def save_depth_anything(folder: Path, kind: str) -> None:
    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_features=["stage1", "stage2"],
        reshape_hidden_states=False,
    )
    torch.manual_seed(0)
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        reassemble_factors=[2, 1],
        neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    size = {"height": 28, "width": 28}
    DPTImageProcessorPil(size=size, do_resize=True).save_pretrained(folder)


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metric")
    save_depth_anything(folder, "metric")
    return folder


def test_depth_of_pictures_is_written_and_gone_on_with(metric: Path, tmp_path: Path) -> None:
    images, out = tmp_path / "images", tmp_path / "depth"
    images.mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(images / f"{name}.png"), RGB)
    (images / "c.png").write_bytes(b"no picture")
    options = MonocularOptions(str(metric))
    skipped = write_depths(images, out, options)
    assert [name for name, _ in skipped] == ["c"]
    depth_mm = read_depth(out / "a.png")
    assert depth_mm.shape == RGB.shape[:2]
    assert 0 < depth_mm.max() <= 20_000
    first = (out / "a.png").stat().st_mtime_ns
    (out / "b.png").unlink()
    write_depths(images, out, options)
    assert (out / "a.png").stat().st_mtime_ns == first
    assert (out / "b.png").read_bytes() == (out / "a.png").read_bytes()
    with pytest.raises(ConfigurationError, match="another folder"):
        write_depths(images, out, MonocularOptions(str(metric), DepthScale(1000.0, 500)))


def test_what_is_too_far_is_cut_off(metric: Path) -> None:
    far = MonocularDepth.open(MonocularOptions(str(metric))).estimate(RGB)
    limit = int(np.median(far))
    options = MonocularOptions(str(metric), DepthScale(1000.0, limit))
    near = MonocularDepth.open(options).estimate(RGB)
    np.testing.assert_array_equal(near[near > 0], far[near > 0])
    assert (far[near == 0] >= limit).all()


def test_relative_depth_is_refused(tmp_path: Path) -> None:
    save_depth_anything(tmp_path, "relative")
    with pytest.raises(CheckpointError, match="relative depth"):
        MonocularDepth.open(MonocularOptions(str(tmp_path)))
    with pytest.raises(CheckpointError, match="cannot load"):
        MonocularDepth.open(MonocularOptions(str(tmp_path / "nothing")))


def test_zoedepth_answers_in_the_picture_s_size(tmp_path: Path) -> None:
    backbone = BeitConfig(
        image_size=32,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
        use_relative_position_bias=True,
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        backbone=None,
        neck_hidden_sizes=[16, 16, 16, 16],
        reassemble_factors=[4, 2, 1, 0.5],
        fusion_hidden_size=16,
        bottleneck_features=16,
        num_relative_features=16,
        bin_embedding_dim=8,
        num_attractors=[8, 4, 2, 1],
        bin_configurations=[{"n_bins": 8, "min_depth": 0.5, "max_depth": 9.0, "name": "nyu"}],
    )
    torch.manual_seed(0)
    ZoeDepthForDepthEstimation(config).save_pretrained(tmp_path)
    ZoeDepthImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    depth_mm = MonocularDepth.open(MonocularOptions(str(tmp_path))).estimate(RGB)
    assert depth_mm.shape == RGB.shape[:2]
    assert 0 < np.median(depth_mm) <= 9500


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam")
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "mlp_dim": 16,
            "window_size": 2,
            "global_attn_indexes": [0],
            "num_pos_feats": 8,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": 64,
            "patch_size": 16,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    SamModel(config).save_pretrained(folder)
    size = {"height": 64, "width": 64}
    SamProcessor(SamImageProcessorPil(size={"longest_edge": 64}, pad_size=size)).save_pretrained(
        folder
    )
    return folder


def test_sam_answers_a_mask_for_each_box(sam: Path) -> None:
    boxes = [(5, 5, 30, 30), (10, 2, 50, 38)]
    masks = SamMasks.open(str(sam)).masks(RGB, boxes)
    assert masks.shape == (2, *RGB.shape[:2]) and masks.dtype == np.bool_


def test_sam_fills_what_a_source_lacks(sam: Path) -> None:
    plain = DrawnRecipe(3).open().load(1)
    recipe = SamRecipe(DrawnRecipe(3), str(sam))
    scene = recipe.open().load(1)
    assert "sam" in str(recipe.describe()["masks"])
    assert len(scene.objects) == len(draw_scene(1).objects)
    for before, after in zip(plain.objects, scene.objects, strict=True):
        assert after.box_px == before.box_px
        if before.mask is not None:
            np.testing.assert_array_equal(after.mask, before.mask)
        elif after.mask is not None:
            u0, v0, u1, v1 = after.box_px
            assert after.mask.sum() == after.mask[v0 : v1 + 1, u0 : u1 + 1].sum() > 0
    with pytest.raises(CheckpointError):
        SamMasks.open(str(sam / "nothing"))
