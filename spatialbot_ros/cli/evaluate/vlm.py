"""`spatialbot evaluate vlm`: general benchmarks of vision-language models."""

import json
from pathlib import Path
from typing import Annotated

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
    "Example: `spatialbot evaluate vlm --benchmark mme --data MME_Benchmark_release_version"
    " --checkpoint out/models/spatialbot-3b --depth`"
)


def evaluate_vlm(
    benchmark: Annotated[str, typer.Option(help="mme, mmbench, seed, vqav2, gqa or pope.")],
    data: Annotated[Path, typer.Option(help="Folder in the benchmark's public layout.")],
    checkpoint: CheckpointOption = None,
    answers: AnswersOption = None,
    depth: Annotated[
        bool, typer.Option("--depth", help="Show depth images (<folder>_d/<name>.png) as well.")
    ] = False,
    split: Annotated[str, typer.Option(help="Part of the benchmark, where it has several.")] = "",
    circular: Annotated[
        bool, typer.Option("--circular", help="MMBench: rotate options where the table does not.")
    ] = False,
    name: Annotated[str, typer.Option(help="Of the model in the table; else its folder's.")] = "",
    output: Annotated[
        Path | None, typer.Option("--out", help="Folder of the results; else out/vlm/BENCHMARK.")
    ] = None,
    device: DeviceOption = "auto",
    batch: BatchOption = 8,
    max_depth_queries: QueriesOption = 0,
    max_tokens: TokensOption = 128,
    as_json: JsonFlag = False,
) -> None:
    """Score a benchmark of the paper's Table II as its own script does.

    The paper shows depth images for MME and GQA. Where the answers are not public, the file for
    the benchmark's server is written instead. An interrupted run goes on in its folder.
    """
    from spatialbot_model.evaluation.answering import match_answers
    from spatialbot_model.evaluation.answers_folder import read_answers
    from spatialbot_model.evaluation.trials_file import checkpoint_hash
    from spatialbot_model.evaluation.vlm.benchmark import ReadOptions
    from spatialbot_model.evaluation.vlm.registry import benchmark_of
    from spatialbot_model.evaluation.vlm.report import markdown_table

    one_source(checkpoint, answers)
    bench = benchmark_of(benchmark)
    console = make_console(as_json)
    questions = bench.read(data, ReadOptions(depth, split, circular))
    num_depth = sum(any(i.role == "depth" for i in question.images) for question in questions)
    folder = output or Path("out/vlm") / benchmark
    if checkpoint is None:
        assert answers is not None
        given = match_answers(questions, read_answers(answers))
    else:
        conditions = {
            "benchmark": benchmark,
            "questions": digest(questions),
            "checkpoint": checkpoint_hash(checkpoint),
            "max_depth_queries": max_depth_queries,
            "max_tokens": max_tokens,
        }
        answerer = load_answerer(checkpoint, device, max_depth_queries, max_tokens)
        given = ask_all(questions, answerer, folder, conditions, batch, console, bench.title)
    result = bench.score(questions, given)
    model = name or (checkpoint or answers or folder).resolve().stem
    report = {
        "benchmark": benchmark,
        "model": model,
        "questions": len(questions),
        "with_depth": num_depth,
        **result,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    submission = bench.submission(questions, given)
    if submission is not None:
        text = json.dumps(submission) + "\n"
        (folder / "submission.json").write_text(text, encoding="utf-8")
    shown = f"{model} {'RGB-D' if num_depth else 'RGB'}"
    table = markdown_table({shown: result["headline"]}) if result["headline"] else ""
    if table:
        (folder / "report.md").write_text(f"# {bench.title}\n\n{table}", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(report))
        return
    if table:
        console.print(Markdown(table))
    else:
        console.print("The answers are not public: submission.json is for the server.")
    console.print(
        f"{len(questions)} questions, {num_depth} with depth. Everything is in {folder}/",
        markup=False,
    )
