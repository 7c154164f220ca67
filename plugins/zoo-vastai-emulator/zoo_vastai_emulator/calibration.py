"""Calibration samples of a configuration, one after the other, and int8 from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_vastai_emulator.network import shapes_of
from zoo_vastai_emulator.process_ops import prepared
from zoo_vastai_emulator.quantize import observe, quantise
from zoo_vastai_emulator.refusal import RefusedError

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto

    from zoo_vastai_emulator.compile_config import Request, Samples


def calibrated(
    model: ModelProto,
    request: Request,
    kinds: Mapping[str, str],
    work: Path,
    log: logging.Logger,
) -> int:
    """Quantise a graph in place with the configuration's samples; returns the convolutions."""
    samples = request.samples
    if samples is None:
        raise RefusedError("int8 without dataset")
    log.info("calibrate: %d files, mode %s", len(samples.files), samples.mode)
    if samples.mode != "max":
        log.warning("the emulator calibrates with the mean of each image's extrema")
    feeds = _feeds(samples, shapes_of(model), kinds)
    ranges = observe(model, feeds, work, is_max=samples.mode == "max")
    return quantise(model, ranges, samples.per_channel)


def _feeds(
    samples: Samples, shapes: Mapping[str, tuple[int, ...]], kinds: Mapping[str, str]
) -> Iterator[dict[str, NDArray[Any]]]:
    for path in samples.files:
        arrays = _arrays(path, samples, list(shapes))
        feeds = {}
        for name, shape in shapes.items():
            array = arrays[name]
            if array.shape not in (shape, shape[1:]):
                raise RefusedError(
                    f"calibration sample {path} is {list(array.shape)} after process_ops, input"
                    f" {name} {list(shape)}"
                )
            feeds[name] = np.broadcast_to(array, shape).astype(kinds[name])
        yield feeds


def _arrays(path: Path, samples: Samples, names: list[str]) -> dict[str, NDArray[Any]]:
    """Arrays by input: of an image, or of an npz by name, else in its order."""
    if path.suffix.lower() != ".npz":
        if len(names) != 1:
            raise RefusedError(f"images calibrate one input, the model has {len(names)}: use npz")
        return {names[0]: prepared(path, samples.process_ops)}
    try:
        with np.load(path) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (OSError, ValueError) as error:
        raise RefusedError(f"calibration sample {path} cannot be read: {error}") from error
    if set(names) <= set(arrays):
        return arrays
    if len(arrays) != len(names):
        raise RefusedError(f"calibration sample {path} holds {sorted(arrays)}, not {names}")
    return dict(zip(names, arrays.values(), strict=True))
