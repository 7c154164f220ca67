"""The npz files that vamp leaves: found by the number of their line, never by listing them."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError, some
from zoo_core.toolkit.files import digest, read_npz

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_vastai.files.datalist import Datalist

NMS = "nms"
HEADS = "heads"

_PREFIX = "output_"
_AGAIN = "run vamp again on this list, into an empty folder"


def output_name(number: int) -> str:
    """The file of a line, counted from 0."""
    return f"{_PREFIX}{number:06d}.npz"


def npz_outputs(folder: Path, datalist: Datalist) -> Iterator[list[NDArray[Any]]]:
    """Each line's outputs in the model's order, in the order of the list, in the dtype stored.

    Raises `DataError` that names the files where one is missing, is one too many, is older than the
    list or its own input, cannot be read, or holds other arrays than the first.
    """
    _check_files(folder, datalist)
    first: list[NDArray[Any]] | None = None
    for number in range(len(datalist)):
        path = folder / output_name(number)
        arrays = read_output(path)
        first = arrays if first is None else first
        _check_alike(path, arrays, first)
        yield arrays


def read_output(path: Path) -> list[NDArray[Any]]:
    """The arrays `output_0`, `output_1` ... of one file; raises `DataError` for anything else."""
    members = read_npz(path, _AGAIN)
    names = [f"output_{number}" for number in range(len(members))]
    if not names or sorted(names) != sorted(members):
        what = f"holds {some(sorted(members)) or 'nothing'}, not output_0, output_1 ..."
        raise DataError(what, where=str(path), next="give the folder that vamp wrote")
    arrays = [members[name] for name in names]
    for number, array in enumerate(arrays):
        if array.dtype.kind not in "fiu":
            what = f"output_{number} holds {array.dtype}, not numbers"
            raise DataError(what, where=str(path), next="give the folder that vamp wrote")
    return arrays


def form_of(arrays: list[NDArray[Any]], where: str) -> str:
    """`nms` for ids [1, N, 1], scores [1, N, 1], boxes [1, N, 4]; `heads` for maps [1, C, h, w].

    Raises `DataError` for what is neither.
    """
    shapes = [array.shape for array in arrays]
    if len(shapes) == 3 and len(shapes[0]) == 3:
        rows = shapes[0][1]
        if shapes == [(1, rows, 1), (1, rows, 1), (1, rows, 4)]:
            return NMS
    if all(len(shape) == 4 and shape[0] == 1 and min(shape) > 0 for shape in shapes):
        return HEADS
    text = ", ".join(str(list(shape)) for shape in shapes)
    what = f"outputs {text} are neither ids, scores, boxes [1, N, 1 / 1 / 4] nor heads [1, C, h, w]"
    raise DataError(what, where=where, next="run vamp with -b 1 on a model that zoo compiled")


def content(outputs: Path, datalist: Path) -> str:
    """Digest of a list and of the outputs, from the checksums that npz files hold: it is quick.

    Raises `DataError` for a folder or list that cannot be read.
    """
    rows: list[Any] = []
    try:
        text = datalist.read_text(encoding="utf-8", errors="surrogateescape")
        for path in sorted(outputs.glob("*.npz")):
            with zipfile.ZipFile(path) as archive:
                rows += [[path.name, item.filename, item.CRC] for item in archive.infolist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot be read: {error}", where=str(outputs), next=_AGAIN) from error
    return digest([text, rows])


def _check_files(folder: Path, datalist: Datalist) -> None:
    if not folder.is_dir():
        step = "give the folder that vamp --path_output wrote: --option outputs=DIR"
        raise DataError("is not a folder", where=str(folder), next=step)
    expected = [output_name(number) for number in range(len(datalist))]
    there = {path.name for path in folder.glob("*.npz")}
    missing = [name for name in expected if name not in there]
    if missing:
        what = f"{len(missing)} of {len(expected)} outputs are missing: {some(missing)}"
        raise DataError(what, where=str(folder), next=_AGAIN)
    extra = sorted(there - set(expected))
    if extra:
        what = f"{len(extra)} files belong to no line of {datalist.path}: {some(extra)}"
        raise DataError(what, where=str(folder), next=f"they may be of an earlier run: {_AGAIN}")
    stale = _stale(folder, datalist)
    if stale:
        what = f"{len(stale)} outputs are older than the list or their inputs: {some(stale)}"
        step = f"{_AGAIN}; if they do belong together, touch the outputs"
        raise DataError(what, where=str(folder), next=step)


def _stale(folder: Path, datalist: Datalist) -> list[str]:
    listed = datalist.path.stat().st_mtime_ns
    found = []
    for number, source in enumerate(datalist.inputs()):
        written_ns = (folder / output_name(number)).stat().st_mtime_ns
        source_ns = source.stat().st_mtime_ns if source.is_file() else 0
        if written_ns < max(listed, source_ns):
            found.append(output_name(number))
    return found


def _check_alike(path: Path, arrays: list[NDArray[Any]], first: list[NDArray[Any]]) -> None:
    found = [(array.shape, array.dtype) for array in arrays]
    if found != [(array.shape, array.dtype) for array in first]:
        text = ", ".join(f"{dtype} {list(shape)}" for shape, dtype in found)
        what = f"holds {text}, unlike {output_name(0)}"
        raise DataError(what, where=str(path), next=_AGAIN)
