"""`spatialbot episodes collect --glimpses` as a user runs it, read back as training reads it."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from spatialbot_model.contracts.action_codec import FINISHED_TEXT, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.data.episode_index import build_index
from spatialbot_ros.cli.episodes import manage
from spatialbot_ros.cli.episodes.collect import register
from spatialbot_ros.episodes.check import check_episode

app = typer.Typer()
app.callback()(lambda: None)
register(app)


def collect(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["collect", "--glimpses", *map(str, arguments)])


def test_glimpses_are_read_back_with_all_their_instructions(tmp_path: Path) -> None:
    result = collect(
        *("--task", "spatialqa_e", "--out", tmp_path, "--num", 3, "--workers", 1, "--json"),
        *("--glimpse-steps", 3, "--instructions", 4),
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["glimpses"] is True
    folders = sorted(tmp_path.iterdir())
    assert [folder.name for folder in folders] == [
        f"spatialqa_e_seed{seed}_glimpse" for seed in range(3)
    ]
    most = 0
    for folder in folders:
        report = check_episode(folder)
        assert report.problems == () and report.metadata is not None
        said = build_index(folder).annotations
        assert set(said.steps) <= set(range(3)) and np.all(np.diff(said.steps) >= 0)
        for step in np.unique(said.steps):
            rows = np.flatnonzero(said.steps == step)
            most = max(most, len(rows))
            assert said.instructions[rows[0]] == report.metadata.instruction
            assert len({said.instructions[row] for row in rows}) == len(rows) <= 4
        for text in said.texts:
            assert text == FINISHED_TEXT or parse_action_text(text, ActionSpec())
        known = np.isfinite(said.waypoints).all(axis=2)
        assert np.all(known == np.isfinite(said.waypoints).any(axis=2)) and known.any()
    assert most == 4


@pytest.mark.parametrize(
    "arguments", [("--noise",), ("--policy", "classical"), ("--keep-failures",)]
)
def test_what_glimpses_do_not_go_with_is_refused(tmp_path: Path, arguments) -> None:
    result = collect("--out", tmp_path / "none", "--num", 1, *arguments)
    assert isinstance(result.exception, ConfigurationError)
    assert "--glimpses" in str(result.exception)
    assert not (tmp_path / "none").exists()


def test_glimpses_of_another_length_are_not_taken_for_these(tmp_path: Path) -> None:
    arguments = ("--out", tmp_path, "--num", 1, "--workers", 1, "--glimpse-steps")
    assert collect(*arguments, 1).exit_code == 0
    again = collect(*arguments, 2)
    assert isinstance(again.exception, RecordingError)
    assert "glimpse_steps" in str(again.exception)


def test_moments_are_told_and_no_success(tmp_path: Path) -> None:
    arguments = ("--out", tmp_path, "--num", 2, "--workers", 1, "--glimpse-steps", 1)
    summary = json.loads(collect(*arguments, "--json").stdout)
    assert sum(summary["moments"].values()) == summary["successes"] == 2
    # a glimpse is no attempt at a task
    assert "first_attempt_success" not in summary
    again = collect(*arguments)
    assert "2 glimpses of 2 scenes (2 were there already)" in again.output
    assert "succeeded" not in again.output


def test_list_and_info_tell_glimpses_apart(tmp_path: Path) -> None:
    collected = collect(
        "--out", tmp_path, "--num", 2, "--workers", 1, "--glimpse-steps", 1, "--json"
    )
    moments = json.loads(collected.stdout)["moments"]
    shown = typer.Typer()
    manage.register(shown)
    listed = CliRunner().invoke(shown, ["list", str(tmp_path)])
    assert "0 whole episodes, 2 glimpses: " in listed.output
    told = CliRunner().invoke(shown, ["list", str(tmp_path), "--json"])
    assert {entry["glimpse"] for entry in json.loads(told.stdout)} == set(moments)
    told = CliRunner().invoke(
        shown, ["info", "pick_place_seed0_glimpse", "--in", str(tmp_path), "--json"]
    )
    assert json.loads(told.stdout)["glimpse"] in moments
