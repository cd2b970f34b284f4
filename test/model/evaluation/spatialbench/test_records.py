"""The released layout is read, and what is not as released is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from bench_files import write_spatialbench

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.spatialbench.records import all_questions, read_spatialbench
from spatialbot_model.evaluation.spatialbench.report import markdown_table, score_spatialbench


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_spatialbench(tmp_path / "bench")


def test_questions_with_colour_first_and_depth_behind(bench: Path) -> None:
    found = read_spatialbench(bench, "rgbd")
    assert list(found) == ["depth", "positional", "existence", "counting"]
    (position,) = found["positional"]
    assert [image.role for image in position.images] == ["rgb", "depth"]
    # the name up to its first dot
    assert position.images[1].path == bench / "positional_d" / "a.png"
    depth = position.images[1].load().pixels
    assert depth.dtype == np.uint16 and (depth == 700).all()
    assert found["counting"][0].expected == 4 and found["depth"][0].expected == 700
    assert [q.tags["id"] for q in found["existence"]] == ["e_sa_1_pos", "e_sa_1_neg"]
    rgb = read_spatialbench(bench, "rgb")
    assert all(len(question.images) == 1 for question in all_questions(rgb))


@pytest.mark.parametrize(
    ("category", "record", "told"),
    [
        ("size", {"image": "size/none.jpg", "question": "?", "answer": "Yes"}, "missing"),
        ("counting", {"image": "counting/c.jpg", "question": "?", "answer": "four"}, "whole"),
        ("depth", {"image": "depth/d.jpg", "question": "?", "answer": 0}, "more than 0"),
        ("reach", {"question": "?", "answer": "Yes"}, "expected an object"),
        ("existence", {"image": "existence/x.jpg", "question": "?", "answer": 1}, "text"),
    ],
)
def test_bad_records_are_refused(
    bench: Path, category: str, record: dict[str, object], told: str
) -> None:
    (bench / f"{category}.json").write_text(json.dumps([record]))
    with pytest.raises(ConfigurationError, match=told):
        read_spatialbench(bench, "rgb")


def test_missing_depth_and_an_empty_folder_are_refused(bench: Path, tmp_path: Path) -> None:
    (bench / "counting_d" / "c.png").unlink()
    read_spatialbench(bench, "rgb")
    with pytest.raises(ConfigurationError, match="depth image"):
        read_spatialbench(bench, "rgbd")
    with pytest.raises(ConfigurationError, match="folder of SpatialBench"):
        read_spatialbench(tmp_path, "rgb")


def test_report_has_both_scorings_and_a_dash_where_the_script_ends(bench: Path) -> None:
    found = read_spatialbench(bench, "rgb")
    answers = {q.key: str(q.expected) for q in all_questions(found)}
    answers["counting/0000"] = "four of them"
    scores = score_spatialbench(found, answers)
    assert scores["counting"]["strict"]["score"]["percent"] == 100.0
    assert scores["counting"]["release"]["percent"] is None
    table = markdown_table({"model": scores})
    assert "| model | scoring | Depth | Position | Existence | Counting |" in table
    assert "| model | release | – | 100.0 | 100.0 | – |" in table
    assert "quoted" not in table
