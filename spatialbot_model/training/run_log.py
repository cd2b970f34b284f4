"""The log of a training: JSON lines always, TensorBoard where it is installed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS_NAME = "metrics.jsonl"
TENSORBOARD_NAME = "tensorboard"


class RunLog:
    """Writes `METRICS_NAME` in a folder; lines behind the step resumed at are dropped.

    Args:
        folder: of the training.
        first_step: steps done before.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / METRICS_NAME
        lines = [line for line in read_metrics(folder) if int(line["step"]) <= first_step]
        temporary = self._path.with_name(f".{METRICS_NAME}.tmp")
        text = "".join(json.dumps(line) + "\n" for line in (lines if first_step else []))
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder / TENSORBOARD_NAME, first_step)

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Log values of `split` (train or validation) after so many steps."""
        line = {"step": step, "split": split} | {k: round(v, 8) for k, v in values.items()}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{split}/{name}", value, step)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Lines of the log; one that was cut off by a crash is left out."""
    path = folder / METRICS_NAME
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            # only the last line can be half written
            continue
    return lines


def _tensorboard(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=first_step + 1 if first_step else None)
