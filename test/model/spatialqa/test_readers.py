"""Readers over miniature files in the real layouts, and what they leave out."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from qa_checker import check

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.spatialqa.generate import KINDS, GenerateOptions, generate_items
from spatialbot_model.spatialqa.readers.coco import CocoRecipe
from spatialbot_model.spatialqa.readers.rgbd_folder import RgbdFolderRecipe
from spatialbot_model.spatialqa.readers.visual_genome import VisualGenomeRecipe
from spatialbot_model.spatialqa.templates import load_templates

TEMPLATES = load_templates(KINDS.values())
RGB = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
DEPTH = np.tile(np.arange(500, 580, dtype=np.uint16) * 3, (60, 1))


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def coco(tmp_path: Path) -> CocoRecipe:
    for number in (1, 2, 3, 4, 5):
        write(tmp_path / "images" / f"{number:012d}.jpg", RGB)
        if number != 4:
            write(tmp_path / "depth" / f"{number:012d}.png", DEPTH)
    write(tmp_path / "depth" / f"{5:012d}.png", DEPTH[:30])
    whole = (tmp_path / "images" / f"{3:012d}.jpg").read_bytes()
    (tmp_path / "images" / f"{3:012d}.jpg").write_bytes(whole[: len(whole) // 2])
    entries = [
        (1, 1, [5, 5, 20, 20], [[5, 5, 25, 5, 25, 25, 5, 25]], 0),
        (1, 2, [50, 30, 20, 20], [[50, 30, 70, 30, 70, 50, 50, 50]], 0),
        (1, 2, [40, 30, 60, 20], [], 0),
        (1, 3, [0, 0, 79, 59], {"size": [60, 80], "counts": [4800]}, 1),
        (2, 1, [5, 5, 20, 20], None, 0),
    ]
    data = {
        "categories": [
            {"id": k, "name": name} for k, name in enumerate(("cat", "dog", "person", "bus"), 1)
        ],
        "images": [
            {
                "id": k,
                "file_name": f"{k:012d}.jpg",
                "width": 80 if k != 2 else 81,
                "height": 60,
            }
            for k in (5, 4, 3, 2, 1)
        ],
        "annotations": [
            {"image_id": i, "category_id": c, "bbox": b, "segmentation": s, "iscrowd": w}
            for i, c, b, s, w in entries
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(data))
    return CocoRecipe(tmp_path / "images", tmp_path / "instances.json", tmp_path / "depth")


def test_coco(coco: CocoRecipe) -> None:
    source = coco.open()
    assert len(source) == 5
    scene = source.load(0)
    assert [thing.name for thing in scene.objects] == ["cat", "dog"]
    assert scene.counted == {"cat"}
    assert scene.absent == {"bus"}
    assert sorted(scene.remarks) == [
        "a box that reaches beyond the picture",
        "a group of things that are not told apart",
    ]
    mask = scene.objects[0].mask
    assert mask is not None and mask[5:25, 5:25].all() and mask.sum() <= 22 * 22
    items = generate_items(scene, TEMPLATES, GenerateOptions(per_kind=4))
    assert {item.kind for item in items} >= {"counting", "closer_object", "grounding_depth"}
    for item in items:
        check(scene, item)


@pytest.mark.parametrize(
    ("index", "reason"),
    [(1, "81x60"), (2, "middle of the picture|no image"), (3, "no depth for"), (4, "aligned")],
)
def test_coco_says_why_a_picture_is_left_out(coco: CocoRecipe, index: int, reason: str) -> None:
    source = coco.open()
    with pytest.raises(ConfigurationError, match=reason):
        source.load(index)


def test_coco_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("[]", '{"images": []}', "nonsense"):
        path.write_text(text)
        with pytest.raises(ConfigurationError):
            CocoRecipe(tmp_path, path).open()


def test_visual_genome(tmp_path: Path) -> None:
    write(tmp_path / "7.jpg", RGB)
    things = [
        {"names": ["Cup"], "attributes": ["red"], "x": 4, "y": 6, "w": 20, "h": 30},
        {"names": ["table"], "x": 40, "y": 20, "w": 30, "h": 30},
        {"names": ["dot"], "x": 1, "y": 1, "w": 2, "h": 2},
    ]
    path = tmp_path / "attributes.json"
    path.write_text(json.dumps([{"image_id": 7, "attributes": things}]))
    scene = VisualGenomeRecipe(tmp_path, path).open().load(0)
    assert [thing.name for thing in scene.objects] == ["red cup", "table"]
    assert scene.objects[0].box_px == (4, 6, 23, 35)
    assert scene.depth_mm is None and not scene.counted and not scene.absent
    kinds = set()
    for item in generate_items(scene, TEMPLATES, GenerateOptions()):
        check(scene, item)
        kinds.add(item.kind)
    assert kinds == {"relation", "relation_true", "grounding"}


def test_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "plain/rgb" / f"{name}.png", RGB)
    write(tmp_path / "plain/depth/b.png", DEPTH)
    source = RgbdFolderRecipe(tmp_path / "plain").open()
    assert len(source) == 1
    scene = source.load(0)
    np.testing.assert_array_equal(scene.depth_mm, DEPTH)
    np.testing.assert_array_equal(scene.rgb, RGB[..., ::-1])
    for item in generate_items(scene, TEMPLATES, GenerateOptions()):
        check(scene, item)

    write(tmp_path / "nyu/kitchen_1/rgb_00045.jpg", RGB)
    write(tmp_path / "nyu/kitchen_1/sync_depth_00045.png", DEPTH)
    write(tmp_path / "nyu/kitchen_1/rgb_00046.jpg", RGB)
    nyu = RgbdFolderRecipe(tmp_path / "nyu", "nyu").open()
    assert len(nyu) == 1 and nyu.load(0).id == "nyu_kitchen_1_00045"


def test_tum_pairs_the_nearest_stamps_and_scales(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        write(tmp_path / "rgb" / f"{name}.png", RGB)
        write(tmp_path / "depth" / f"{name}.png", np.full((60, 80), 5000 * int(name), np.uint16))
    (tmp_path / "rgb.txt").write_text("# color\n10.00 rgb/1.png\n10.10 rgb/2.png\n11.0 rgb/3.png\n")
    (tmp_path / "depth.txt").write_text(
        "# depth\n9.985 depth/1.png\n10.005 depth/2.png\n10.115 depth/3.png\n"
    )
    source = RgbdFolderRecipe(tmp_path, "tum").open()
    assert len(source) == 2
    assert source.load(0).depth_mm[0, 0] == 2000
    assert source.load(1).depth_mm[0, 0] == 3000
    (tmp_path / "rgb.txt").write_text("one two three four\n")
    with pytest.raises(ConfigurationError, match="stamp"):
        RgbdFolderRecipe(tmp_path, "tum").open()


def test_folders_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="nyu"):
        RgbdFolderRecipe(tmp_path, "kitti")
    for layout in ("folder", "nyu", "tum"):
        with pytest.raises(ConfigurationError):
            RgbdFolderRecipe(tmp_path, layout).open()
