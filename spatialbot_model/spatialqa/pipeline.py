"""A run: scenes -> parts by workers -> one file of questions, with facts and a report.

The folder of a run holds ``questions.json`` (what trainers read), ``images/``, ``facts.jsonl``
(one line per record: kind, arguments and answer as numbers), ``report.json`` and ``run.json``. A
run that was stopped goes on with the same command; what comes out is the same, byte by byte.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.spatialqa.engines import run_parts
from spatialbot_model.spatialqa.generate import KINDS
from spatialbot_model.spatialqa.part import (
    PARTS_NAME,
    SCENES_PER_PART,
    WorkerRecipe,
    part_path,
    write_whole,
)
from spatialbot_model.spatialqa.report import Report
from spatialbot_model.spatialqa.templates import load_templates

QUESTIONS_NAME = "questions.json"
FACTS_NAME = "facts.jsonl"
REPORT_NAME = "report.json"
RUN_NAME = "run.json"
FORMAT = 1


def generate(
    recipe: WorkerRecipe,
    *,
    num_workers: int = 1,
    engine: str = "local",
    on_part: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Make all questions of a source, or go on with it.

    Args:
        on_part: called with the number of parts done and of all parts.

    Returns:
        The report.

    Raises:
        ConfigurationError: the folder holds another run; names what differs.
        SpatialBotError: source, templates, engine or disk.
    """
    folder = recipe.folder
    source = recipe.source.open()
    try:
        num_scenes = len(source)
    finally:
        source.close()
    _check_same_run(recipe, num_scenes)
    if not (folder / QUESTIONS_NAME).exists():
        num_parts = -(-num_scenes // SCENES_PER_PART)
        missing = [k for k in range(num_parts) if not part_path(folder, k).exists()]
        done = num_parts - len(missing)
        for _ in run_parts(recipe, missing, num_workers=num_workers, engine=engine):
            done += 1
            if on_part is not None:
                on_part(done, num_parts)
        _assemble(folder, num_parts)
    shutil.rmtree(folder / PARTS_NAME, ignore_errors=True)
    report: dict[str, Any] = json.loads((folder / REPORT_NAME).read_bytes())
    return report


def _check_same_run(recipe: WorkerRecipe, num_scenes: int) -> None:
    kinds = [kind for kind in KINDS.values() if kind.level in recipe.options.levels]
    run = {
        "format": FORMAT,
        "source": recipe.source.describe(),
        "scenes": num_scenes,
        "options": asdict(recipe.options),
        "templates": load_templates(kinds, recipe.templates).digest,
        "rewriter": "" if recipe.rewriter is None else recipe.rewriter.model,
    }
    # as it is read back: tuples are lists there
    run = json.loads(json.dumps(run))
    path = recipe.folder / RUN_NAME
    if not path.exists():
        if (recipe.folder / QUESTIONS_NAME).exists():
            raise ConfigurationError(
                f"{recipe.folder} holds {QUESTIONS_NAME}, but no {RUN_NAME} that says how it was"
                " made; choose another folder"
            )
        write_whole(recipe.folder, path, (json.dumps(run, indent=1) + "\n").encode())
        return
    try:
        stored = json.loads(path.read_bytes())
        differing = [key for key in run if run[key] != stored.get(key)]
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    if differing:
        told = "; ".join(f"{key}: {stored.get(key)} there, {run[key]} now" for key in differing)
        raise ConfigurationError(
            f"{recipe.folder} holds another run ({told}); choose another folder, or give the same"
            " arguments to go on with it"
        )


def _assemble(folder: Path, num_parts: int) -> None:
    """Put parts together, one scene in memory at a time; `questions.json` appears last."""
    parts = folder / PARTS_NAME
    parts.mkdir(parents=True, exist_ok=True)
    questions, facts = parts / QUESTIONS_NAME, parts / FACTS_NAME
    report = Report()
    try:
        with (
            questions.open("w", encoding="utf-8") as q_file,
            facts.open("w", encoding="utf-8") as f,
        ):
            _write_records(_scenes(folder, num_parts), report, q_file, f)
        write_whole(folder, folder / REPORT_NAME, report.to_json())
        facts.replace(folder / FACTS_NAME)
        questions.replace(folder / QUESTIONS_NAME)
    except (OSError, ValueError, KeyError) as error:
        raise RecordingError(f"cannot put the parts in {parts} together: {error}") from error


def _write_records(
    scenes: Iterator[dict[str, Any]], report: Report, questions: IO[str], facts: IO[str]
) -> None:
    seen: dict[bytes, str] = {}
    ids: set[str] = set()
    separator = "[\n"
    for scene in scenes:
        if "skipped" in scene:
            report.skip(scene["skipped"])
            continue
        digest = bytes.fromhex(scene["digest"])
        if scene["scene"] in ids:
            raise RecordingError(f"two scenes of the source have the id {scene['scene']!r}")
        ids.add(scene["scene"])
        if digest in seen:
            report.skip(f"the same picture as {seen[digest]}", kind="the same picture twice")
            continue
        seen[digest] = scene["scene"]
        report.use(scene)
        for item in scene["items"]:
            record = {
                "id": item["id"],
                "image": scene["image"],
                "conversations": item["conversations"],
            }
            questions.write(separator + json.dumps(record, ensure_ascii=False))
            separator = ",\n"
            line = {key: item[key] for key in ("id", "kind", "level", "mode", "facts")}
            facts.write(json.dumps(line, ensure_ascii=False) + "\n")
    questions.write("[]\n" if separator == "[\n" else "\n]\n")


def _scenes(folder: Path, num_parts: int) -> Iterator[dict[str, Any]]:
    for part in range(num_parts):
        with part_path(folder, part).open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
