"""The decoder `class-map`: a map of scores or of class numbers to the class of each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import SampleError, StageError, UsageError, check_known, check_one_of
from zoo_core.vision.resample import bilinear_places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode
    from zoo_core.vision import Geometry

_PARAMS = ("output", "form")
_FORMS = ("scores", "numbers")
_AT_ONCE = 1 << 22


class ClassMap:
    """Candidates are `classes`, uint8 or uint16 [height, width] of the image as read.

    `form` is `scores` for [classes, h, w] (logits or probabilities: both have the same best class),
    resized bilinearly to the image as PyTorch does without align_corners, of which the best counts,
    the first one among equals; or `numbers` for [h, w] or [1, h, w] class numbers, of which the
    nearest pixel counts. By default the shape decides. `output` names the output where there are
    several. The floor plays no part: every pixel has a class.
    """

    task = "semantic-segmentation"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for an unknown parameter."""
        check_known(params, _PARAMS, "decoder_params")
        name, form = params.get("output"), params.get("form")
        if not isinstance(name, str | None):
            raise UsageError(f"output must be a name, is {name!r}", where="decoder_params")
        if form is not None:
            check_one_of("form", form, _FORMS)
        if not 1 <= classes <= 1 << 16:
            raise UsageError(f"{classes} classes do not fit into a mask")

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            array = _output(outputs, name)
            shape, whole = array.shape, form or _form(array, classes)
            if whole == "numbers" and (len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)):
                found = _numbers(array.reshape(shape[-2:]), classes, geometry)
            elif whole == "scores" and len(shape) == 3 and shape[0] == classes:
                found = _best(array, geometry)
            else:
                what = f"the output is {list(shape)}, not a map of {classes} classes"
                step = "check the labels (the card's, or those of --names) and decoder_params"
                raise StageError(what, where="decoder class-map", next=step)
            return {"classes": found.astype(np.uint8 if classes <= 256 else np.uint16)}

        return decode


def _output(outputs: Arrays, name: str | None) -> NDArray[Any]:
    known = ", ".join(f"{key} {list(array.shape)}" for key, array in outputs.items())
    if name is None and len(outputs) != 1:
        step = "write output: NAME in the card's decoder_params"
        raise StageError(f"the network has the outputs {known}", next=step)
    array = outputs.get(name) if name is not None else next(iter(outputs.values()))
    if array is None:
        step = "correct output in the card's decoder_params"
        raise StageError(f"no output is named '{name}': {known}", next=step)
    return array


def _form(array: NDArray[Any], classes: int) -> str:
    plain = array.ndim == 2 or (array.ndim == 3 and array.shape[0] == 1 != classes)
    return "numbers" if plain else "scores"


def _numbers(array: NDArray[Any], classes: int, geometry: Geometry) -> NDArray[Any]:
    whole = np.rint(array)
    if not np.array_equal(whole, array) or array.min() < 0 or array.max() >= classes:
        low, high = float(array.min()), float(array.max())
        raise SampleError(
            f"the network gives numbers from {low:g} to {high:g}, not classes 0 to {classes - 1}",
            next="check the labels, or write form: scores in the card's decoder_params",
        )
    rows, columns = (
        np.clip(np.floor((np.arange(length) + 0.5) * scale + offset), 0, size - 1).astype(np.intp)
        for length, size, (scale, offset) in zip(
            geometry.source, array.shape, _places(array.shape, geometry), strict=True
        )
    )
    return np.asarray(whole[np.ix_(rows, columns)])


def _best(array: NDArray[Any], geometry: Geometry) -> NDArray[np.intp]:
    """The best class of each pixel of the image, some rows at a time."""
    if not np.isfinite(array).all():
        raise SampleError("the network gives scores that are not finite")
    scores = np.asarray(array, np.float32)
    count, height, width = scores.shape
    (lines, columns), places = geometry.source, _places(scores.shape[1:], geometry)
    left, right, along = bilinear_places(0, columns, *places[1], width)
    found = np.empty((lines, columns), np.intp)
    step = max(1, _AT_ONCE // (count * columns))
    for start in range(0, lines, step):
        stop = min(start + step, lines)
        upper, lower, down = bilinear_places(start, stop, *places[0], height)
        part = scores[:, upper[0] : lower[-1] + 1]
        wide = part[:, :, left] * (1 - along) + part[:, :, right] * along
        above, below = wide[:, upper - upper[0]], wide[:, lower - upper[0]]
        share = down[:, None]
        found[start:stop] = (above * (1 - share) + below * share).argmax(axis=0)
    return found


def _places(shape: tuple[int, ...], geometry: Geometry) -> list[tuple[float, float]]:
    """Scale and offset from the image to the map, of the rows and of the columns."""
    shares = [cells / side for cells, side in zip(shape, geometry.network, strict=True)]
    pairs = zip(geometry.scale[::-1], geometry.offset[::-1], strict=True)
    return [
        (scale * share, offset * share)
        for (scale, offset), share in zip(pairs, shares, strict=True)
    ]
