"""Each benchmark is read from its real layout and scored as its own script scores it."""

from pathlib import Path

import miniatures
import pytest

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.vlm.benchmark import ReadOptions
from spatialbot_model.evaluation.vlm.mme import parse_yes_no
from spatialbot_model.evaluation.vlm.pope import parse_presence
from spatialbot_model.evaluation.vlm.registry import BENCHMARKS, benchmark_of
from spatialbot_model.evaluation.vlm.report import markdown_table

PLAIN = ReadOptions()


def perfect(questions: list[Question]) -> dict[str, str]:
    return {
        q.key: str(q.expected[-1] if isinstance(q.expected, list) else q.expected)
        for q in questions
    }


def test_mme_scores_questions_and_pairs(tmp_path: Path) -> None:
    bench = benchmark_of("mme")
    questions = bench.read(miniatures.write_mme(tmp_path), ReadOptions(depth=True))
    assert len(questions) == 2 * 15
    ending = "Answer the question using a single word or phrase."
    assert questions[0].text == f"Is there a cup?\n{ending}"
    with_depth = [q for q in questions if len(q.images) == 2]
    assert {q.tags["task"] for q in with_depth} == {"existence"} and len(with_depth) == 4
    assert with_depth[0].images[1].load().pixels[0, 0] == 900
    answers = perfect(questions)
    assert bench.score(questions, answers)["headline"] == {
        "mme_perception": 2000.0,
        "mme_cognition": 800.0,
    }
    answers["existence/0001/0"] = "No way"
    answers["count/0001/1"] = "I do not see one"
    result = bench.score(questions, answers)
    # acc 3/4 and acc+ 1/2; acc 1/2 and acc+ 0
    assert result["tasks"]["existence"]["score"] == 125.0
    assert result["tasks"]["count"]["score"] == 50.0
    assert result["headline"]["mme_perception"] == 1775.0 and result["invalid"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [("Yes, it is", "yes"), ("NO", "no"), ("not", "no"), ("It is", "other"), (" yes", "yes")],
)
def test_mme_looks_at_four_letters(text: str, said: str) -> None:
    assert parse_yes_no(text) == said


def test_pope_is_the_mean_of_three_f1(tmp_path: Path) -> None:
    bench = benchmark_of("pope")
    questions = bench.read(miniatures.write_pope(tmp_path), PLAIN)
    answers = perfect(questions)
    assert bench.score(questions, answers)["headline"] == {"pope": 100.0}
    answers["random/1"] = "No, there is not"  # precision 1, recall 1/2, F1 2/3
    answers["popular/2"] = "There is one"  # precision 2/3, recall 1, F1 4/5
    result = bench.score(questions, answers)
    assert result["categories"]["random"]["f1"] == pytest.approx(2 / 3)
    assert result["categories"]["popular"]["yes_ratio"] == 0.75
    assert result["headline"]["pope"] == pytest.approx(100 * (2 / 3 + 4 / 5 + 1) / 3)


@pytest.mark.parametrize(
    ("text", "present"),
    [("Yes. No.", True), ("no", False), ("NO", True), ("there is,not", True), ("No, it", False)],
)
def test_pope_denies_by_words_of_the_first_sentence(text: str, present: bool) -> None:
    assert parse_presence(text) is present


def test_gqa_counts_balanced_questions_exactly(tmp_path: Path) -> None:
    bench = benchmark_of("gqa")
    questions = bench.read(miniatures.write_gqa(tmp_path), ReadOptions(depth=True))
    assert [len(q.images) for q in questions] == [2, 1, 1]
    answers = {"201": "Cup.", "202": "yes it is", "203": "no"}
    result = bench.score(questions, answers)
    assert result["headline"] == {"gqa": 50.0} and result["n"] == 2
    assert (result["open"], result["binary"]) == (100.0, 0.0)
    assert bench.submission(questions, answers)[0] == {"questionId": "201", "prediction": "cup"}


def test_vqa_agrees_with_people(tmp_path: Path) -> None:
    bench = benchmark_of("vqav2")
    questions = bench.read(miniatures.write_vqav2(tmp_path), PLAIN)
    result = bench.score(questions, {"42000": "Two.", "42001": "yes"})
    # three of ten said 2: (7 * 1 + 3 * 2 / 3) / 10; all said Yes: nothing is normalised
    assert result["answer_types"] == {"number": 90.0, "yes/no": 0.0}
    assert result["headline"] == {"vqav2": 45.0}


def test_vqa_without_answers_is_for_the_server(tmp_path: Path) -> None:
    bench = benchmark_of("vqav2")
    questions = bench.read(miniatures.write_vqav2(tmp_path, with_answers=False), PLAIN)
    answers = {"42000": "The two.", "42001": "Yes"}
    assert bench.score(questions, answers)["headline"] == {}
    assert bench.submission(questions, answers) == [
        {"question_id": 42000, "answer": "2"},
        {"question_id": 42001, "answer": "yes"},
    ]


def test_mmbench_needs_every_rotation_of_the_table(tmp_path: Path) -> None:
    bench = benchmark_of("mmbench")
    questions = bench.read(miniatures.write_mmbench(tmp_path / "a", turns=True), PLAIN)
    assert [q.key for q in questions] == ["7", "9", "1000007", "1000009"]
    assert questions[1].text.startswith("Look.\nCup?\nA. yes it is\nB. it is not\nAnswer with")
    assert questions[2].images[0].load().pixels.shape == (6, 8, 3)  # of the row it names
    answers = {"7": "B", "9": "A.", "1000007": "B", "1000009": "yes it is"}
    result = bench.score(questions, answers)
    assert result["headline"] == {"mmbench_dev": 50.0} and result["vanilla"] == 100.0
    assert result["categories"] == {"color": 0.0, "exists": 100.0}


def test_mmbench_rotations_are_made_where_there_are_none(tmp_path: Path) -> None:
    bench = benchmark_of("mmbench")
    folder = miniatures.write_mmbench(tmp_path / "a", turns=False)
    assert len(bench.read(folder, PLAIN)) == 2
    questions = bench.read(folder, ReadOptions(circular=True))
    first = [q for q in questions if q.tags["base"] == 7]
    assert [q.expected for q in first] == ["B", "C", "D", "A"]
    assert all(q.tags["options"][q.expected] == "green" for q in first)
    assert list(first[1].tags["options"].values()) == ["white", "red", "green", "blue"]
    assert bench.score(questions, perfect(questions))["circular"] == 100.0
    # whoever always says B is right once, by luck
    always = bench.score(questions, {q.key: "B" for q in questions})
    assert (always["vanilla"], always["circular"]) == (50.0, 0.0)


def test_seed_tells_images_from_videos(tmp_path: Path) -> None:
    bench = benchmark_of("seed")
    questions = bench.read(miniatures.write_seed(tmp_path), PLAIN)
    result = bench.score(questions, {"101": "A", "102": "A", "v9": "D. four"})
    assert (result["image"], result["video"]) == (50.0, 100.0)
    assert result["types"]["Instances Counting"] == 0.0
    assert len(bench.read(tmp_path, ReadOptions(split="image"))) == 2


@pytest.mark.parametrize("name", BENCHMARKS)
def test_an_empty_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        benchmark_of(name).read(tmp_path, PLAIN)


def test_missing_images_are_refused_and_names_are_listed(tmp_path: Path) -> None:
    miniatures.write_gqa(tmp_path)
    (tmp_path / "images" / "n2.jpg").unlink()
    with pytest.raises(ConfigurationError, match=r"n2\.jpg is missing"):
        benchmark_of("gqa").read(tmp_path, PLAIN)
    with pytest.raises(UnknownNameError, match="gqa, mmbench, mme, pope, seed, vqav2"):
        benchmark_of("mmb")


def test_table_marks_what_is_quoted() -> None:
    table = markdown_table({"mine": {"pope": 50.0}})
    assert "| mine | 50.00 | |" in table
    assert "| SpatialBot-Phi2-3B | 87.04 | *quoted* |" in table and "Table II" in table
