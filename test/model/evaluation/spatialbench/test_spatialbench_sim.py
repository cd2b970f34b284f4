"""The benchmark that ships: its answers can be derived again; guessing is worth what it should."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.evaluation.spatialbench.baselines import BASELINES, answer_baseline
from spatialbot_model.evaluation.spatialbench.guessers import offered
from spatialbot_model.evaluation.spatialbench.records import (
    CATEGORIES,
    PAIRED,
    all_questions,
    read_spatialbench,
)
from spatialbot_model.evaluation.spatialbench.report import score_spatialbench
from spatialbot_model.evaluation.spatialbench.strict_scoring import pairs_of
from spatialbot_model.processing.image_files import read_depth_mm

FOLDER = find_resource("datasets/spatialbench_sim")
BENCH = read_spatialbench(FOLDER, "rgbd")


def test_it_is_whole_and_small() -> None:
    assert tuple(BENCH) == CATEGORIES
    assert 300 <= len(all_questions(BENCH)) <= 500
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6_000_000
    used = {image.path for question in all_questions(BENCH) for image in question.images}
    assert used == {path for path in files if path.suffix in (".jpg", ".png")}
    for question in all_questions(BENCH):
        rgb, depth = (image.load().pixels for image in question.images)
        assert rgb.shape[:2] == depth.shape


def test_the_oracle_is_always_right() -> None:
    scores = score_spatialbench(BENCH, answer_baseline("oracle", FOLDER, BENCH))
    for category, score in scores.items():
        assert score["strict"]["invalid"] == 0
        if category == "depth":
            assert score["strict"]["ratio_accuracy"]["1.01"]["percent"] == 100.0
            assert score["strict"]["median_relative_error"]["value"] == 0.0
        else:
            assert score["strict"]["score"]["percent"] == 100.0
            assert score["release"]["percent"] == 100.0


def test_depths_of_points_are_those_of_the_depth_images() -> None:
    asked = 0
    for question in BENCH["depth"]:
        point = re.search(r"<([\d.]+),([\d.]+)>", question.text)
        path = question.images[1].path
        if point is None or path is None:
            continue
        depth_mm = read_depth_mm(path)
        height_px, width_px = depth_mm.shape
        u_px, v_px = int(float(point[1]) * width_px), int(float(point[2]) * height_px)
        assert depth_mm[v_px, u_px] == question.expected
        asked += 1
    assert asked > 30


def test_pairs_are_one_yes_and_one_no_about_one_picture() -> None:
    for category in PAIRED:
        questions = BENCH[category]
        pairs = pairs_of(questions)
        assert 2 * len(pairs) == len(questions)
        assert pairs == [(k, k + 1) for k in range(0, len(questions), 2)]
        for yes, no in pairs:
            assert (questions[yes].expected, questions[no].expected) == ("Yes", "No")
            assert questions[yes].images == questions[no].images


def test_guessing_at_random_scores_chance() -> None:
    right: dict[str, list[float]] = {category: [] for category in ("positional", *PAIRED)}
    both: dict[str, list[float]] = {category: [] for category in PAIRED}
    for seed in range(40):
        answers = answer_baseline("random", FOLDER, BENCH, seed)
        for category in right:
            hits = [answers[q.key] == q.expected for q in BENCH[category]]
            right[category] += hits
            if category in PAIRED:
                both[category] += [a and b for a, b in zip(hits[::2], hits[1::2], strict=True)]
    for category, hits in right.items():
        assert np.mean(hits) == pytest.approx(0.5, abs=0.04), category
    for category, pairs in both.items():
        assert np.mean(pairs) == pytest.approx(0.25, abs=0.05), category


def test_words_alone_do_not_tell() -> None:
    scores = score_spatialbench(BENCH, answer_baseline("text", FOLDER, BENCH))
    for category in ("positional", *PAIRED):
        accuracy = scores[category]["strict"]["accuracy"]
        # one-sided: what is learned from other pictures may well be wrong more often than right
        assert accuracy["low"] < 50.0, category
        assert accuracy["percent"] < 62.0, category
    assert scores["depth"]["strict"]["score"]["percent"] < 50.0


def test_answers_are_balanced() -> None:
    first = Counter(offered(q.text).index(str(q.expected)) for q in BENCH["positional"])
    assert abs(first[0] - first[1]) <= 4
    counts = Counter(q.expected for q in BENCH["counting"])
    assert max(counts.values()) <= len(BENCH["counting"]) / 3


def test_baselines_say_what_they_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="oracle"):
        answer_baseline("clever", FOLDER, BENCH)
    with pytest.raises(ConfigurationError, match=r"annotations\.json"):
        answer_baseline("oracle", tmp_path, BENCH)
    known = json.loads((FOLDER / "annotations.json").read_text())
    name = BENCH["size"][0].images[0].path.stem  # type: ignore[union-attr]
    (tmp_path / "annotations.json").write_text(json.dumps({name: known[name]}))
    with pytest.raises(ConfigurationError, match="nothing is known"):
        answer_baseline("oracle", tmp_path, BENCH)
    assert set(BASELINES) == {"random", "text", "oracle"}
