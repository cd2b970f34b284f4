"""`spatialbot evaluate figure`: a picture of several evaluations, or why there is none."""

from pathlib import Path

import typer
from PIL import Image
from typer.testing import CliRunner, Result

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.evaluation.trials_file import TrialsFolder
from spatialbot_ros.cli.evaluate.figure import evaluate_figure

app = typer.Typer()
app.callback()(lambda: None)
app.command("figure")(evaluate_figure)


def evaluation(folder: Path, families: tuple[str, ...], num_good: int) -> str:
    results = TrialsFolder.open(folder, {"policy": folder.name})
    for family in families:
        for seed in range(4):
            good = seed < num_good
            failure = "" if good else "dropped"
            results.add(
                Trial("spatialqa_e", family, seed, "", "do it", good, "", failure, "finished", 10)
            )
    return str(folder)


def draw(output: Path, *folders: str) -> Result:
    return CliRunner().invoke(app, ["figure", *folders, "--out", str(output)])


def test_families_that_only_one_has_are_drawn_too(tmp_path: Path) -> None:
    few = evaluation(tmp_path / "few", ("basic",), 3)
    many = evaluation(tmp_path / "many", ("basic", "illusion", "size"), 4)
    sizes = []
    for folders in ((few,), (few, many)):
        output = tmp_path / "pictures" / f"{len(folders)}.png"
        result = draw(output, *folders)
        assert result.exit_code == 0, result.output
        with Image.open(output) as picture:
            sizes.append(picture.size)
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 10
    assert sizes[1][0] > sizes[0][0]


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    empty = evaluation(tmp_path / "empty", (), 0)
    result = draw(tmp_path / "a.png", empty)
    assert isinstance(result.exception, ConfigurationError)
    assert "no finished trial" in str(result.exception)
    many = draw(tmp_path / "a.png", *[empty] * 6)
    assert isinstance(many.exception, ConfigurationError)
    assert not (tmp_path / "a.png").exists()
