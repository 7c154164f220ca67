"""Whole runs: `zoo run` with the artefact cached, and from nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from zoo_core.api import Target
from zoo_core.vision import Preprocess, read_rgb

from .rows import MET, MISSED, Row, absent, within
from .timing import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Session

    from .workshop import Finished, Workshop

_COLD = "cold"
_ROUNDS = 3
_MOST = 1.15
_LONG = 3.0
_LARGE_STEPS = ("export", "calibrate", "predict")
_TENSORS = (
    {"op": "decode"},
    {"op": "resize", "mode": "stretch", "size": [416, 416]},
    {"op": "scale", "factor": 1 / 255},
    {"op": "to_tensor"},
)


def rows(workshop: Workshop) -> Iterator[Row]:
    """The run from nothing, then runs whose artefact is there, for each backend that is."""
    workshop.forget(_COLD)
    done = _run(workshop, "onnxruntime")
    yield from _cold(workshop, done)
    for backend in ("onnxruntime", "openvino"):
        yield _warm(workshop, backend)


def _cold(workshop: Workshop, done: Finished) -> Iterator[Row]:
    what = "zoo run, cold, 50 + 100 images"
    yield within("run", f"{what}: peak memory", done.peak_bytes / 1e9, 2.5, "GB")
    stages = workshop.stages(_COLD)
    long = {n: s for n, s in stages.items() if s > _LONG and not n.startswith(_LARGE_STEPS)}
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in long.items())
    yield Row(
        group="run",
        what=f"{what}: steps beside inference, calibration, export",
        goal=f"<= {_LONG:g} s each",
        result=f"{told or 'none is longer'}; {done.seconds:.0f} s in all",
        verdict=MISSED if long else MET,
        figures={"seconds": done.seconds, "stages": stages},
    )


def _warm(workshop: Workshop, backend: str) -> Row:
    what = f"zoo run, warm, 100 images, int8 on {backend}, against pure inference"
    goal = f"<= {_MOST:g}x"
    known = workshop.plugins.backends().get(backend)
    if known is None or not known.availability().ok:
        return absent("run", what, goal, f"there is no backend '{backend}'")
    folder = workshop.built("compile", f"{backend}-warm", *_asked(backend), home=_COLD)
    tensors = _tensors(workshop)
    device = next(device.id for device in known.availability().devices if device.available)
    target = Target(backend=backend, precision="int8", device=device)
    runtime = workshop.plugins.runtime(known.runtime)

    def whole() -> None:
        workshop.forget_predictions(_COLD)
        _run(workshop, backend)

    def pure(hint: str) -> None:
        with runtime.open(folder, target, hint) as session:
            _infer(session, tensors)

    whole()  # what the engine itself keeps of a model is there from the second opening on
    contenders: dict[str, Callable[[], object]] = {"zoo run": whole}
    contenders |= {hint: partial(pure, hint) for hint in ("latency", "throughput")}
    times = interleaved(contenders, _ROUNDS, warm=False)
    best = min(("latency", "throughput"), key=times.median)
    ratio = times.ratio("zoo run", best)
    row = within("run", what, ratio.value, _MOST, "x")
    told = f"{ratio}, {times.median('zoo run'):.1f} against {times.median(best):.1f} s ({best})"
    return replace(row, goal=goal, result=told, figures={**ratio.to_data(), **times.to_data()})


def _run(workshop: Workshop, backend: str) -> Finished:
    return workshop.zoo(
        "run",
        *_asked(backend),
        *("--images", str(workshop.pictures), "--annotations", str(workshop.annotations)),
        *("--calibration", str(workshop.calibration), "--no-bench"),
        *("--output", str(workshop.folder / "report")),
        home=_COLD,
    )


def _asked(backend: str) -> Sequence[str]:
    return ("--backend", backend, "--precision", "int8")


def _tensors(workshop: Workshop) -> list[NDArray[Any]]:
    steps = Preprocess.from_data(list(_TENSORS))
    files: list[Path] = sorted(workshop.pictures.iterdir())
    return [steps.prepare(read_rgb(path))[0][None] for path in files]


def _infer(session: Session, tensors: Sequence[NDArray[Any]]) -> None:
    """All tensors once, by as many threads as the session serves."""
    name = session.inputs[0].name
    with ThreadPoolExecutor(session.workers) as pool:
        for _ in islice(pool.map(lambda tensor: session.run({name: tensor}), tensors), None):
            pass
