"""The stages that postprocess candidates, write prediction files, and score predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import DataView, ReweightsImages
from zoo_core.errors import ZooError, some
from zoo_core.pipeline.predictions import StoredPredictions
from zoo_core.pipeline.records import NOT_NUMBERS, read_records, write_records
from zoo_core.pipeline.resampling import halves, intervals, small_data
from zoo_core.pipeline.stages.inputs import cut_off
from zoo_core.system.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import StageContext

SETTLED = "settled"
"""Folder of postprocessed predictions."""

READING = "reading.json"
"""What must be known of the image files that were read, and of the network's outputs."""

FILES = "predictions"
METRICS = "metrics.json"
RESAMPLES = "resamples.npz"


def postprocess(context: StageContext) -> None:
    """Apply the protocol to every shard's candidates; one record file per shard in `settled`.

    reading.json holds what the evaluation must say of the image files, and of outputs with NaN.
    """
    evaluator = context.plugins.evaluator(context.params["evaluator"])
    values = context.params["values"]
    folder = context.out / SETTLED
    folder.mkdir()
    cut: list[str] = []
    count = 0
    strange: list[str] = []
    shards = sorted(context.inputs.items())
    for number, (name, path) in enumerate(shards):
        rows = [
            (head, evaluator.postprocess(arrays, values)) for head, arrays in read_records(path)
        ]
        heads = [head for head, _ in rows]
        count += len(heads)
        cut += [head["name"] for head in heads if not head.get("whole", True)]
        strange += [head["name"] for head in heads if NOT_NUMBERS in head]
        write_records(folder / f"{name}.npz", heads, [arrays for _, arrays in rows])
        context.progress(number + 1, len(shards), "shards")
    texts = [*cut_off(cut, count), *_not_numbers(strange, count)]
    write_json(context.out / READING, {"warnings": texts})


def _not_numbers(names: list[str], count: int) -> list[str]:
    what = f"the network's outputs of {len(names)} of {count} images hold NaN ({some(names)})"
    advice = "check the weights, the precision and the preprocessing"
    return [f"{what}, which is not a detection; {advice}"] if names else []


def write(context: StageContext) -> None:
    """Write the predictions to `predictions`, in the task's usual file formats."""
    evaluator = context.plugins.evaluator(context.params["evaluator"])
    folder = context.out / FILES
    folder.mkdir()
    predictions = StoredPredictions(context.inputs["settled"])
    evaluator.write(predictions, context.params["labels"], folder, truth_of(context))


def truth_of(context: StageContext) -> Path | None:
    """The ground truth of the data set that the stage's parameters name; None if it has none."""
    params = context.params
    if not params["has_truth"]:
        return None
    view = DataView(paths=context.paths(), params=params["data"])
    return context.plugins.dataset(params["dataset"]).truth(view)


def score(context: StageContext) -> None:
    """Write metrics.json: the evaluator's metrics of the postprocessed predictions.

    Where the evaluator can re-weight images, with their intervals; resamples.npz then holds the
    metrics of halves of the images.
    """
    evaluator = context.plugins.evaluator(context.params["evaluator"])
    predictions = StoredPredictions(context.inputs["settled"])
    truth = truth_of(context)
    if truth is None:
        raise ZooError("has no ground truth to score against", where=context.params["dataset"])
    labels = context.params["labels"]
    metrics, found = evaluator.score(predictions, truth, labels), None
    warnings = metrics.warnings
    if isinstance(evaluator, ReweightsImages):
        weights = halves(len(predictions))
        samples = evaluator.reweighted(predictions, truth, labels, weights)
        arrays: dict[str, Any] = {name: rows.astype(np.float32) for name, rows in samples.items()}
        np.savez_compressed(context.out / RESAMPLES, **arrays)
        found = intervals(metrics.values, samples, len(predictions))
        warnings = (*warnings, *small_data(metrics.values, samples, len(predictions)))
    scored = replace(metrics, warnings=warnings)
    write_json(context.out / METRICS, {**scored.to_data(), "intervals": found})
