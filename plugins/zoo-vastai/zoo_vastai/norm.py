"""How pixel values become the network's numbers, in the four forms that the vendor's tools know."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING

from zoo_core.errors import UsageError
from zoo_core.vision.steps import Normalise, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.vision.steps import Step

EQUAL = "EQUAL"
DIV255 = "DIV255"
MINUSMEAN_DIVSTD = "MINUSMEAN_DIVSTD"
DIV255_MINUSMEAN_DIVSTD = "DIV255_MINUSMEAN_DIVSTD"
DIV1275_MINUSONE = "DIV1275_MINUSONE"
FORMS = (EQUAL, DIV255, MINUSMEAN_DIVSTD, DIV255_MINUSMEAN_DIVSTD, DIV1275_MINUSONE)

_LARGEST = 65504.0
_SMALLEST_HALF = 2.0**-14

Three = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Norm:
    """One of `FORMS`; mean and std, one per channel, only where the form uses them.

    With v a pixel value 0..255: EQUAL v, DIV255 v/255, MINUSMEAN_DIVSTD (v - mean) / std,
    DIV255_MINUSMEAN_DIVSTD (v/255 - mean) / std, DIV1275_MINUSONE v/127.5 - 1.
    """

    form: str
    mean: Three | None = None
    std: Three | None = None


def norm_of(steps: Sequence[Step]) -> Norm:
    """The form that does the same as the Scale and Normalise steps among `steps`.

    However many there are, they are one multiplication and one addition per channel. Raises
    `UsageError` where mean or std do not fit into the half floats in which the device holds them.
    """
    values = [step for step in steps if isinstance(step, Scale | Normalise)]
    first = values[0] if values else None
    divided = isinstance(first, Scale) and isclose(first.factor, 1 / 255, rel_tol=1e-6)
    rest = values[1:] if divided else values
    if not rest:
        return Norm(DIV255 if divided else EQUAL)
    mean, std = _folded(rest)
    for channel in range(3):
        if not _SMALLEST_HALF <= std[channel] <= _LARGEST or abs(mean[channel]) > _LARGEST:
            raise UsageError(
                f"the device cannot hold mean {mean[channel]:g} and std {std[channel]:g}",
                where="preprocess: normalise",
                next="both must fit into half floats, std above 0",
            )
    return Norm(DIV255_MINUSMEAN_DIVSTD if divided else MINUSMEAN_DIVSTD, mean, std)


def _folded(values: Sequence[Scale | Normalise]) -> tuple[Three, Three]:
    """Mean and std that do what the steps do one after the other."""
    if len(values) == 1 and isinstance(values[0], Normalise):
        return values[0].mean, values[0].std
    means, stds = [], []
    for channel in range(3):
        factor, offset = 1.0, 0.0
        for step in values:
            if isinstance(step, Scale):
                factor, offset = factor * step.factor, offset * step.factor
            else:
                factor /= step.std[channel]
                offset = (offset - step.mean[channel]) / step.std[channel]
        stds.append(1 / factor)
        means.append(-offset / factor)
    return (means[0], means[1], means[2]), (stds[0], stds[1], stds[2])
