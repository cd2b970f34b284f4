"""`spatialbot episodes collect` as a user runs it."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    RecordingError,
    UnknownNameError,
)
from spatialbot_ros.benchmarks.collect import run as run_benchmark
from spatialbot_ros.cli.episodes.collect import register
from spatialbot_ros.cli.episodes.rollout_arguments import RolloutArguments
from spatialbot_ros.episodes.check import check_episode

app = typer.Typer()
app.callback()(lambda: None)
register(app)


def collect(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["collect", *map(str, arguments)])


def test_episodes_are_collected_once(tmp_path: Path) -> None:
    arguments = ("--out", tmp_path, "--num", 1, "--seed", 4, "--workers", 1, "--json")
    result = collect(*arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["n"], summary["successes"], summary["skipped"]) == (1, 1, 0)
    assert summary["first_attempt_success"]["all"]["n"] == 1
    assert summary["robot_time_s"] > 2.0
    (folder,) = tmp_path.iterdir()
    assert folder.name == "pick_place_seed4_expert"
    report = check_episode(folder)
    assert report.problems == ()
    assert report.metadata is not None and report.metadata.label == "success"
    again = json.loads(collect(*arguments).stdout)
    assert (again["successes"], again["skipped"], again["steps"]) == (1, 1, 0)


def test_the_expert_is_measured_without_images(tmp_path: Path) -> None:
    result = collect("--out", tmp_path / "none", "--num", 2, "--workers", 1, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "2 of 2 scenes succeeded" in result.output
    assert "first attempt, all: 2/2" in result.output
    assert not (tmp_path / "none").exists()


def test_failures_are_told_and_no_success_is_an_error(tmp_path: Path) -> None:
    result = collect(
        "--out", tmp_path, "--num", 1, "--workers", 1, "--max-steps", 4, "--keep-failures", "--json"
    )
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["failed_seeds"] == [0] and summary["successes"] == 0
    (folder,) = tmp_path.iterdir()
    report = check_episode(folder)
    assert report.metadata is not None and report.metadata.label == "failure"


def test_wrong_wishes_are_refused_before_anything_starts(tmp_path: Path) -> None:
    unknown = collect("--out", tmp_path, "--task", "juggle")
    assert isinstance(unknown.exception, UnknownNameError)
    images = collect("--out", tmp_path, "--images", "gif")
    assert isinstance(images.exception, ConfigurationError)
    assert not list(tmp_path.iterdir())


def test_the_benchmark_measures_and_cleans_up(tmp_path: Path) -> None:
    result = run_benchmark(episodes=1, workers=1, folder=str(tmp_path))
    assert result.n == 1 and result.ratio > 0.0
    assert result.figures["frames_per_s"] > 0.0 and result.figures["mb_per_episode"] > 1.0
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigurationError, match="at least 1"):
        run_benchmark(episodes=0)


def test_a_policy_drives_and_its_agreement_is_told(tmp_path: Path) -> None:
    arguments = ("--num", 1, "--workers", 1, "--policy", "classical", "--round", 2)
    result = collect("--out", tmp_path, *arguments, "--policy-share", 0.5, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    policy = summary["policy"]
    assert (policy["round"], policy["policy_share"]) == (2, 0.5)
    assert 0 < policy["policy_steps"] < summary["steps"]
    assert policy["compared_with_expert"] == policy["policy_steps"] - policy["holds"]
    assert policy["bins_off"] > 0.0 and len(policy["bins_off_per_axis"]) == 6
    (folder,) = tmp_path.iterdir()
    assert folder.name == "pick_place_seed0_rollout2"
    report = check_episode(folder)
    assert report.problems == ()
    assert report.metadata is not None
    assert report.metadata.provenance["policy"] == "classical"
    assert report.metadata.label == "success"
    again = collect("--out", tmp_path, *arguments, "--policy-share", 0.7)
    assert isinstance(again.exception, RecordingError)


def test_weights_need_a_policy(tmp_path: Path) -> None:
    result = collect("--out", tmp_path, "--checkpoint", tmp_path)
    assert isinstance(result.exception, ConfigurationError)
    assert "--policy local" in str(result.exception)


def test_weights_are_known_by_their_content(tmp_path: Path) -> None:
    def digest() -> object:
        return RolloutArguments("local", str(tmp_path)).provenance()["checkpoint_hash"]

    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = digest()
    (tmp_path / "README.md").write_text("a card")
    assert digest() == before != ""
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert digest() != before
