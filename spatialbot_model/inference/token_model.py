"""What decoding needs of a language model: passes over growing rows of tokens.

A decode program (see `decoding`, `depth_loop`) is a generator that yields a `Pass` and is sent
the logits. So the same program runs alone, in a batch with others, or against a scripted model
in a test, and whoever drives it looks at deadlines between passes.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch

from spatialbot_model.contracts.errors import PolicyCancelledError, PolicyTimeoutError


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass of one row.

    Attributes:
        ids: tokens to read, at least one.
        keep: the row is first cut to this many tokens.
        num_logits: logits are wanted after each of the last `num_logits` tokens.
        columns: range of the vocabulary that logits are wanted for; None = all of it.
        num_queries: the last so many tokens are the queries of an action and its waypoints.
    """

    ids: tuple[int, ...]
    keep: int
    num_logits: int = 1
    columns: range | None = None
    num_queries: int = 0


class TokenModel(Protocol):
    """Rows of tokens with their keys and values."""

    def run(self, passes: Sequence[Pass | None]) -> list[torch.Tensor | None]:
        """Read tokens and predict.

        Args:
            passes: per row; None for a row that has nothing to read.

        Returns:
            Per row (num_logits, V) float32, V the number of `columns`; None where no pass was.
        """
        ...


class CancelSignal(Protocol):
    """Tells whether to stop; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether the caller has called the work off."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When to give up; looked at between passes.

    Attributes:
        deadline_s: on the clock of `time.monotonic`; None = never.
        cancel: set from any thread to stop.
    """

    deadline_s: float | None = None
    cancel: CancelSignal | None = None

    def check(self) -> None:
        """Raise when there is no reason to go on.

        Raises:
            PolicyCancelledError: the caller has called the work off.
            PolicyTimeoutError: the deadline has passed.
        """
        if self.cancel is not None and self.cancel.is_set():
            raise PolicyCancelledError("the policy step was cancelled")
        if self.deadline_s is not None:
            late_s = time.monotonic() - self.deadline_s
            if late_s > 0.0:
                raise PolicyTimeoutError(
                    f"the policy step is {late_s * 1e3:.0f} ms late and was given up; allow more"
                    " time, or use fewer images or a smaller model"
                )

    def remaining_s(self) -> float | None:
        """Seconds to the deadline, not below 0; None without one."""
        return None if self.deadline_s is None else max(self.deadline_s - time.monotonic(), 0.0)


Result = TypeVar("Result")
Program = Generator[Pass, torch.Tensor, Result]


@dataclass(slots=True)
class PassTimes:
    """Wall milliseconds of the passes that a drive took.

    Attributes:
        first_ms: of the first pass, which reads the prompts.
        later_ms: of all others together.
        num_passes: of the model, however many rows each had.
    """

    first_ms: float = 0.0
    later_ms: float = 0.0
    num_passes: int = 0


def drive(
    programs: Sequence[Program[Result]], model: TokenModel, limits: Limits, times: PassTimes
) -> list[Result]:
    """Run decode programs to their ends, row i of the model being program i.

    Programs that are done stop taking part; the others go on together.

    Raises:
        PolicyCancelledError, PolicyTimeoutError: see `Limits`; the rows can be begun anew.
    """
    results: dict[int, Result] = {}
    wanted: dict[int, Pass] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(programs)))
    while True:
        for row, logits in answers.items():
            try:
                wanted[row] = programs[row].send(logits)
            except StopIteration as stop:
                results[row] = stop.value
                wanted.pop(row, None)
        if not wanted:
            return [results[row] for row in range(len(programs))]
        limits.check()
        started_s = time.perf_counter()
        logits = model.run([wanted.get(row) for row in range(len(programs))])
        took_ms = (time.perf_counter() - started_s) * 1e3
        if times.num_passes == 0:
            times.first_ms += took_ms
        else:
            times.later_ms += took_ms
        times.num_passes += 1
        answers = {row: logits[row] for row in wanted}
