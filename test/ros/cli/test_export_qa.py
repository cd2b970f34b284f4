"""`spatialbot episodes export-qa`."""

import json
from pathlib import Path

import pytest
import synthetic_episode as synthetic
import typer
from typer.testing import CliRunner

from spatialbot_model.contracts.errors import RecordingError, UnknownNameError
from spatialbot_ros.benchmarks.synthetic_episodes import write_synthetic_episode
from spatialbot_ros.cli.episodes import export


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    export.register(app)
    app.callback()(lambda: None)
    return app


def test_records_and_report(app: typer.Typer, tmp_path: Path) -> None:
    synthetic.write_episode(tmp_path / "episodes" / "good")
    broken = synthetic.write_episode(tmp_path / "episodes" / "broken")
    (broken / "metadata.yaml").unlink()
    command = ["export-qa", str(tmp_path / "episodes"), str(tmp_path / "qa")]
    result = CliRunner().invoke(app, [*command, "--depth", "none", "--history", "2", "--json"])
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert (values["records"], values["episodes"]) == (6, 1)
    assert [Path(path).name for path in values["skipped"]] == ["broken"]
    records = json.loads(Path(values["file"]).read_text())
    assert len(records) == 6
    assert all(len(record["image"]) == 2 for record in records)
    assert all((tmp_path / "qa" / "images" / name).is_file() for name in records[5]["image"])
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, RecordingError)


def test_bad_options_are_told(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export-qa", str(tmp_path), "qa", "--depth", "jpeg"])
    assert isinstance(result.exception, UnknownNameError)
    assert "encoded, mm16, none" in str(result.exception)


def test_episodes_of_the_loader_benchmark_are_whole(tmp_path: Path) -> None:
    from spatialbot_model.data.samples import EpisodeDataset

    write_synthetic_episode(tmp_path / "e", 3, 1)
    dataset = EpisodeDataset.open(tmp_path)
    assert len(dataset) == 3
    assert not dataset.report.lost_steps
