"""Arrays of many samples in one .npz: concatenated, with the shape for each sample."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_INDEX = "index"


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
    """Each sample's head and arrays, in the order written."""
    with np.load(path, allow_pickle=False) as members:
        heads = json.loads(str(members[_INDEX]))
        names = [key.removesuffix(".data") for key in members.files if key.endswith(".data")]
        data = {name: members[f"{name}.data"] for name in names}
        shapes = {name: members[f"{name}.shapes"] for name in names}
    starts = dict.fromkeys(names, 0)
    for row, head in enumerate(heads):
        arrays = {}
        for name in names:
            shape = tuple(int(side) for side in shapes[name][row])
            stop = starts[name] + int(np.prod(shape))
            arrays[name] = data[name][starts[name] : stop].reshape(shape)
            starts[name] = stop
        yield head, arrays
