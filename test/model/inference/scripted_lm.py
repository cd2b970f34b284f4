"""Test doubles: a byte-level encoder and a language model that says what a script tells it."""

from collections.abc import Callable, Sequence

import torch

from spatialbot_model.contracts.conversation import TokenLayout
from spatialbot_model.inference.token_model import Pass

END = 256
LAYOUT = TokenLayout(first_action=257, action_query=358, image=359, end=END)
VOCABULARY = 362


class ByteEncoder:
    """One token a byte."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(k for k in ids if k < 256).decode(errors="replace")


class ScriptedLm:
    """Predicts `script(all ids of the row)` with a gap; remembers every pass.

    Queries for actions (`LAYOUT.action_query`) are answered by `script(ids up to there)` too.
    """

    def __init__(self, script: Callable[[list[int]], int], num_rows: int = 1) -> None:
        self._script = script
        self.rows: list[list[int]] = [[] for _ in range(num_rows)]
        self.passes: list[list[Pass | None]] = []

    def run(self, passes: Sequence[Pass | None]) -> list[torch.Tensor | None]:
        self.passes.append(list(passes))
        return [
            None if wanted is None else self._read(row, wanted)
            for row, wanted in zip(self.rows, passes, strict=True)
        ]

    def _read(self, row: list[int], wanted: Pass) -> torch.Tensor:
        assert wanted.ids and wanted.keep <= len(row)
        del row[wanted.keep :]
        row += wanted.ids
        logits = torch.zeros(wanted.num_logits, VOCABULARY)
        for k in range(wanted.num_logits):
            seen = row[: len(row) - wanted.num_logits + k + 1]
            logits[k, self._script(seen)] = 5.0
        columns = wanted.columns
        return logits if columns is None else logits[:, columns.start : columns.stop]


def says(replies: Sequence[Sequence[int]], assistant_prefix: str) -> Callable[[list[int]], int]:
    """A script: the n-th answer is `replies[n]`, the last one again and again.

    Which answer it is follows from how often `assistant_prefix` has been read.
    """
    marker = list(assistant_prefix.encode())

    def script(ids: list[int]) -> int:
        starts = [k + len(marker) for k in range(len(ids)) if ids[k : k + len(marker)] == marker]
        reply = replies[min(len(starts), len(replies)) - 1]
        said = len(ids) - starts[-1]
        return reply[said] if said < len(reply) else END

    return script
