"""The stage `calibrate`: what range each tensor around a convolution is quantised in."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from zoo_core.api.calibration import images, tensors
from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.files import write_json
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.onnx_file import load
from zoo_onnxruntime.activations import activations
from zoo_onnxruntime.calibrators import choose_all
from zoo_onnxruntime.engine import tool
from zoo_onnxruntime.files import MODEL_FILE, RANGES_FILE
from zoo_onnxruntime.halves import agreement, merged
from zoo_onnxruntime.observe import Observer, quantisable
from zoo_onnxruntime.trial import CANDIDATES, IMAGES, try_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext
    from zoo_onnxruntime.calibrators import Seen


def build(ctx: StageContext) -> None:
    """Leave `ranges.json`: for each tensor the chosen range, and all that was seen.

    Raises DataError for an empty list of images or one that cannot be read, StageError where the
    network's numbers are not finite. A file that is quantised already has ranges of its own.
    """
    if read_graph(ctx.inputs["graph"]).facts.get("quantised"):
        write_json(ctx.out / RANGES_FILE, {"calibrator": "the file's own", "ranges": {}})
        return
    count = len(images(ctx.inputs["images"]))
    if not count:
        raise DataError(
            "there is no calibration image",
            where=str(ctx.inputs["images"]),
            next="give a folder with images by --calibration DIR",
        )
    model, batch = ctx.inputs["graph"].parent / MODEL_FILE, read_graph(ctx.inputs["graph"]).batch
    calibrator, percentile = ctx.params["calibrator"], ctx.params["percentile"]
    trials = len(CANDIDATES) if calibrator == "auto" else 0
    began = time.perf_counter()
    halves = _observe(ctx, model, batch, (count, count + trials))
    seen = merged(*halves) if halves[1] else halves[0]
    found: dict[str, Any] = {"calibrator": calibrator, "percentile": percentile}
    follows = activations(load(model).graph)
    if trials:
        first = list(islice(_batches(ctx, batch), max(1, IMAGES // batch)))
        tried = try_all(model, seen, first, cpu_threads())
        found["calibrator"] = tried[0].name
        found["tried_snr_db"] = {each.name: each.snr_db for each in tried}
        calibrator, percentile, ranges = tried[0].calibrator, tried[0].percentile, tried[0].ranges
    else:
        ranges = choose_all(seen, calibrator, percentile, follows)
    if halves[1]:
        own = [choose_all(half, calibrator, percentile, follows) for half in halves]
        found["halves"] = agreement(own, ranges)
    known = {"images": count, "tool": tool(), "ranges": ranges, "seen": _ends(seen)}
    write_json(ctx.out / RANGES_FILE, {**found, **known})
    ctx.progress(1, 1)
    with ctx.log.open("a", encoding="utf-8") as log:
        took = time.perf_counter() - began
        log.write(f"{len(ranges)} tensors, {count} images, {found}, {took:.1f} s\n")


def _observe(
    ctx: StageContext, model: Path, batch: int, steps: tuple[int, int]
) -> tuple[dict[str, Seen], dict[str, Seen]]:
    """What every other batch showed, and what the others did: nothing, where there is one.

    The sessions are gone when this returns.
    """
    histograms = ctx.params["calibrator"] != "minmax"
    names = quantisable(model)
    observer = Observer(model, names, histograms=histograms, threads=cpu_threads())
    halves = (observer.seen, observer.nothing())
    for number in observer.observe(_batches(ctx, batch)):
        observer.seen = halves[number % 2]
        done = min(number * batch, steps[0])
        ctx.progress(done, steps[1], f"image {done} of {steps[0]}")
    return halves if steps[0] > batch else (halves[0], {})


def _batches(ctx: StageContext, batch: int) -> Iterator[NDArray[Any]]:
    return tensors(ctx.inputs["images"], ctx.params["preprocess"], batch)


def _ends(seen: dict[str, Seen]) -> dict[str, tuple[float, float]]:
    return {name: (each.low, each.high) for name, each in seen.items()}
