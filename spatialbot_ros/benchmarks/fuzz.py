"""Readers of bytes of unknown origin, fuzzed: nothing but the declared errors may come out."""

import importlib.util
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError
from spatialbot_ros.benchmarks.fuzzing.targets import (
    ACCEPTED,
    ACCOUNT_NAME,
    DEFECTS_NAME,
    FUZZ_TARGETS,
    fuzz_entry,
)
from spatialbot_ros.benchmarks.result import BenchmarkResult

_PIECE = 100_000
_PROCESS = "spatialbot_ros.benchmarks.fuzzing.process"
_STATUS = re.compile(r"cov: (\d+) .*corp: (\d+)/")


@dataclass(frozen=True, slots=True)
class FuzzPiece:
    """Account of one piece.

    Attributes:
        seed: of the fuzzer.
        outcomes: how many inputs were accepted, or refused by which declared error.
        seconds: wall time.
        slowest_ms: longest time for one input.
        branches: parts of the watched modules that the corpus reaches, as libFuzzer counts them.
        corpus: inputs that it keeps.
        peak_mb: memory of the process.
    """

    seed: int
    outcomes: Mapping[str, int]
    seconds: float
    slowest_ms: float
    branches: int
    corpus: int
    peak_mb: int

    @property
    def inputs(self) -> int:
        """All that were read."""
        return sum(self.outcomes.values())


def run(
    inputs: int = 100_000,
    targets: str = ",".join(FUZZ_TARGETS),
    seed: int = 1,
    output: str = "out/fuzz",
    seconds: float = 0.0,
) -> BenchmarkResult:
    """Fuzz each target with atheris (libFuzzer), guided by the branches that inputs reach.

    In pieces of 100,000 inputs, each in a process of its own; what an interrupted run has finished
    is not run again. A target ends at its first defect, and its input is kept. The ratio is the
    share of the targets without a defect.

    Args:
        inputs: for each target.
        targets: by name, with commas between them.
        seed: piece k of a target has seed + k.
        output: folder; what belongs to a target is in the folder of its name.
        seconds: begin no piece after this time; 0 = run all.

    Raises:
        MissingDependencyError: atheris is not installed.
        ConfigurationError: nothing to do.
        UnknownNameError: there is no such target.
    """
    if importlib.util.find_spec("atheris") is None:
        raise MissingDependencyError(
            "atheris is not installed; run `pip install 'spatialbot_ros[test]'`"
        )
    names = [name.strip() for name in targets.split(",") if name.strip()]
    if inputs < 1 or not names:
        raise ConfigurationError(f"{inputs} inputs for {len(names)} targets; expected some")
    ends_s = time.monotonic() + (seconds or float("inf"))
    pieces, defects = {}, {}
    for name in names:
        fuzz_entry(name)
        folder = Path(output) / name
        pieces[name] = run_pieces(name, folder, inputs, seed, ends_s)
        defects[name] = find_defects(folder)
    return BenchmarkResult(
        name="fuzz",
        figures={k: v for name in names for k, v in _figures(name, pieces[name], defects).items()},
        baseline="targets without an undeclared error",
        ratio=round(sum(not found for found in defects.values()) / len(names), 3),
        n=sum(piece.inputs for done in pieces.values() for piece in done),
    )


def run_pieces(name: str, folder: Path, inputs: int, seed: int, ends_s: float) -> list[FuzzPiece]:
    """Accounts of the finished pieces of a target, in order; see `run`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pieces.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pieces = [FuzzPiece(**json.loads(line)) for line in lines]
    if any(piece.seed != seed + k for k, piece in enumerate(pieces)):
        raise ConfigurationError(f"{path} holds pieces of another seed; choose another folder")
    while not find_defects(folder):
        left = inputs - sum(piece.inputs for piece in pieces)
        if left <= 0 or (pieces and time.monotonic() >= ends_s):
            break
        piece = _run_piece(name, folder, min(_PIECE, left), seed + len(pieces))
        if piece is None:
            break
        pieces.append(piece)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(piece)) + "\n")
    return pieces


def find_defects(folder: Path) -> list[Path]:
    """Inputs of a target that ended in an undeclared error, or took too long or too much memory."""
    return sorted((folder / DEFECTS_NAME).glob("*"))


def _run_piece(name: str, folder: Path, inputs: int, seed: int) -> FuzzPiece | None:
    """None when a defect was found; it is told in `folder/last.log`."""
    command = [sys.executable, "-m", _PROCESS, name, str(folder), str(inputs), str(seed)]
    account_path, log = folder / ACCOUNT_NAME, folder / "last.log"
    account_path.unlink(missing_ok=True)
    with log.open("wb") as file:
        code = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
    if find_defects(folder):
        return None
    told = log.read_text(encoding="utf-8", errors="replace")
    if code or not account_path.is_file():
        raise ConfigurationError(
            f"the fuzzer of {name} ended with code {code}; see {log}: {told[-300:]}"
        )
    status = _STATUS.findall(told)
    branches, corpus = status[-1] if status else (0, 0)
    account = json.loads(account_path.read_text(encoding="utf-8"))
    return FuzzPiece(seed, **account, branches=int(branches), corpus=int(corpus))


def _figures(
    name: str, pieces: list[FuzzPiece], defects: Mapping[str, list[Path]]
) -> dict[str, float]:
    outcomes: Counter[str] = sum((Counter(piece.outcomes) for piece in pieces), Counter())
    inputs = outcomes.total()
    seconds = sum(piece.seconds for piece in pieces)
    return {
        f"{name}_inputs": inputs,
        f"{name}_accepted": outcomes[ACCEPTED],
        f"{name}_refused": inputs - outcomes[ACCEPTED],
        f"{name}_defects": len(defects[name]),
        f"{name}_inputs_per_s": round(inputs / seconds, 1) if seconds else 0.0,
        f"{name}_slowest_ms": max((piece.slowest_ms for piece in pieces), default=0.0),
        f"{name}_branches": max((piece.branches for piece in pieces), default=0),
        f"{name}_corpus": pieces[-1].corpus if pieces else 0,
        f"{name}_peak_mb": max((piece.peak_mb for piece in pieces), default=0),
    }
