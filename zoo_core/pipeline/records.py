"""Arrays of many samples in one .npz: concatenated, with the shape for each sample."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError
from zoo_core.system.files import read_npz

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_INDEX = "index"
_AGAIN = "remove damaged results with `zoo gc --all`, and run again"

NOT_NUMBERS = "not_numbers"
"""In a head: the network's outputs hold NaN."""


def write_records(
    path: Path,
    heads: Sequence[Mapping[str, Any]],
    arrays: Sequence[Mapping[str, NDArray[Any]]],
) -> None:
    """Write one JSON head and one set of named arrays per sample; all sets have the same names."""
    members: dict[str, NDArray[Any]] = {_INDEX: np.array(json.dumps(list(heads)))}
    for name in arrays[0] if arrays else ():
        parts = [np.asarray(row[name]) for row in arrays]
        members[f"{name}.shapes"] = np.array([part.shape for part in parts], np.int64)
        members[f"{name}.data"] = np.concatenate([part.ravel() for part in parts])
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **members)


def read_records(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, NDArray[Any]]]]:
    """Each sample's head and arrays, in the order written.

    Raises DataError for a file that is damaged.
    """
    members = read_npz(path, _AGAIN)
    names = [key.removesuffix(".data") for key in members if key.endswith(".data")]
    data = {name: members[f"{name}.data"] for name in names}
    try:
        heads = json.loads(str(members[_INDEX]))
        shapes = {name: members[f"{name}.shapes"].tolist() for name in names}
        rows = list(_rows(heads, data, shapes))
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise DataError("does not hold records", where=str(path), next=_AGAIN) from error
    yield from rows


def _rows(
    heads: list[dict[str, Any]],
    data: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, list[list[int]]],
) -> Iterator[tuple[dict[str, Any], dict[str, NDArray[Any]]]]:
    starts = dict.fromkeys(data, 0)
    for row, head in enumerate(heads):
        arrays = {}
        for name in data:
            shape = tuple(shapes[name][row])
            stop = starts[name] + math.prod(shape)
            arrays[name] = data[name][starts[name] : stop].reshape(shape)
            starts[name] = stop
        yield head, arrays
