"""`spatialbot evaluate` as a user runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.cli.evaluate import app
from spatialbot_ros.cli.evaluate.scenes import held_out_scenes
from spatialbot_sim.tasks import novelty_of, split_of


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def classical(folder: Path, episodes: int, *more: object) -> Result:
    return evaluate(
        "sim", "--policy", "classical", "--families", "pick_place", "--max-steps", 2,
        "--episodes", episodes, "--out", folder, "--json", *more,
    )  # fmt: skip


def test_trials_are_run_once_shown_and_compared(tmp_path: Path) -> None:
    first = classical(tmp_path / "a", 1)
    assert first.exit_code == 0, first.output
    report = json.loads(first.stdout)
    assert report == json.loads((tmp_path / "a" / "report.json").read_text())
    assert (report["all"]["n"], report["new_trials"], report["failures_shown"]) == (1, 1, 1)
    assert report["all"]["failures"] == {"time-out": 1}
    assert (tmp_path / "a" / "failures.png").stat().st_size > 10_000
    assert (tmp_path / "a" / "failures.mp4").stat().st_size > 1_000
    more = json.loads(classical(tmp_path / "a", 2).stdout)
    assert (more["all"]["n"], more["new_trials"]) == (2, 1)
    fewer = json.loads(classical(tmp_path / "a", 1).stdout)
    assert (fewer["all"]["n"], fewer["new_trials"]) == (1, 0)
    assert "0/1 = 0.0 %" in (tmp_path / "a" / "report.md").read_text()

    compared = evaluate("compare", tmp_path / "a", tmp_path / "a", "--json")
    assert compared.exit_code == 0, compared.output
    figures = json.loads(compared.stdout)
    assert (figures["all"]["n"], figures["all"]["neither"]) == (2, 2)
    assert figures["all"]["sequential"]["decision"] == "undecided"
    assert figures["differs"] == {} and figures["unpaired"] == [0, 0]
    assert "undecided" in evaluate("compare", tmp_path / "a", tmp_path / "a").output


def test_other_conditions_need_another_folder(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"version": 1, "policy": "local"}')
    error = classical(tmp_path, 1).exception
    assert isinstance(error, ConfigurationError) and "other conditions" in str(error)


def test_what_is_missing_is_said() -> None:
    error = evaluate("sim").exception
    assert isinstance(error, ConfigurationError) and "--checkpoint" in str(error)
    assert isinstance(evaluate("sim", "--policy", "nobody").exception, UnknownNameError)


def test_scenes_are_test_scenes_and_the_same_again() -> None:
    jobs = held_out_scenes("basic,pick_place,basic", 3, 5)
    assert [(job.task, job.seed) for job in jobs] == [
        (task, 1_000_005 + k) for task in ("spatialqa_e_basic", "pick_place") for k in range(3)
    ]
    assert all(split_of(job.seed) == "test" for job in jobs)
    objects = held_out_scenes("size", 3, 0, "object")
    assert [novelty_of(job.seed) for job in objects] == ["object"] * 3
    with pytest.raises(UnknownNameError, match="basic"):
        held_out_scenes("colour", 1, 0)
    with pytest.raises(ConfigurationError, match="no family"):
        held_out_scenes(" ,", 1, 0)


def test_scenes_without_another_instruction_are_passed_over() -> None:
    jobs = held_out_scenes("containment", 6, 0, with_other_instruction=True)
    assert len(jobs) == 6
    assert jobs[-1].seed > 1_000_005
