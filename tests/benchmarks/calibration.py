"""What calibration costs: seconds in terms of one float inference, and memory."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .rows import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .rows import Row
    from .workshop import Finished, Workshop

_CALIBRATORS = (("minmax", 55), ("percentile", 80))
_STAGE = "calibrate "
_SINGLE = 4


def rows(workshop: Workshop) -> Iterator[Row]:
    """Two calibrators on 50 pictures, each in a process of its own with a cache of its own."""
    infer = _default(workshop)
    for calibrator, most in _CALIBRATORS:
        before = _seconds(infer)
        done, seconds = _calibrated(workshop, calibrator)
        one = statistics.median([*before, *_seconds(infer)])
        what = f"calibration of 50 images, {calibrator}"
        yield within("calibration", what, seconds / one, most, "inferences")
        peak = done.peak_bytes / 1e9
        yield within("calibration", f"{what}: peak memory", peak, 2.0, "GB")


def _calibrated(workshop: Workshop, calibrator: str) -> tuple[Finished, float]:
    """The run that calibrates, its graph being there, and the seconds of the stage."""
    workshop.built("compile", "onnxruntime-fp32", "--precision", "fp32")
    folder = workshop.folder / f"calibrated-{calibrator}"
    known = workshop.entries("calibrate")
    done = workshop.zoo(
        "compile",
        *("--precision", "int8", "--calibrator", calibrator),
        *("--calibration", str(workshop.calibration), "--output", str(folder)),
    )
    (seconds,) = (took for key, took in workshop.entries("calibrate").items() if key not in known)
    return done, seconds


def _default(workshop: Workshop) -> Callable[[], Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(workshop.graph), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(1).random((1, 3, 416, 416), dtype=np.float32)
    return lambda: session.run(None, {session.get_inputs()[0].name: picture})


def _seconds(infer: Callable[[], Any]) -> list[float]:
    infer()
    found = []
    for _ in range(_SINGLE):
        before = time.perf_counter()
        infer()
        found.append(time.perf_counter() - before)
    return found
