"""Where the time of a real image goes, with the steps that `zoo predict` would take."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import DataRequest, DataView
from zoo_core.benchmark.breakdown import break_down
from zoo_core.commands.bench.artefact import Build
from zoo_core.pipeline.plan import Plan, make_plan
from zoo_core.pipeline.stages.inputs import feeder, stacked
from zoo_core.pipeline.stages.predict import RECORDS, bound_decoder
from zoo_core.planning.build import Goal
from zoo_core.registry.protocols import task_values
from zoo_core.vision import read_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from zoo_core.api import Arrays, DataPlan, Decode, Sample, Session, Stage
    from zoo_core.benchmark.breakdown import Breakdown, Step
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import Listener, StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest
    from zoo_core.planning.resolve import Resolved
    from zoo_core.vision import Geometry

IMAGES = 24
"""How many images are taken at most."""

_SECONDS = 6.0


def prepare_images(
    run: Run, work: Workspace, listener: Listener, images: Path | None
) -> Build | None:
    """The plan that reads the images of a breakdown, with its finished stages up to the network.

    `images` is a folder; without one the card's sample scenes are taken, and None is returned where
    it has none. All are read once, so that a damaged one is reported before anything is measured.
    """
    if images is None and run.resolved.card.sample_dataset is None:
        return None
    planned = work.plan(_request(run, work, listener, images), Goal.PREDICT)
    first = _first(planned).name
    stages = [item for item in planned.plan.until(first) if item.stage.name != first]
    reading = Build(planned, work, work.execute(Plan(tuple(stages)), listener))
    for sample in _samples(reading):
        read_rgb(sample.path, expect=sample.size, exif=planned.resolved.preprocess.exif)
    return reading


def image_steps(reading: Build, session: Session) -> Breakdown:
    """The median of each step over the images, one after the other on an open session."""
    stage = _first(reading.run)
    graph = _paths(stage, reading.results).get("graph")
    decode = bound_decoder(stage.params, graph, reading.work.plugins)
    steps = _steps(reading.run.resolved, reading.work, session, decode)
    return break_down(_samples(reading), steps, time.perf_counter, _SECONDS)


def _samples(reading: Build) -> Iterator[Sample]:
    stage, data = _first(reading.run), reading.run.resolved.data
    view = DataView(paths=_paths(stage, reading.results), params=stage.params["data"])
    dataset = reading.work.plugins.dataset(stage.params["dataset"])
    return dataset.samples(view, 0, data.count if data else 0)


def _first(reading: Run) -> Stage:
    """The first stage that runs the network."""
    return next(item.stage for item in reading.plan if RECORDS in item.stage.outputs)


def _request(run: Run, work: Workspace, listener: Listener, images: Path | None) -> RunRequest:
    kind = run.resolved.weights.kind
    request = replace(run.request, limit=IMAGES)
    if not run.request.weights:
        request = replace(request, assets="sample" if kind == "sample" else "published")
    if images:
        return replace(request, predict=(images,))
    if (
        kind in ("sample", "random")
        or run.resolved.card.dataset == run.resolved.card.sample_dataset
    ):
        return request
    return replace(request, predict=(_scenes(run.resolved, work, listener),))


def _scenes(resolved: Resolved, work: Workspace, listener: Listener) -> Path:
    """The folder of the sample's images: they are timed here, nothing is scored on them."""
    dataset = work.plugins.dataset(resolved.card.sample_dataset or "")
    request = DataRequest(purpose="evaluate", limit=IMAGES, others=work.plugins.dataset)
    data = dataset.plan(request)
    paths = _paths(data, work.execute(make_plan(data.stages), listener))
    view = DataView(paths=paths, params=data.params)
    return next(iter(dataset.samples(view, 0, 1))).path.parent


def _paths(source: Stage | DataPlan, results: Mapping[str, StageResult]) -> dict[str, Path]:
    """The inputs and locations of a stage, or of the plan of a data set, by argument."""
    places = {argument: Path(place) for argument, place in source.locations.items()}
    for argument, reference in source.inputs.items():
        name, _, file = reference.partition("/")
        places[argument] = results[name].entry.path / file
    return places


def _steps(resolved: Resolved, work: Workspace, session: Session, decode: Decode) -> list[Step]:
    """From a sample to its settled predictions; a batch is filled with copies of the image."""
    evaluator = work.plugins.evaluator(resolved.card.evaluator)
    values, steps = task_values(resolved.protocol), resolved.preprocess
    batch = resolved.target.batch if session.input_kind == "tensor" else 1
    name, feed = session.inputs[0].name, feeder(session.input_kind)

    def read(sample: Sample) -> tuple[Sample, NDArray[np.uint8]]:
        return sample, read_rgb(sample.path, expect=sample.size, exif=steps.exif)

    def prepare(image: tuple[Sample, NDArray[np.uint8]]) -> tuple[Arrays, Geometry]:
        fed, geometry = feed(*image, steps)
        return {name: stacked([fed], batch)}, geometry

    def run(ready: tuple[Arrays, Geometry]) -> tuple[Arrays, Geometry]:
        return session.run(ready[0]), ready[1]

    def decoded(outputs: tuple[Arrays, Geometry]) -> Arrays:
        return decode({key: array[0] for key, array in outputs[0].items()}, outputs[1])

    def postprocess(candidates: Arrays) -> Arrays:
        return evaluator.postprocess(candidates, values)

    network = "runtime" if batch == 1 else f"runtime, batch of {batch}"
    return [
        ("image decode", read),
        ("preprocess", prepare),
        (network, run),
        ("output decode", decoded),
        (getattr(evaluator, "postprocess_label", "postprocess"), postprocess),
    ]
