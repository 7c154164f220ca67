"""Choosing among calibrators by what they do to the outputs of the network at hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.toolkit.onnx_file import load
from zoo_core.toolkit.similarity import ratios_db
from zoo_onnxruntime.activations import activations
from zoo_onnxruntime.calibrators import choose_all
from zoo_onnxruntime.engine import open_session, run
from zoo_onnxruntime.quantize import quantize
from zoo_onnxruntime.sensitive import output_convolutions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_onnxruntime.calibrators import Seen
    from zoo_onnxruntime.quantize import Ranges

CANDIDATES = (
    ("percentile", 99.99),
    ("percentile", 99.999),
    ("percentile", 99.9),
    ("minmax", 100.0),
    ("entropy", 100.0),
    ("mse", 100.0),
)
"""Calibrators and percentiles that are tried; the earlier wins where two are equal."""

IMAGES = 4
_EQUAL_DB = 150.0


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate: its ranges, and the mean signal over difference in dB."""

    calibrator: str
    percentile: float
    ranges: Ranges
    snr_db: float

    @property
    def name(self) -> str:
        """What a report calls it."""
        return (
            f"percentile {self.percentile:g}"
            if self.calibrator == "percentile"
            else self.calibrator
        )


def try_all(
    model: Path, seen: Mapping[str, Seen], images: Sequence[NDArray[Any]], threads: int
) -> list[Tried]:
    """Each candidate's int8 network against the float one, the nearest first.

    The output convolutions stay float, as by default. What counts is the mean over outputs and
    images of the ratio in dB.
    """
    reference = outputs_of(model, images, threads)
    follows = activations(load(model).graph)
    tried = []
    for calibrator, percentile in CANDIDATES:
        ranges = choose_all(seen, calibrator, percentile, follows)
        quantized = load(model)
        quantize(quantized, ranges, output_convolutions(quantized.graph))
        serialised = quantized.SerializeToString()
        del quantized
        found = outputs_of(serialised, images, threads)
        tried.append(Tried(calibrator, percentile, ranges, mean_db(reference, found)))
    return sorted(tried, key=lambda each: -each.snr_db)


def outputs_of(
    model: Path | bytes, images: Sequence[NDArray[Any]], threads: int
) -> list[list[NDArray[Any]]]:
    """The outputs of each image, in the order of the graph."""
    session = open_session(model, threads)
    names = [value.name for value in session.get_outputs()]
    (source,) = (value.name for value in session.get_inputs())
    made = [(len(image), run(session, names, {source: image})) for image in images]
    return [row for count, arrays in made for row in _rows(arrays, count)]


def _rows(arrays: list[NDArray[Any]], count: int) -> list[list[NDArray[Any]]]:
    """The outputs of each image of a batch, so that each counts as much as one that ran alone."""
    if any(array.ndim == 0 or len(array) != count for array in arrays):
        return [arrays]
    return [[array[index] for array in arrays] for index in range(count)]


def mean_db(
    reference: Sequence[Sequence[NDArray[Any]]], found: Sequence[Sequence[NDArray[Any]]]
) -> float:
    """The mean signal over difference of all outputs of all images, in dB."""
    ratios = [
        min(max(ratio, -_EQUAL_DB), _EQUAL_DB)
        for a, b in zip(reference, found, strict=True)
        for ratio in ratios_db(a, b)
    ]
    return round(float(np.mean(ratios)), 1) if ratios else -math.inf
