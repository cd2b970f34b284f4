"""`spatialbot evaluate spatialbench`: how well a model understands space."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown

from spatialbot_ros.cli.console import JsonFlag, make_console
from spatialbot_ros.cli.evaluate.answering import (
    AnswersOption,
    BatchOption,
    CheckpointOption,
    DeviceOption,
    QueriesOption,
    TokensOption,
    ask_all,
    digest,
    load_answerer,
    one_source,
)

EPILOG = (
    "Examples: `spatialbot evaluate spatialbench --checkpoint out/models/mini` ·"
    " `spatialbot evaluate spatialbench --data SpatialBench --checkpoint out/models/spatialbot-3b"
    " --out out/spatialbench/3b`"
)
SHIPPED = "sim"
_INPUT_TITLES = {"rgb": "RGB", "rgbd": "RGB-D"}


def evaluate_spatialbench(
    data: Annotated[
        str, typer.Option(help="Folder of <category>.json and images; sim = the shipped one.")
    ] = SHIPPED,
    checkpoint: CheckpointOption = None,
    answers: AnswersOption = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="A row beside: random, text (blind) or oracle; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the baseline random.")] = 0,
    images: Annotated[
        str, typer.Option(help="rgb, rgbd or both; of --answers it names what was shown.")
    ] = "rgbd",
    name: Annotated[str, typer.Option(help="Of the model in the table; else its folder's.")] = "",
    output: Annotated[Path, typer.Option("--out", help="Folder of the results.")] = Path(
        "out/spatialbench"
    ),
    quoted: Annotated[
        Path | None, typer.Option(help="JSON list of published rows {name, source, figures}.")
    ] = None,
    device: DeviceOption = "auto",
    batch: BatchOption = 8,
    max_depth_queries: QueriesOption = 3,
    max_tokens: TokensOption = 128,
    as_json: JsonFlag = False,
) -> None:
    """Score positions, existence, counts, reaching, sizes and depths.

    Two scorings: `strict` means what it says, `release` is that of the released script. An
    interrupted run goes on in its folder.
    """
    from spatialbot_model.contracts.errors import UnknownNameError
    from spatialbot_model.evaluation.answering import match_answers
    from spatialbot_model.evaluation.answers_folder import read_answers
    from spatialbot_model.evaluation.quoted import read_quoted
    from spatialbot_model.evaluation.spatialbench.baselines import answer_baseline
    from spatialbot_model.evaluation.spatialbench.records import all_questions, read_spatialbench
    from spatialbot_model.evaluation.spatialbench.report import markdown_table, score_spatialbench
    from spatialbot_model.evaluation.trials_file import checkpoint_hash
    from spatialbot_ros.cli.evaluate.spatialbench_figure import draw_scores

    if not baseline or checkpoint or answers:
        one_source(checkpoint, answers)
    folder = find_data(data)
    inputs = {"rgb": ["rgb"], "rgbd": ["rgbd"]}
    if answers is None:
        inputs["both"] = ["rgb", "rgbd"]
    if images not in inputs:
        raise UnknownNameError("kind of images", images, inputs)
    console = make_console(as_json)
    published = read_quoted(quoted) if quoted is not None else []
    model = name or (checkpoint or answers or output).resolve().stem
    # everything is read before a model is loaded
    benches = {kind: read_spatialbench(folder, kind) for kind in inputs[images]}  # type: ignore[arg-type]
    rows: dict[str, dict[str, Any]] = {}
    answerer = None
    for kind, categories in benches.items():
        questions = all_questions(categories)
        if answers is not None:
            given = match_answers(questions, read_answers(answers))
        elif checkpoint is not None:
            answerer = answerer or load_answerer(checkpoint, device, max_depth_queries, max_tokens)
            conditions = {
                "benchmark": "spatialbench",
                "questions": digest(questions),
                "checkpoint": checkpoint_hash(checkpoint),
                "images": kind,
                "max_depth_queries": max_depth_queries,
                "max_tokens": max_tokens,
            }
            title = f"SpatialBench, {_INPUT_TITLES[kind]}"
            given = ask_all(questions, answerer, output / kind, conditions, batch, console, title)
        else:
            continue
        rows[f"{model} {_INPUT_TITLES[kind]}"] = score_spatialbench(categories, given)
    for name_of in baseline or []:
        categories = next(iter(benches.values()))
        given = answer_baseline(name_of, folder, categories, seed)
        rows[f"{name_of} (baseline)"] = score_spatialbench(categories, given)
    table = markdown_table(rows, published)
    report = {
        "measured": rows,
        "quoted": [{"name": q.name, "source": q.source, "figures": q.figures} for q in published],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (output / "report.md").write_text("# SpatialBench\n\n" + table, encoding="utf-8")
    draw_scores(rows, published, output / "scores.png")
    if as_json:
        typer.echo(json.dumps(report))
    else:
        console.print(Markdown(table))
        console.print(f"Everything is in {output}/", markup=False)


def find_data(data: str) -> Path:
    """The folder that is meant; `sim` and `default` are SpatialBench-Sim, which ships."""
    from spatialbot_model.contracts.resources import find_resource

    if data in (SHIPPED, "default"):
        return find_resource("datasets/spatialbench_sim")
    return Path(data)
