"""A .npy file read row by row and not held open: a process may open fewer files than it needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VERSION = (1, 0)


class ArrayFile:
    """Rows of an array on disk.

    Attributes:
        shape: of the whole array.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, or cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            if np.lib.format.read_magic(file) != _VERSION:
                raise ValueError("not an array file of version 1.0")
            header: Any = np.lib.format.read_array_header_1_0(file)
            self.shape, by_columns, self._dtype = header
            self._first = file.tell()
        self._row = int(np.prod(self.shape[1:])) * self._dtype.itemsize
        size = path.stat().st_size
        if by_columns or self._dtype.hasobject or size != self._first + len(self) * self._row:
            raise ValueError(f"{size} bytes do not hold {self.shape} of {self._dtype}")

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.shape[0])

    def rows(self, numbers: Sequence[int]) -> NDArray[Any]:
        """(n, ..) some rows.

        Raises:
            OSError: the file is gone.
            IndexError: there is no such row.
        """
        found = np.empty((len(numbers), *self.shape[1:]), self._dtype)
        with self._path.open("rb", buffering=0) as file:
            for out, number in zip(found, numbers, strict=True):
                if not 0 <= number < len(self):
                    raise IndexError(f"{self._path} has {len(self)} rows, not row {number}")
                file.seek(self._first + number * self._row)
                if file.readinto(memoryview(out).cast("B")) != self._row:
                    raise OSError(f"{self._path} was cut off while it was used")
        return found
