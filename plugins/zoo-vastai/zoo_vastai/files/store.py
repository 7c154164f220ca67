"""Adopted outputs as an artefact keeps them: one array an output, and the lines they belong to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import ARTEFACT_FILE, PRECISION_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = "vastai-files"
FOLDER = "outputs"
ADOPTED = (ARTEFACT_FILE, PRECISION_FILE, FOLDER)
"""What the stage that adopts outputs leaves."""

_LINES = "lines.json"


def write_outputs(folder: Path, lines: tuple[str, ...], rows: Iterable[list[NDArray[Any]]]) -> None:
    """Store one row of arrays a line; all rows are alike."""
    folder.mkdir()
    (folder / _LINES).write_text(json.dumps(lines), encoding="utf-8")
    tables: list[Any] = []
    for number, arrays in enumerate(rows):
        if not tables:
            tables = [_table(folder, n, len(lines), array) for n, array in enumerate(arrays)]
        for table, array in zip(tables, arrays, strict=True):
            table[number] = array
    for table in tables:
        table.flush()


class StoredOutputs:
    """Outputs of each line, read from disk as they are asked for."""

    def __init__(self, folder: Path, outputs: int) -> None:
        """Raises `DataError` where the folder does not hold so many outputs."""
        try:
            self.lines: tuple[str, ...] = tuple(
                json.loads((folder / _LINES).read_text(encoding="utf-8"))
            )
            self._tables = [np.load(_path(folder, n), mmap_mode="r") for n in range(outputs)]
        except (OSError, ValueError) as error:
            what = f"holds no outputs: {error}"
            raise DataError(what, where=str(folder), next="take the files in again") from error

    def row(self, number: int) -> list[NDArray[np.float32]]:
        """The outputs of a line as float32, which holds what float16 does exactly."""
        return [np.array(table[number], np.float32) for table in self._tables]


def _table(folder: Path, number: int, count: int, array: NDArray[Any]) -> Any:
    shape = (count, *array.shape)
    return np.lib.format.open_memmap(_path(folder, number), "w+", array.dtype, shape)


def _path(folder: Path, number: int) -> Path:
    return folder / f"output_{number}.npy"
