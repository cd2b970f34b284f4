"""`spatialbot episodes list | info | check | label | repair | merge`."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.cli.console import JsonFlag, make_console

_DIRECTORY = Path("out/episodes")
_LABEL_STYLES = {"success": "green", "failure": "red", "unknown": "yellow"}

Directory = Annotated[Path, typer.Option("--in", help="Folder that holds the episodes.")]
Episode = Annotated[str, typer.Argument(help="Path of an episode, or its name in --in.")]
Episodes = Annotated[
    list[str] | None,
    typer.Argument(help="Paths of episodes, or names in --in; left out: all in --in."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("list", epilog="Example: `spatialbot episodes list out/episodes --json`")(list_)
    app.command(epilog="Example: `spatialbot episodes info pick_place_seed3_0001_...`")(info)
    app.command(epilog="Example: `spatialbot episodes check --in out/episodes`")(check)
    app.command(epilog="Example: `spatialbot episodes label EPISODE success --note 'it lies'`")(
        label
    )
    app.command(epilog="Example: `spatialbot episodes repair EPISODE`")(repair)
    app.command(epilog="Example: `spatialbot episodes merge monday tuesday --output week`")(merge)


def list_(
    directory: Annotated[Path, typer.Argument(help="Searched with all below.")] = _DIRECTORY,
    as_json: JsonFlag = False,
) -> None:
    """List episodes: task, seed, label, length, losses, and those that were interrupted."""
    from spatialbot_model.contracts.glimpse import moment_of
    from spatialbot_ros.episodes.listing import CLOSED, list_episodes

    summaries = list_episodes(directory)
    if as_json:
        typer.echo(json.dumps([summary.to_mapping() for summary in summaries]))
        return
    table = Table("episode", "task", "seed", "label", "s", "frames", "lost", "MB")
    for column in table.columns[4:]:
        column.justify = "right"
    for summary in summaries:
        metadata = summary.metadata
        duration_s = metadata.duration_s if metadata is not None else None
        table.add_row(
            Text(str(summary.folder.relative_to(directory) or summary.folder.name)),
            Text(metadata.task if metadata is not None else ""),
            "" if metadata is None or metadata.seed is None else str(metadata.seed),
            Text(summary.label, style=_LABEL_STYLES.get(summary.label, ""))
            if summary.state == CLOSED
            else Text(summary.state, style="bold magenta"),
            "" if duration_s is None else f"{duration_s:.1f}",
            str(summary.num_frames),
            str(summary.num_lost),
            f"{summary.num_bytes / 1e6:.1f}",
        )
    console = make_console()
    console.print(table)
    moments = Counter(
        moment
        for summary in summaries
        if summary.metadata is not None and (moment := moment_of(summary.metadata))
    )
    if moments:
        told = ", ".join(f"{number} {moment}" for moment, number in sorted(moments.items()))
        whole = len(summaries) - moments.total()
        console.print(f"{whole} whole episodes, {moments.total()} glimpses: {told}", markup=False)
    for summary in summaries:
        if summary.state != CLOSED:
            console.print(f"{summary.folder.name}: {summary.trouble}", markup=False)


def info(episode: Episode, directory: Directory = _DIRECTORY, as_json: JsonFlag = False) -> None:
    """What an episode says about itself: metadata, topics with rates, image formats."""
    from spatialbot_ros.episodes.listing import describe_episode, find_episode

    values = describe_episode(find_episode(episode, directory))
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table("episode", values["folder"].replace("[", r"\["))
    shown = ("task", "instruction", "seed", "label", "reason", "duration_s", "frames", "lost")
    metadata = values["metadata"]
    for name in shown:
        table.add_row(name, Text(str(values[name])))
    if values["glimpse"]:
        table.add_row("glimpse", Text(f"from the moment {values['glimpse']} on"))
    for name in ("robot", "camera", "software_version"):
        table.add_row(name, Text(metadata[name]))
    table.add_row("size", f"{values['bytes'] / 1e6:.1f} MB")
    table.add_row("images", Text(_pairs(values["image_formats"])))
    table.add_row("action spec", Text(_pairs(metadata["action_spec"])))
    if metadata.get("provenance"):
        table.add_row("provenance", Text(_pairs(metadata["provenance"])))
    for entry in metadata.get("label_history", []):
        text = f"{entry['label']} until {entry['until']}: {entry['reason']}"
        table.add_row("earlier label", Text(text))
    topics = Table("topic", "type", "messages", "Hz")
    for name, topic in values["topics"].items():
        rate = "" if topic["rate_hz"] is None else str(topic["rate_hz"])
        topics.add_row(name, topic["type"], str(topic["messages"]), rate)
    console = make_console()
    console.print(table)
    console.print(topics)


def check(
    episodes: Episodes = None,
    directory: Directory = _DIRECTORY,
    max_gap_s: Annotated[
        float, typer.Option(min=0.0, help="Longest silence of a continuous topic [s].")
    ] = 1.0,
    require_label: Annotated[
        bool, typer.Option("--require-label", help="An unlabelled episode is a problem.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Read episodes whole and compare them with the contract; exit code 1 when one is faulty."""
    from spatialbot_ros.episodes.check import check_episode

    console = make_console(as_json)
    answers = []
    for folder in _folders(episodes, directory):
        report = check_episode(folder, max_gap_s=max_gap_s)
        problems = list(report.problems)
        if require_label and report.metadata is not None and report.metadata.label == "unknown":
            problems.append("not labelled; use `spatialbot episodes label`")
        answers.append(
            {
                "folder": str(folder),
                "ok": not problems,
                "problems": problems,
                "warnings": list(report.warnings),
                "counts": report.counts,
                "pairs": report.num_pairs,
                "longest_gap_s": report.longest_gap_s or {},
            }
        )
        verdict = ("faulty", "bold red") if problems else ("ok", "green")
        text = f"  {folder}  {report.num_pairs} RGB-D frames"
        text += "".join(f", {warning}" for warning in report.warnings)
        console.print(Text.assemble(verdict, text))
        for problem in problems:
            console.print(f"    {problem}", markup=False)
    if as_json:
        typer.echo(json.dumps(answers))
    raise typer.Exit(0 if all(answer["ok"] for answer in answers) else 1)


def label(
    episode: Episode,
    value: Annotated[str, typer.Argument(metavar="LABEL", help="success, failure or unknown.")],
    note: Annotated[str, typer.Option(help="Why; left out, the reason stays.")] = "",
    directory: Directory = _DIRECTORY,
    as_json: JsonFlag = False,
) -> None:
    """Change an episode's success label; the old one is kept in its history."""
    from spatialbot_ros.episodes.label import label_episode
    from spatialbot_ros.episodes.listing import find_episode

    folder = find_episode(episode, directory)
    metadata = label_episode(folder, value, note)
    if as_json:
        history = list(metadata.label_history)
        values = {"label": metadata.label, "reason": metadata.reason, "history": history}
        typer.echo(json.dumps({"folder": str(folder), **values}))
    else:
        make_console().print(f"{folder}: {metadata.label}. {metadata.reason}", markup=False)


def repair(
    episodes: Episodes = None,
    directory: Directory = _DIRECTORY,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Keep it as EPISODE.broken in any case.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Recover episodes whose recorder was killed; exit code 1 when one is not as it should be."""
    from spatialbot_ros.episodes.repair import repair_episode

    console = make_console(as_json)
    answers = []
    for folder in _folders(episodes, directory):
        answer: dict[str, Any] = {"folder": str(folder), "ok": False}
        try:
            report = repair_episode(folder, keep_original=keep_original)
            original = None if report.original is None else str(report.original)
            answer |= {"ok": report.check.ok, "repaired": report.repaired, "what": report.what}
            answer |= {"messages": report.num_messages, "original": original}
            answer["problems"] = list(report.check.problems)
        except RecordingError as error:
            # the others are repaired all the same
            answer |= {"repaired": False, "what": str(error), "problems": [str(error)]}
        answers.append(answer)
        verdict = ("ok", "green") if answer["ok"] else ("not ok", "bold red")
        console.print(Text.assemble(verdict, f"  {folder}: {answer['what']}"))
        if answer.get("original"):
            console.print(f"    the original is kept as {answer['original']}", markup=False)
        for problem in answer["problems"]:
            if problem != answer["what"]:
                console.print(f"    {problem}", markup=False)
    if as_json:
        typer.echo(json.dumps(answers))
    raise typer.Exit(0 if all(answer["ok"] for answer in answers) else 1)


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Folders of sessions or episodes.")],
    output: Annotated[Path, typer.Option(help="New folder of the dataset.")],
    copy: Annotated[bool, typer.Option("--copy", help="Copy files instead of linking.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put the episodes of several sessions into one dataset folder with an index."""
    from spatialbot_ros.episodes.merge import merge_sessions

    index = merge_sessions(sources, output, copy=copy)
    num_episodes = len(json.loads(index.read_text(encoding="utf-8"))["episodes"])
    if as_json:
        typer.echo(json.dumps({"index": str(index), "episodes": num_episodes}))
    else:
        make_console().print(f"{num_episodes} episodes in {output}, listed in {index}")


def _folders(names: list[str] | None, directory: Path) -> list[Path]:
    from spatialbot_ros.episodes.listing import find_episode, find_episodes

    if not names:
        folders = find_episodes(directory)
        if not folders:
            raise RecordingError(f"no episode in {directory}")
        return folders
    return [find_episode(name, directory) for name in names]


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
