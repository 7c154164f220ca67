"""What contracts ask of named arrays: alike, left as they were, plain enough for the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.pipeline.records import read_records, write_records
from zoo_core.testing.contracts.checks import must

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zoo_core.api import Arrays

_PLAIN = "biufU"
"""Kinds of dtype that a file without pickles holds: bool, int, uint, float, str."""


def copied(arrays: Arrays) -> Arrays:
    """The same in memory of its own."""
    return {name: array.copy() for name, array in arrays.items()}


def same(one: Arrays, other: Arrays) -> bool:
    """Same names in the same order, equal arrays."""
    return list(one) == list(other) and all(np.array_equal(one[n], other[n]) for n in one)


def check_pure(call: Callable[..., Arrays], arrays: Arrays, doing: str, *more: Any) -> None:
    """The call leaves the arrays as they are, and gives the same for them twice."""
    before = copied(arrays)
    first, second = copied(call(arrays, *more)), call(arrays, *more)
    for name, array in before.items():
        must(np.array_equal(array, arrays[name]), f"{doing} changes '{name}'")
    must(same(first, second), f"{doing} the same twice gives two results")


def check_storable(rows: Sequence[Arrays], folder: Path, what: str) -> None:
    """Arrays of several images, of plain dtypes, come back from the store as they were."""
    names = sorted(rows[0])
    for row in rows:
        must(sorted(row) == names, f"{what}: one image has {names}, another {sorted(row)}")
        for name, array in row.items():
            is_array = isinstance(array, np.ndarray)
            must(is_array, f"{what}: '{name}' is a {type(array).__name__}, not an array")
            must(array.dtype.kind in _PLAIN, f"{what}: '{name}' is of {array.dtype}, not plain")
    path = folder / "stored.npz"
    write_records(path, [{} for _ in rows], rows)
    for row, (_, back) in zip(rows, read_records(path), strict=True):
        for name, array in row.items():
            kept = array.dtype == back[name].dtype and array.shape == back[name].shape
            change = f"{array.dtype} {array.shape}, comes back as {back[name].dtype}"
            must(
                kept, f"{what}: '{name}' is {change} {back[name].shape}: is it alike in all images?"
            )
