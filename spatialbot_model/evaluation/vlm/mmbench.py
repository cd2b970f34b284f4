"""MMBench (Liu et al., arXiv 2307.06281): options, right only if right in every rotation.

Layout: a TSV with the columns index, question, hint, A, B, C, D, answer, category, image (JPEG
in base64) and others. Rows whose index is 1,000,000 or more are rotations of the row with that
index modulo 1,000,000. The official evaluation asks a language model what an answer means where
rules fail; here such an answer is wrong and counted as invalid.
"""

import base64
import binascii
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.questions import ImageSource, Question, check_keys
from spatialbot_model.evaluation.vlm.benchmark import ReadOptions, percent
from spatialbot_model.evaluation.vlm.choices import choice_prompt, infer_choice, rotations

_TURN = 1_000_000
_LETTERS = ("A", "B", "C", "D", "E")
_NOTHING = ("", "nan", "none")


class MmBench:
    """See the module docstring."""

    name = "mmbench"
    title = "MMBench"
    depth_in_paper = False

    def read(self, folder: Path, options: ReadOptions) -> list[Question]:
        """See `Benchmark`; `folder` may be the TSV itself, `split` is a part of its name."""
        path = _table(folder, options.split)
        rows = _rows(path)
        pictures = {row["index"]: row["image"] for row in rows}
        has_turns = any(int(row["index"]) >= _TURN for row in rows)
        dev = "test" not in path.name.lower()
        questions = []
        for row in rows:
            choices = {k: row[k] for k in _LETTERS if not _is_nothing(row.get(k, ""))}
            answer = row.get("answer", "").strip()
            if len(choices) < 2 or (not _is_nothing(answer) and answer not in choices):
                raise ConfigurationError(f"{path}, index {row['index']}: options and answer differ")
            image = _image(path, row["index"], pictures)
            hint = "" if _is_nothing(row.get("hint", "")) else row["hint"]
            turned = rotations(choices, answer or None)
            if has_turns or not options.circular:
                turned = turned[:1]
            for shift, (shown, expected) in enumerate(turned):
                index = int(row["index"]) + shift * _TURN
                questions.append(
                    Question(
                        key=str(index),
                        text=choice_prompt(row["question"], shown, hint),
                        images=(image,),
                        expected=expected or None,
                        tags={
                            "options": shown,
                            "base": index % _TURN,
                            "category": row.get("category", ""),
                            "split": "mmbench_dev" if dev else "mmbench_test",
                        },
                    )
                )
        return check_keys(questions, path)

    def score(self, questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, Any]:
        """See `Benchmark`: `circular` needs every rotation right, `vanilla` the first."""
        scored = [q for q in questions if q.expected is not None]
        said = {q.key: infer_choice(answers[q.key], q.tags["options"]) for q in scored}
        groups: dict[int, list[Question]] = {}
        for question in scored:
            groups.setdefault(question.tags["base"], []).append(question)
        right = {
            base: all(said[q.key] == q.expected for q in group) for base, group in groups.items()
        }
        first = [said[g[0].key] == g[0].expected for g in groups.values()]
        kinds = sorted({group[0].tags["category"] for group in groups.values()})
        of_kind = {
            kind: [right[b] for b, g in groups.items() if g[0].tags["category"] == kind]
            for kind in kinds
        }
        circular = percent(sum(right.values()), len(right))
        return {
            "headline": {} if circular is None else {scored[0].tags["split"]: circular},
            "n": len(groups),
            "rotations": max((len(group) for group in groups.values()), default=0),
            "circular": circular,
            "vanilla": percent(sum(first), len(first)),
            "categories": {kind: percent(sum(v), len(v)) for kind, v in of_kind.items()},
            "invalid": sum(choice is None for choice in said.values()),
        }

    def submission(self, questions: Sequence[Question], answers: Mapping[str, str]) -> Any:
        """See `Benchmark`."""
        return [
            {
                "index": int(q.key),
                "prediction": infer_choice(answers[q.key], q.tags["options"]) or answers[q.key],
            }
            for q in questions
        ]


def _table(folder: Path, split: str) -> Path:
    if folder.is_file():
        return folder
    tables = sorted(p for p in folder.glob("*.tsv") if split.lower() in p.name.lower())
    if len(tables) != 1:
        names = ", ".join(p.name for p in tables) or "none"
        raise ConfigurationError(
            f"{folder} holds several or no MMBench tables ({names}); name one with --split, e.g."
            " DEV_EN"
        )
    return tables[0]


def _rows(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        rows = [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in reader]
    if not rows or not {"index", "question", "image", "A", "B"} <= set(rows[0]):
        raise ConfigurationError(f"{path} has not the columns of MMBench")
    return rows


def _image(path: Path, index: str, pictures: Mapping[str, str]) -> ImageSource:
    data = pictures[index]
    if data.isdigit():
        # the row of this index holds the image
        data = pictures.get(data, "")
    try:
        return ImageSource("rgb", data=base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise ConfigurationError(f"{path}, index {index}: the image is no base64") from error


def _is_nothing(value: str) -> bool:
    return value.strip().lower() in _NOTHING
