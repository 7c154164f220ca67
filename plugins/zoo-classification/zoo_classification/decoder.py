"""The decoders `logits` and `softmax`: a classifier's output to a probability per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import SampleError, StageError, check_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode
    from zoo_core.vision import Geometry

_PARAMS = ("output",)


class ClassDecoder:
    """Candidates are `scores`, float32 [classes], from 0 to 1 in the order of the labels.

    `normalised` says that the network has applied softmax. The parameter `output` names the
    output where there are several. The floor plays no part: all classes are kept.
    """

    task = "classification"

    def __init__(self, normalised: bool) -> None:
        self._normalised = normalised

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for an unknown parameter."""
        check_known(params, _PARAMS, "decoder_params")
        name = params.get("output")

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            values = _output(outputs, name, classes)
            return {"scores": values if self._normalised else _softmax(values)}

        return decode


def _output(outputs: Arrays, name: str | None, classes: int) -> NDArray[np.float32]:
    """The output as float32 [classes]; a map of one pixel is taken too."""
    known = ", ".join(f"{key} {list(array.shape)}" for key, array in outputs.items())
    if name is None and len(outputs) != 1:
        step = "write output: NAME in the card's decoder_params"
        raise StageError(f"the network has the outputs {known}", next=step)
    array = outputs.get(name) if name is not None else next(iter(outputs.values()))
    if array is None or array.size != classes:
        what = f"no output {name or ''} of {classes} classes: {known}"
        raise StageError(what, next="give the names of its classes with --names FILE")
    values = np.asarray(array, np.float32).reshape(classes)
    if not np.isfinite(values).all():
        raise SampleError("the network gives scores that are not finite")
    return values


def _softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(under="ignore"):
        powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum(), np.float32)
