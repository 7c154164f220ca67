"""The stage `parts`: which part of a network's output a reduced precision makes worse."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import ReweightsImages, SubstitutesParts
from zoo_core.errors import UsageError, ZooError
from zoo_core.pipeline.predictions import StoredPredictions
from zoo_core.pipeline.records import read_records, write_records
from zoo_core.pipeline.resampling import halves, paired_interval
from zoo_core.pipeline.stages.evaluate import truth_of
from zoo_core.system.files import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Evaluator, StageContext

    Figures = Mapping[str, float | None]
    Samples = Mapping[str, NDArray[np.float64]]

PARTS_FILE = "parts.json"
MEASURED, REFERENCE = "measured", "reference"
"""How the arguments of the two runs' files begin: candidates of a shard, metrics, halves."""


def split(context: StageContext) -> None:
    """Leave parts.json: of each metric the loss by each part of the output, with intervals.

    {"images", "rows", "lacking": {part: rows that keep their own}, "metrics": [{"metric", "values":
    [reference, measured], "total", PART..., "rest"}]}, where `total`, each part and `rest` are
    {"difference", "low", "high"}: the measured run and the mixtures minus the reference.
    Raises UsageError where the rows of two runs do not pair.
    """
    evaluator = context.plugins.evaluator(context.params["evaluator"])
    if (graph := context.inputs.get("graph")) and json.loads(graph.read_text())["facts"].get(
        "ranks"
    ):
        what = "the network ranks its own boxes, so the rows of two runs do not pair"
        raise UsageError(what, next="see `zoo compare`, or export the network without TopK and NMS")
    values = {name: _metrics(context.inputs[f"{name}-metrics"]) for name in (REFERENCE, MEASURED)}
    samples = {name: _samples(context.inputs.get(f"{name}-halves")) for name in values}
    with TemporaryDirectory(dir=context.out) as place:
        rows, lacking = _mix(context, Path(place))
        for number, part in enumerate(lacking):
            context.progress(number, len(lacking), f"score the mixture with other {part}")
            predictions = StoredPredictions(Path(place) / part)
            values[part], samples[part] = _scored(context, evaluator, predictions)
            images = len(predictions)
    table = [_row(name, values, samples, images) for name in values[REFERENCE]]
    data = {"images": images, "rows": rows, "lacking": lacking, "metrics": table}
    write_json(context.out / PARTS_FILE, data)


def _mix(context: StageContext, folder: Path) -> tuple[int, dict[str, int]]:
    """Settled predictions of each mixture in a folder of its name; rows, and those that lack it."""
    evaluator = context.plugins.evaluator(context.params["evaluator"])
    if not isinstance(evaluator, SubstitutesParts):
        raise ZooError("cannot exchange parts of predictions", where=context.params["evaluator"])
    rows, lacking = 0, Counter[str]()
    first = f"{MEASURED}-shard-"
    for name in sorted(name for name in context.inputs if name.startswith(first)):
        shard = name.removeprefix(first)
        paths = (context.inputs[f"{run}-shard-{shard}"] for run in (REFERENCE, MEASURED))
        heads, made = [], defaultdict(list)
        for (head, reference), (other, measured) in zip(*map(read_records, paths), strict=True):
            if head["id"] != other["id"]:
                raise ZooError("the runs are not of the same images", where=head["name"])
            found = evaluator.substituted(reference, measured)
            for part, mixture in found.items():
                settled = evaluator.postprocess(mixture.arrays, context.params["values"])
                made[part].append(settled)
                lacking[part] += mixture.lacking
            rows += next(iter(found.values())).rows
            heads.append(head)
        for part, arrays in made.items():
            (folder / part).mkdir(exist_ok=True)
            write_records(folder / part / f"{shard}.npz", heads, arrays)
    return rows, dict(lacking)


def _scored(
    context: StageContext, evaluator: Evaluator, predictions: StoredPredictions
) -> tuple[Figures, Samples]:
    truth, labels = truth_of(context), context.params["labels"]
    if truth is None:
        raise ZooError("has no ground truth to score against", where=context.params["dataset"])
    values = evaluator.score(predictions, truth, labels).values
    if not isinstance(evaluator, ReweightsImages):
        return values, {}
    weights = halves(len(predictions))
    samples = evaluator.reweighted(predictions, truth, labels, weights)
    return values, {name: _stored(rows) for name, rows in samples.items()}


def _row(
    metric: str, values: Mapping[str, Figures], samples: Mapping[str, Samples], images: int
) -> dict[str, Any]:
    figures = {name: row.get(metric) for name, row in values.items()}
    row: dict[str, Any] = {"metric": metric, "values": [figures[REFERENCE], figures[MEASURED]]}
    known = {name: value for name, value in figures.items() if value is not None}
    if len(known) < len(figures):
        return row
    halves_of = {name: each.get(metric) for name, each in samples.items()}
    changes = {name: known[name] - known[REFERENCE] for name in known if name != REFERENCE}
    total = changes.pop(MEASURED)
    changes = {"total": total, **changes, "rest": total - sum(changes.values())}
    before, halves_of["total"] = halves_of.pop(REFERENCE), halves_of.pop(MEASURED)
    found = {name: array for name, array in halves_of.items() if array is not None}
    if before is not None and len(found) == len(halves_of):
        others = sum(array - before for name, array in found.items() if name != "total")
        halves_of["rest"] = found["total"] - others
    for name, change in changes.items():
        bounds = paired_interval(change, before, halves_of.get(name), images) or (None, None)
        row[name] = {"difference": change, "low": bounds[0], "high": bounds[1]}
    return row


def _metrics(path: Path) -> Figures:
    values: Figures = json.loads(path.read_text(encoding="utf-8"))["values"]
    return values


def _stored(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """As precise as the stage `score` stores them, so that equal runs do not differ."""
    return rows.astype(np.float32).astype(np.float64)


def _samples(path: Path | None) -> Samples:
    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: np.asarray(file[name], np.float64) for name in file.files}
