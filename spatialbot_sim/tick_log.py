"""The 1 kHz log of the simulated robot: one row of numbers a tick, in a plain binary file."""

import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import SimulationError
from spatialbot_sim.fr3_server import TickState

_WIDTH = 41
_BUFFERED_ROWS = 500


class TickLogWriter:
    """Context manager that appends `TickState`s to a file; at most half a second is buffered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rows = np.empty((_BUFFERED_ROWS, _WIDTH))
        self._num_rows = 0

    def __enter__(self) -> "TickLogWriter":
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def append(self, state: TickState) -> None:
        """Add one tick."""
        row = self._rows[self._num_rows]
        row[:3] = state.robot_time_ms, state.motion, state.moving
        row[3:10], row[10:17] = state.q_rad, state.dq_rad_s
        row[17:24], row[24:31] = state.q_commanded_rad, state.dq_commanded_rad_s
        row[31:37], row[37:40] = state.twist_commanded, state.tool_m
        row[40] = time.monotonic()
        self._num_rows += 1
        if self._num_rows == _BUFFERED_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand over to the file what is buffered."""
        if self._file is not None:
            self._file.write(self._rows[: self._num_rows].tobytes())
            self._file.flush()
        self._num_rows = 0


@dataclass(frozen=True, slots=True)
class TickLog:
    """A stretch of the log; all arrays have one row a tick, see `TickState`.

    Attributes:
        wall_s: this machine's monotonic clock when the tick was over.
    """

    robot_time_ms: NDArray[np.float64]
    motion: NDArray[np.float64]
    moving: NDArray[np.bool_]
    q_rad: NDArray[np.float64]
    dq_rad_s: NDArray[np.float64]
    q_commanded_rad: NDArray[np.float64]
    dq_commanded_rad_s: NDArray[np.float64]
    twist_commanded: NDArray[np.float64]
    tool_m: NDArray[np.float64]
    wall_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.robot_time_ms)


def read_tick_log(path: Path, first: int = 0, num_rows: int | None = None) -> TickLog:
    """Rows from `first` on; a row that is not complete yet does not count.

    Raises:
        SimulationError: the file cannot be read.
    """
    try:
        flat = np.fromfile(
            path,
            count=-1 if num_rows is None else num_rows * _WIDTH,
            offset=first * _WIDTH * 8,
        )
    except OSError as error:
        raise SimulationError(f"cannot read the log {path}: {error}") from error
    rows = flat[: len(flat) // _WIDTH * _WIDTH].reshape(-1, _WIDTH)
    return TickLog(
        robot_time_ms=rows[:, 0],
        motion=rows[:, 1],
        moving=rows[:, 2] > 0.5,
        q_rad=rows[:, 3:10],
        dq_rad_s=rows[:, 10:17],
        q_commanded_rad=rows[:, 17:24],
        dq_commanded_rad_s=rows[:, 24:31],
        twist_commanded=rows[:, 31:37],
        tool_m=rows[:, 37:40],
        wall_s=rows[:, 40],
    )
