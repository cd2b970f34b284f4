"""Results on disk: a folder with one line per finished trial, and what they were run with.

`run.json` says what the trials depend on; an interrupted run goes on in its folder, and a folder
of another run is refused. A line that was cut off by a crash is dropped.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spatialbot_model.checkpoints import checkpoint_folder
from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_model.contracts.trial import Trial

RUN_FILE, TRIALS_FILE = "run.json", "trials.jsonl"
_VERSION = 1
_LABELS = {"checkpoint"}
"""Told, but nothing depends on it: a checkpoint is known by its content, not by its folder."""
_CHUNK_BYTES = 1 << 20


class TrialsFolder:
    """The folder of one evaluation. Made by `open` or `read`."""

    def __init__(self, folder: Path, conditions: Mapping[str, Any], trials: list[Trial]) -> None:
        self.folder, self.conditions = folder, dict(conditions)
        self.trials = trials

    @classmethod
    def open(cls, folder: Path, conditions: Mapping[str, Any]) -> "TrialsFolder":
        """Begin an evaluation, or go on with one that was run under the same conditions.

        Args:
            conditions: everything that a trial depends on, but its scene; plain values.

        Raises:
            ConfigurationError: the folder holds trials of other conditions.
        """
        wanted = json.loads(json.dumps({"version": _VERSION, **conditions}))
        path = folder / RUN_FILE
        if path.is_file():
            found = _read_json(path)
            differs = [k for k in {*found, *wanted} - _LABELS if found.get(k) != wanted.get(k)]
            if differs:
                told = ", ".join(
                    f"{key}: {found.get(key)!r}, now {wanted.get(key)!r}" for key in sorted(differs)
                )
                raise ConfigurationError(
                    f"{folder} holds trials run under other conditions ({told}); choose another"
                    " output folder"
                )
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        trials = _whole_lines(folder / TRIALS_FILE)
        return cls(folder, wanted, trials)

    @classmethod
    def read(cls, folder: Path) -> "TrialsFolder":
        """Read the results of an evaluation.

        Raises:
            ConfigurationError: the folder holds none.
        """
        path = folder / RUN_FILE
        if not path.is_file():
            raise ConfigurationError(
                f"{folder} holds no evaluation ({RUN_FILE} is missing); give a folder that"
                " `spatialbot evaluate` has written"
            )
        return cls(folder, _read_json(path), list(_read_trials(folder / TRIALS_FILE)))

    def add(self, trial: Trial) -> None:
        """Keep a finished trial; it is on disk when this returns."""
        with (self.folder / TRIALS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(trial.to_mapping()) + "\n")
        self.trials.append(trial)


def checkpoint_hash(folder: Path) -> str:
    """What a checkpoint's files hold, the same wherever the folder lies.

    Raises:
        CheckpointError: there is no such checkpoint, or its folder is empty.
    """
    folder = checkpoint_folder(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if path.suffix in (".safetensors", ".json", ".model", ".txt")]
    if not files:
        raise CheckpointError(
            f"{folder} is no checkpoint folder; expected one as `spatialbot train` or"
            " `spatialbot model new` write it"
        )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\n{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"{path} is no JSON: {error}") from error
    if not isinstance(values, dict) or values.get("version") != _VERSION:
        raise ConfigurationError(
            f"{path} was written by another version; expected version {_VERSION}"
        )
    return values


def _read_trials(path: Path) -> Iterator[Trial]:
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
        except ValueError as error:
            raise ConfigurationError(f"{path}, line {number}, is no JSON: {error}") from error
        yield Trial.from_mapping(values)


def _whole_lines(path: Path) -> list[Trial]:
    """The trials of a file, after a line that was cut off has been taken away."""
    if path.is_file():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            path.write_bytes(whole)
    return list(_read_trials(path))
