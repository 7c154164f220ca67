"""How near the outputs of two forms of a network are, and the input both are run on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError, some
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Graph, TensorSpec

SEED = 20
_CELL = 16
"""Pixels of one colour along a side of the picture that is drawn."""

LIMITS_DB = {"fp32": 60.0, "fp16": 30.0, "bf16": 15.0, "int8": 15.0}
"""The signal over difference that a build of each precision should keep.

int8: YOLOX-Nano with 9.0 dB scores 18.7 AP where its float network has 30.1, yolo-fastest with
23.5 dB 20.0 where that has 20.75; the limit is between the two. bf16 leaves that YOLOX-Nano 21 dB
and its AP, weights in fp16 44 dB; rounding of float32 leaves 100 dB.
"""

GUIDE = "docs/how-to/int8-is-bad.md"


def snr_db(reference: NDArray[Any], measured: NDArray[Any]) -> float:
    """Signal over difference, 10 log10(sum a^2 / sum (a - b)^2), in float64.

    inf where both are equal; -inf where nothing can be compared: other shapes, numbers that are not
    finite, or a reference that is 0 everywhere.
    """
    if reference.shape != measured.shape:
        return -math.inf
    a, b = reference.astype(np.float64), measured.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        signal, noise = float(np.sum(a**2)), float(np.sum((a - b) ** 2))
    if not (math.isfinite(signal) and math.isfinite(noise)):
        return -math.inf
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def ratios_db(reference: Sequence[NDArray[Any]], measured: Sequence[NDArray[Any]]) -> list[float]:
    """`snr_db` of each output; raises ValueError where their numbers differ."""
    return [snr_db(a, b) for a, b in zip(reference, measured, strict=True)]


def rounded(ratios: Sequence[float]) -> list[float | None]:
    """The ratios as a report holds them: a tenth of a dB, None for what JSON has no number for."""
    return [None if math.isinf(ratio) else round(ratio, 1) for ratio in ratios]


def by_output(graph: Graph, ratios: Sequence[float]) -> dict[str, float | None]:
    """The ratios of a graph's outputs by name, as a report holds them."""
    return dict(zip((spec.name for spec in graph.outputs), rounded(ratios), strict=True))


def poor(
    precision: str, graph: Graph, ratios: Sequence[float], limit: float | None = None
) -> list[str]:
    """A warning where outputs of the graph keep less of the signal than `limit` dB asks for.

    The limit is that of the precision, unless it is given. A second warning names outputs that
    cannot be compared. `facts["ranks"]` of a graph says that it ranks values itself (TopK, NMS).
    """
    wanted = LIMITS_DB.get(precision, LIMITS_DB["int8"]) if limit is None else limit
    pairs = list(zip((spec.name for spec in graph.outputs), ratios, strict=True))
    low = [f"'{name}' {ratio:.1f} dB" for name, ratio in pairs if -math.inf < ratio < wanted]
    lost = [f"'{name}'" for name, ratio in pairs if ratio == -math.inf]
    warnings = []
    if low:
        ranks = bool(graph.facts.get("ranks"))
        advice = _of_ranks(precision) if ranks else _advice(precision, wanted)
        warnings.append(f"{precision}: {_outputs(low, len(pairs))} {advice}")
    if lost:
        what = (
            "cannot be compared with the graph's: shapes differ, or values are not finite or all 0"
        )
        warnings.append(f"{precision}: {_outputs(lost, len(pairs))} {what}")
    return warnings


def _of_ranks(precision: str) -> str:
    other = "another --backend" if precision == "fp32" else "--precision fp32"
    return (
        "differ from those of the graph, which ranks values itself: where two are nearly "
        "equal, another order moves whole rows, so this does not tell; compare the accuracy with "
        f"{other}"
    )


def _advice(precision: str, wanted: float) -> str:
    if precision == "fp32":
        return (
            f"differ from what the graph means, where rounding leaves more than {wanted:.0f} dB: "
            "this engine computes something else; compare the accuracy with another backend"
        )
    step = "compare with --precision fp32"
    if precision == "int8":
        step += ", then try another --backend, --calibrator or --option float_nodes=NAMES"
    return (
        f"keep little of the float network's signal: below {wanted:.0f} dB accuracy is often "
        f"lost; {step} ({GUIDE})"
    )


def _outputs(names: Sequence[str], count: int) -> str:
    """How many of the outputs, with up to three of them."""
    return f"{len(names)} of {count} outputs ({some(names)})"


def seeded_feeds(inputs: Sequence[TensorSpec], batch: int) -> dict[str, NDArray[Any]]:
    """One float32 input in [0, 1) for each spec, of so many images where the batch is free.

    Raises UsageError where a dimension other than the first is free, or for other dtypes.
    """
    generator = np.random.default_rng(SEED)
    feeds = {}
    for spec in inputs:
        sizes = [
            batch if axis == 0 and isinstance(n, str) else n for axis, n in enumerate(spec.shape)
        ]
        shape = [size for size in sizes if isinstance(size, int)]
        if len(shape) < len(sizes) or spec.dtype != "float32":
            raise UsageError(
                f"input '{spec.name}' is {spec.dtype} {list(spec.shape)}",
                next="export float32 inputs of a fixed size; only the batch may be free",
            )
        feeds[spec.name] = generator.random(shape, dtype=np.float32)
    return feeds


def drawn_feeds(
    inputs: Sequence[TensorSpec], preprocess: Sequence[Mapping[str, Any]]
) -> dict[str, NDArray[Any]]:
    """One seeded picture, preprocessed as images are, for a network with one input.

    Values that lie where the network's own do: noise in [0, 1) is darkness to one that takes
    [0, 255]. Other networks get `seeded_feeds`, with whose errors it raises.
    """
    feeds = seeded_feeds(inputs, 1)
    if len(feeds) == 1 and preprocess:
        ((name, noise),) = feeds.items()
        height, width = noise.shape[-2:]
        cells = (-(-height // _CELL), -(-width // _CELL), 3)
        coarse = np.random.default_rng(SEED).integers(0, 256, cells, dtype=np.uint8)
        picture = coarse.repeat(_CELL, axis=0).repeat(_CELL, axis=1)[:height, :width]
        steps = Preprocess.from_data(preprocess)
        image, _ = steps.prepare(np.ascontiguousarray(picture))
        if image.shape == noise.shape[1:]:
            feeds[name] = np.repeat(image[None], len(noise), axis=0)
    return feeds
