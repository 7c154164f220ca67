"""The export of the full-size network: seconds, memory, and the opset in the file."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from .rows import MET, MISSED, Row, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .workshop import Workshop

_OPSETS = (17, 13, 17, 20, 17)
_STAGE = "export"


def rows(workshop: Workshop) -> Iterator[Row]:
    """The stage of the export in fresh processes, the import of PyTorch included."""
    seconds, peaks, found = [], [], []
    for opset in _OPSETS:
        workshop.forget(_STAGE)
        folder = workshop.folder / _STAGE
        done = workshop.make(_STAGE, workshop.weights, folder, opset)
        (model,) = folder.glob("store/entries/*/*/model.onnx")
        seconds.append(_stage_seconds(workshop))
        peaks.append(done.peak_bytes / 1e9)
        found.append(_opset(str(model)))
    workshop.forget(_STAGE)
    yield within("export", "export, PyTorch's import included", statistics.median(seconds), 3, "s")
    yield within("export", "export: peak memory", max(peaks), 1.6, "GB")
    yield Row(
        group="export",
        what="export: opset in the file",
        goal=", ".join(map(str, sorted(set(_OPSETS)))),
        result=", ".join(map(str, sorted(set(found)))),
        verdict=MET if tuple(found) == _OPSETS else MISSED,
        figures={"asked": _OPSETS, "found": found, "seconds": seconds},
    )


def _stage_seconds(workshop: Workshop) -> float:
    (seconds,) = workshop.entries(_STAGE, home=_STAGE).values()
    return seconds


def _opset(path: str) -> int:
    import onnx

    model = onnx.load(path)
    (opset,) = (entry.version for entry in model.opset_import if not entry.domain)
    return int(opset)
