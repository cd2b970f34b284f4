"""Answers are kept, gone on with, and matched to their questions."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answering import answer_all, match_answers
from spatialbot_model.evaluation.answers_folder import AnswersFolder, read_answers
from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.quoted import TABLE_II, read_quoted

QUESTIONS = [Question(f"k/{k}", str(k), (), None, {"id": f"id{k}"}) for k in range(7)]


class Echo:
    """Test double: says what it was asked, and fails when it is told to."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.batches: list[list[str]] = []
        self.fail_at = fail_at

    def answer(self, questions: Sequence[Question]) -> list[str]:
        if len(self.batches) == self.fail_at:
            raise RuntimeError("interrupted")
        self.batches.append([question.text for question in questions])
        return [f"said {question.text}" for question in questions]


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        answer_all(QUESTIONS, Echo(fail_at=2), AnswersFolder.open(tmp_path, {"a": 1}), 2)
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('{"key": "k/4", "te')  # what a crash leaves
    second, seen = Echo(), []
    answers = answer_all(QUESTIONS, second, AnswersFolder.open(tmp_path, {"a": 1}), 2, seen.append)
    assert second.batches == [["4", "5"], ["6"]] and seen == [4, 6, 7]
    assert answers == {f"k/{k}": f"said {k}" for k in range(7)}
    third = Echo()
    assert answer_all(QUESTIONS, third, AnswersFolder.open(tmp_path, {"a": 1})) == answers
    assert third.batches == []
    with pytest.raises(ConfigurationError, match="other conditions"):
        AnswersFolder.open(tmp_path, {"a": 2})


@pytest.mark.parametrize("form", ["lines", "list", "object"])
def test_answer_files(tmp_path: Path, form: str) -> None:
    path = tmp_path / "answers"
    records = [{"question_id": k, "text": f"t{k}"} for k in range(3)]
    text = {
        "lines": "\n".join(map(json.dumps, records)),
        "list": json.dumps([{"id": str(k), "response": f"t{k}"} for k in range(3)]),
        "object": json.dumps({str(k): f"t{k}" for k in range(3)}),
    }[form]
    path.write_text(text)
    assert read_answers(path) == {"0": "t0", "1": "t1", "2": "t2"}


def test_bad_answer_files(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    for text, told in (
        ('[{"id": 1, "text": "a"}, {"id": 1, "text": "b"}]', "twice"),
        ('[{"id": 1}]', "record 1"),
        ("nothing", "no JSON"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=told):
            read_answers(path)


def test_answers_by_key_or_by_id() -> None:
    by_key = {f"k/{k}": str(k) for k in range(7)}
    assert match_answers(QUESTIONS, by_key) == by_key
    assert match_answers(QUESTIONS, {f"id{k}": str(k) for k in range(7)}) == by_key
    with pytest.raises(ConfigurationError, match="1 of 7 questions have no answer, first k/6"):
        match_answers(QUESTIONS, {f"id{k}": "" for k in range(6)})
    with pytest.raises(ConfigurationError, match="have no question"):
        match_answers(QUESTIONS, {**by_key, "other": ""})


def test_quoted_figures_say_where_they_are_from(tmp_path: Path) -> None:
    assert len(TABLE_II) == 8 and all("Table II" in row.source for row in TABLE_II)
    assert TABLE_II[1].figures["pope"] == "87.04"
    path = tmp_path / "quoted.json"
    path.write_text(json.dumps([{"name": "x", "source": "y", "figures": {"size": 26.7}}]))
    assert read_quoted(path)[0].figures == {"size": "26.7"}
    path.write_text(json.dumps([{"name": "x", "figures": {}}]))
    with pytest.raises(ConfigurationError, match="source"):
        read_quoted(path)
