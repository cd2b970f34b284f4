"""`spatialbot evaluate spatialbench` and `... vlm` as a user runs them, on the tiny preset."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.cli import app

_EVALUATION = Path(__file__).parents[2] / "model" / "evaluation"
sys.path[:0] = [str(_EVALUATION / "spatialbench"), str(_EVALUATION / "vlm")]

from bench_files import RECORDS, write_spatialbench  # noqa: E402
from miniatures import write_pope, write_vqav2  # noqa: E402


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    values: dict[str, object] = json.loads(result.stdout)
    return values


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    assert run("model", "new", "tiny", folder).exit_code == 0
    return folder


def test_spatialbench_of_a_checkpoint_and_of_its_answers(tiny: Path, tmp_path: Path) -> None:
    data, out = write_spatialbench(tmp_path / "data"), tmp_path / "out"
    quoted = tmp_path / "quoted.json"
    quoted.write_text(
        json.dumps([{"name": "other", "source": "a paper", "figures": {"positional": 61.8}}])
    )
    arguments = (
        "evaluate", "spatialbench", "--data", data, "--checkpoint", tiny, "--images", "both",
        "--out", out, "--max-tokens", 16, "--batch", 3, "--quoted", quoted,
    )  # fmt: skip
    report = run_json(*arguments)
    assert list(report["measured"]) == ["tiny RGB", "tiny RGB-D"]
    asked = sum(len(v) for k, v in RECORDS.items() if k != "grounding")
    assert len((out / "rgbd" / "answers.jsonl").read_text().splitlines()) == asked
    assert (out / "scores.png").stat().st_size > 5_000
    table = (out / "report.md").read_text()
    assert "| other | *quoted* |" in table and "a paper" in table
    assert run_json(*arguments) == report  # nothing is asked again
    file = out / "rgbd" / "answers.jsonl"
    scored = run_json(
        "evaluate", "spatialbench", "--data", data, "--answers", file, "--name", "tiny",
        "--out", tmp_path / "file",
    )  # fmt: skip
    assert scored["measured"]["tiny RGB-D"] == report["measured"]["tiny RGB-D"]


def test_some_of_spatialbench_sim_of_a_checkpoint(tiny: Path, tmp_path: Path) -> None:
    shipped, data = find_resource("datasets/spatialbench_sim"), tmp_path / "data"
    data.mkdir()
    for name in ("scenes", "scenes_d"):
        (data / name).symlink_to(shipped / name)
    for path in shipped.glob("[a-z]*.json"):
        records = json.loads(path.read_text())
        if isinstance(records, list):
            (data / path.name).write_text(json.dumps(records[:2]))
    report = run_json(
        "evaluate", "spatialbench", "--data", data, "--checkpoint", tiny, "--images", "rgbd",
        "--out", tmp_path / "out", "--max-tokens", 16, "--batch", 12, "--baseline", "random",
    )  # fmt: skip
    assert list(report["measured"]) == ["tiny RGB-D", "random (baseline)"]
    for scores in report["measured"].values():
        assert {name: score["strict"]["n"] for name, score in scores.items()} == dict.fromkeys(
            ("depth", "positional", "existence", "counting", "reach", "size"), 2
        )


def test_spatialbench_sim_is_what_is_asked_by_default(tmp_path: Path) -> None:
    report = run_json(
        "evaluate", "spatialbench", "--baseline", "oracle", "--baseline", "text", "--out", tmp_path
    )
    assert list(report["measured"]) == ["oracle (baseline)", "text (baseline)"]
    assert report["measured"]["oracle (baseline)"]["size"]["strict"]["score"]["percent"] == 100.0
    assert (tmp_path / "scores.png").stat().st_size > 5_000
    same = run_json(
        "evaluate", "spatialbench", "--data", "default", "--baseline", "oracle",
        "--out", tmp_path / "again",
    )  # fmt: skip
    assert same["measured"]["oracle (baseline)"] == report["measured"]["oracle (baseline)"]


def test_vlm_of_a_checkpoint_and_of_a_file(tiny: Path, tmp_path: Path) -> None:
    pope, out = write_pope(tmp_path / "pope"), tmp_path / "out"
    report = run_json(
        "evaluate", "vlm", "--benchmark", "pope", "--data", pope, "--checkpoint", tiny,
        "--out", out, "--max-tokens", 16,
    )  # fmt: skip
    assert report["questions"] == 12 and "pope" in report["headline"]
    assert "*quoted*" in (out / "report.md").read_text()
    vqa = write_vqav2(tmp_path / "vqa", with_answers=False)
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        '{"question_id": 42000, "text": "A cat."}\n{"question_id": 42001, "text": "x"}'
    )
    report = run_json(
        "evaluate", "vlm", "--benchmark", "vqav2", "--data", vqa, "--answers", answers,
        "--out", tmp_path / "vqav2",
    )  # fmt: skip
    assert report["headline"] == {}
    submission = json.loads((tmp_path / "vqav2" / "submission.json").read_text())
    assert submission[0] == {"question_id": 42000, "answer": "cat"}


def test_one_source_of_answers(tmp_path: Path) -> None:
    for command in (
        ["evaluate", "spatialbench", "--data", tmp_path],
        ["evaluate", "vlm", "--benchmark", "pope", "--data", tmp_path],
    ):
        result = run(*command)
        assert isinstance(result.exception, ConfigurationError)
        assert "--checkpoint or --answers" in str(result.exception)
