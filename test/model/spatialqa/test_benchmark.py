"""Benchmarks made of drawn scenes: right, balanced, the same each time."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_scenes import DrawnRecipe, draw_scene

from spatialbot_model.contracts.annotated_scene import mask_box_px
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.spatialbench.baselines import answer_baseline
from spatialbot_model.evaluation.spatialbench.records import read_spatialbench
from spatialbot_model.evaluation.spatialbench.report import score_spatialbench
from spatialbot_model.spatialqa.benchmark_candidates import Candidate, candidates_of
from spatialbot_model.spatialqa.benchmark_choice import choose
from spatialbot_model.spatialqa.benchmark_folder import BenchmarkOptions, make_benchmark
from spatialbot_model.spatialqa.small_picture import shrink
from spatialbot_model.spatialqa.stereo_pair import (
    BASELINE_MM,
    DISPARITY_NAME,
    FOCAL_PX,
    LEFT_NAME,
    PRINCIPAL_OFFSET_PX,
    depth_of_disparity,
    read_stereo_motorcycle,
)


class Tables(DrawnRecipe):
    """Drawn scenes with masks, without noise in their depth, a hand and stands."""

    def open(self):  # type: ignore[no-untyped-def]
        source = super().open()
        source.load = self.load  # type: ignore[method-assign]
        return source

    def load(self, index: int):  # type: ignore[no-untyped-def]
        scene = draw_scene(self.first_seed + index)
        rows, columns = np.indices(scene.depth_mm.shape)
        depth_mm = (900 + 4 * rows + columns).astype(np.uint16)
        things = []
        for number, thing in enumerate(scene.objects):
            mask = thing.mask
            if mask is None:
                mask = np.zeros(depth_mm.shape, np.bool_)
                u_min, v_min, u_max, v_max = thing.box_px
                mask[v_min : v_max + 1, u_min : u_max + 1] = True
            stand = number == 1
            name = (
                ("stand", "stand") if stand else (thing.name, thing.category.replace("box", "cube"))
            )
            things.append(
                replace(thing, name=name[0], category=name[1], mask=mask, box_px=mask_box_px(mask))
            )
            depth_mm[mask] = 500 + 60 * number
        return replace(
            scene,
            depth_mm=depth_mm,
            objects=tuple(things),
            counted=frozenset(thing.category for thing in things),
            absent=frozenset({"banana", "can"}),
        )


def test_every_candidate_of_the_drawn_scenes_is_right(tmp_path: Path) -> None:
    counts = make_benchmark(
        Tables(40), Tables(20, 500), None, tmp_path / "bench", BenchmarkOptions(12, 0, shrink=1)
    )
    assert set(counts) == {"depth", "positional", "existence", "counting", "reach", "size"}
    assert min(counts.values()) >= 4
    bench = read_spatialbench(tmp_path / "bench", "rgbd")
    answers = answer_baseline("oracle", tmp_path / "bench", bench)
    scores = score_spatialbench(bench, answers)
    for category, score in scores.items():
        key = "ratio_accuracy" if category == "depth" else "accuracy"
        value = score["strict"][key]
        value = value["1.01"] if category == "depth" else value
        assert value["percent"] == 100.0, category


def test_the_same_arguments_give_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        options = BenchmarkOptions(8, 0, seed=3, shrink=1)
        make_benchmark(Tables(16), Tables(16, 500), None, tmp_path / name, options)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    made = json.loads((tmp_path / "a" / "made.json").read_text())
    assert made["options"]["seed"] == 3


def test_a_full_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ConfigurationError, match="not empty"):
        make_benchmark(Tables(2), None, None, tmp_path, BenchmarkOptions())
    with pytest.raises(ConfigurationError):
        BenchmarkOptions(questions=1)


def test_choice_balances_words_and_pictures() -> None:
    rng = np.random.default_rng(0)
    candidates = [
        Candidate("size", f"p{k % 10}", ((f"question {k}", "Yes"),), {"red": 1 if k % 4 else -1})
        for k in range(80)
    ]
    chosen = choose(candidates, 20, rng)
    # 15 to 5 of 20 without a choice
    assert abs(sum(candidate.traits["red"] for candidate in chosen)) <= 2
    pictures = [candidate.picture for candidate in chosen]
    assert {pictures.count(name) for name in set(pictures)} == {2}


def test_no_question_is_chosen_twice() -> None:
    rng = np.random.default_rng(0)
    texts = ("Is the a left of the b?", "Is the b left of the a?", "Is the c left of the b?")
    candidates = [Candidate("positional", "p", ((text, "x"),)) for text in texts * 3]
    assert len(choose(candidates, 9, rng)) == 2


def test_shrunk_pictures_keep_measured_depths() -> None:
    scene = replace(draw_scene(3), contacts=frozenset({(0, 1), (1, 2)}), hand=2)
    things = tuple(thing for thing in scene.objects if thing.mask is not None)
    scene = replace(scene, objects=things)
    small = shrink(scene, 2)
    assert small.depth_mm is not None and scene.depth_mm is not None
    np.testing.assert_array_equal(small.depth_mm, scene.depth_mm[::2, ::2])
    assert small.rgb.shape[:2] == small.depth_mm.shape
    kept = [thing.name for thing in small.objects]
    for number, thing in enumerate(small.objects):
        assert thing.mask is not None and thing.mask.sum() >= 24
        assert mask_box_px(thing.mask) == thing.box_px
        if small.hand == number:
            assert thing.name == things[2].name
    for thing in things:
        if thing.name not in kept:
            assert thing.category not in small.counted
    with pytest.raises(ConfigurationError):
        shrink(scene, 0)


def test_without_depth_nothing_is_asked() -> None:
    scene = replace(draw_scene(3), depth_mm=None)
    assert list(candidates_of(scene, np.random.default_rng(0))) == []


def test_depth_of_a_stereo_pair(tmp_path: Path) -> None:
    import cv2

    disparity = np.array([[10.0, 50.0], [np.nan, np.inf]], np.float32)
    depth_mm = depth_of_disparity(disparity)
    expected = FOCAL_PX * BASELINE_MM / (10.0 + PRINCIPAL_OFFSET_PX)
    assert depth_mm.tolist() == [[round(expected), 2368], [0, 0]]
    with pytest.raises(ConfigurationError):
        read_stereo_motorcycle(tmp_path)
    cv2.imwrite(str(tmp_path / LEFT_NAME), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ConfigurationError, match="disparities"):
        read_stereo_motorcycle(tmp_path)
    np.savez(tmp_path / DISPARITY_NAME, disparity)
    scene = read_stereo_motorcycle(tmp_path)
    assert scene.depth_mm is not None and scene.depth_mm.tolist() == depth_mm.tolist()
