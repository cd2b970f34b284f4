"""Answers on disk, one line each, so that an interrupted evaluation goes on where it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError

RUN_NAME, ANSWERS_NAME = "run.json", "answers.jsonl"
_KEYS = ("key", "question_id", "questionId", "index", "id")
_TEXTS = ("text", "response", "prediction", "answer", "output")


class AnswersFolder:
    """The answers of one model to one benchmark. Made by `open`."""

    def __init__(self, folder: Path, answers: dict[str, str]) -> None:
        self.folder, self.answers = folder, answers

    @classmethod
    def open(cls, folder: Path, conditions: Mapping[str, Any]) -> "AnswersFolder":
        """Begin, or go on with answers that were given under the same conditions.

        Args:
            conditions: everything that an answer depends on; plain values.

        Raises:
            ConfigurationError: the folder holds answers given under other conditions.
        """
        wanted = json.loads(json.dumps(conditions))
        run, path = folder / RUN_NAME, folder / ANSWERS_NAME
        if run.is_file():
            found = read_json(run)
            if found != wanted:
                differs = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
                raise ConfigurationError(
                    f"{folder} holds answers given under other conditions"
                    f" ({', '.join(differs)}); choose another output folder"
                )
        else:
            folder.mkdir(parents=True, exist_ok=True)
            run.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        if not path.is_file():
            return cls(folder, {})
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            # what a crash cut off is asked again
            path.write_bytes(whole)
        return cls(folder, read_answers(path) if whole else {})

    def add(self, answers: Mapping[str, str]) -> None:
        """Keep answers; they are on disk when this returns."""
        lines = [json.dumps({"key": key, "text": text}) + "\n" for key, text in answers.items()]
        with (self.folder / ANSWERS_NAME).open("a", encoding="utf-8") as file:
            file.writelines(lines)
        self.answers.update(answers)


def read_answers(path: Path) -> dict[str, str]:
    """Answers by key, of a JSON list or of JSON lines.

    A record names its question in one of ``key question_id questionId index id`` and its answer
    in one of ``text response prediction answer output``; a plain object maps keys to answers.

    Raises:
        ConfigurationError: not readable, or a question answered twice.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the answers {path}: {error}") from error
    records: list[Any]
    try:
        loaded = json.loads(content)
    except ValueError:
        records = read_json_lines(path)
    else:
        if isinstance(loaded, dict) and not any(name in loaded for name in _KEYS):
            return {str(key): str(text) for key, text in loaded.items()}
        records = loaded if isinstance(loaded, list) else [loaded]
    answers: dict[str, str] = {}
    for number, record in enumerate(records, 1):
        key = _first(record, _KEYS)
        text = _first(record, _TEXTS)
        if key is None or text is None:
            raise ConfigurationError(
                f"{path}, record {number}: expected one of {', '.join(_KEYS)} and one of"
                f" {', '.join(_TEXTS)}"
            )
        if str(key) in answers:
            raise ConfigurationError(f"{path} answers the question {key} twice")
        answers[str(key)] = str(text)
    return answers


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        ConfigurationError: missing, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is no JSON: {error}") from error


def read_json_lines(path: Path) -> list[Any]:
    """A file with one JSON value a line; empty lines are passed over.

    Raises:
        ConfigurationError: missing, or a line is no JSON.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    values = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except ValueError as error:
                raise ConfigurationError(f"{path}, line {number}, is no JSON: {error}") from error
    return values


def _first(record: Any, names: tuple[str, ...]) -> Any:
    if not isinstance(record, dict):
        return None
    return next((record[name] for name in names if record.get(name) is not None), None)
