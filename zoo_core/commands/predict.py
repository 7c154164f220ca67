"""`zoo predict`: runs images and writes predictions as files and pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo_core.commands.workspace import prepare
from zoo_core.errors import UsageError
from zoo_core.pipeline.predictions import StoredPredictions
from zoo_core.planning.build import Goal
from zoo_core.planning.resolve import require_available
from zoo_core.registry.protocols import task_values
from zoo_core.reporting.build import build_header
from zoo_core.reporting.report import ImageRow, PredictReport
from zoo_core.reporting.run_folder import (
    REPORT,
    RESULTS,
    RUNS,
    check_free,
    claiming,
    deliver,
    inputs_of,
    open_run_folder,
    write_report,
)
from zoo_core.system.file_names import SUFFIX, text_names
from zoo_core.vision import read_rgb, write_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Evaluator, Prediction, ScoringProtocol
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest
    from zoo_core.reporting.run_folder import StagedOutput

PICTURES = "pictures"

_DETECTION = ("boxes", "scores", "labels")


@runtime_checkable
class Describes(Protocol):
    """Optional protocol of an evaluator that describes a prediction, instead of a count."""

    def describe(self, prediction: Arrays, labels: Sequence[str], least: float) -> str:
        """What scores above `least` in a postprocessed prediction, on one line."""


@dataclass(frozen=True, slots=True)
class _View:
    """How to show predictions: evaluator, labels and minimum score.

    `exif` is whether the network received the images rotated by their EXIF orientation.
    """

    evaluator: Evaluator
    labels: Sequence[str]
    least: float
    exif: bool

    def picture(self, prediction: Prediction) -> NDArray[Any]:
        sample = prediction.sample
        image = read_rgb(sample.path, expect=sample.size, exif=self.exif)
        return self.evaluator.draw(image, prediction.arrays, self.labels, self.least)

    def row(self, prediction: Prediction, picture: str) -> ImageRow:
        """The report's row; its count of drawn objects is None for a task without scores."""
        scores = prediction.arrays.get("scores")
        count = None if scores is None else int((scores > self.least).sum())
        text = "" if count is None else _label_counts(prediction.arrays, self.labels, self.least)
        if isinstance(self.evaluator, Describes):
            text = self.evaluator.describe(prediction.arrays, self.labels, self.least)
        row = ImageRow(
            image=str(prediction.sample.path),
            picture=picture,
            id=prediction.sample.id,
            found=count,
            told=text,
        )
        found = detections(prediction.arrays, self.labels, self.least)
        if found is None:
            return row
        arrays, names = found
        boxes = tuple([round(value, 2) for value in box] for box in arrays["boxes"].tolist())
        rounded = tuple(round(score, 4) for score in arrays["scores"].tolist())
        return replace(row, boxes=boxes, scores=rounded, labels=names)


def detections(
    arrays: Arrays, labels: Sequence[str], least: float
) -> tuple[Arrays, tuple[str, ...]] | None:
    """What scores above `least`, the highest first, and its class names; None for other tasks."""
    if not arrays.keys() >= set(_DETECTION):  # an evaluator may keep further arrays of an image
        return None
    order = (-arrays["scores"]).argsort(kind="stable")
    order = order[arrays["scores"][order] > least]
    arrays = {key: arrays[key][order] for key in _DETECTION}
    names = dict(enumerate(labels))
    return arrays, tuple(names.get(n, f"class {n}") for n in arrays["labels"].tolist())


def least_score(evaluator: Evaluator, protocol: ScoringProtocol, show_conf: float | None) -> float:
    """The score above which predictions are shown: the user's, else the evaluator's `shown`.

    An evaluator without one shows everything that the protocol lets through.
    """
    if show_conf is not None:
        return show_conf
    shown: float | None = getattr(evaluator, "shown", None)
    return evaluator.floor(task_values(protocol)) if shown is None else shown


def _label_counts(arrays: Arrays, labels: Sequence[str], least: float) -> str:
    """Counts per label above `least`, the most frequent first; without labels the total."""
    confident = arrays["scores"] > least
    if not confident.any():
        return "nothing found"
    numbers = arrays.get("labels")
    if numbers is None or numbers.shape != confident.shape:
        return f"{confident.sum()} found"
    names = {number: f"class {number}" for number in numbers.tolist()} | dict(enumerate(labels))
    counts = Counter(names[number] for number in numbers[confident].tolist())
    return ", ".join(f"{label} {count}" for label, count in counts.most_common())


@claiming
def predict(
    request: RunRequest,
    progress: ProgressReporter,
    output: Path | None,
    paths: Sequence[Path],
    show_conf: float | None,
) -> PredictReport:
    """Run images and write txt/, predictions.json and pictures/ to a run folder.

    `paths` are images, folders, lists of paths or patterns; without them, and without images in the
    request, the sample's scenes are run. The files hold everything that passes the protocol;
    pictures show the same, or what scores above `show_conf`.
    """
    request, reason = _with_images(request, paths)
    work, run = prepare(request, Goal.VIEW, progress, output or RUNS, reason)
    _check_output(run, output)
    predictions, results = run_images(work, run, progress)
    resolved = run.resolved
    evaluator = work.plugins.evaluator(resolved.card.evaluator)
    least = least_score(evaluator, resolved.protocol, show_conf)
    view = _View(evaluator, resolved.card.labels, least, resolved.preprocess.exif)
    with open_run_folder(run, output, RESULTS) as staged:
        deliver(results["write"].entry.path / "predictions", staged.part)
        report = PredictReport(
            header=build_header(run, results, staged.folder),
            show_conf=least,
            images=tuple(_pictures(predictions, view, staged)),
        )
        write_report(staged.part / REPORT, report.to_data())
    return report


def run_images(
    work: Workspace, run: Run, progress: ProgressReporter
) -> tuple[StoredPredictions, Mapping[str, StageResult]]:
    """Execute a plan up to its predictions."""
    require_available(run.resolved)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    return StoredPredictions(results["settle"].entry.path / "settled"), results


def _with_images(request: RunRequest, paths: Sequence[Path]) -> tuple[RunRequest, str]:
    """The request with the images to run, and why it uses the sample if no image is given."""
    if paths and (request.images or request.annotations):
        raise UsageError("PATH excludes --images and --annotations", next="omit PATH")
    if request.images and not request.annotations and not request.dataset:
        paths = [request.images]
    if paths:
        return replace(request, predict=tuple(paths), images=None), ""
    if request.images or request.annotations or request.dataset:
        return request, ""
    if request.weights:
        raise UsageError("no images to run", next="give an image or a folder")
    reason = "" if request.assets == "sample" else "because no image was given"
    return replace(request, assets="sample"), reason


def _check_output(run: Run, output: Path | None) -> None:
    """Raises UsageError, before any work, if pictures would overwrite their images."""
    inputs = inputs_of(run)
    check_free(output, RESULTS, [REPORT], inputs)
    place = output and output / PICTURES
    if place and place.is_dir() and place.resolve() in inputs:
        what = "contains the input images; the pictures would overwrite them"
        raise UsageError(what, where=str(place), next="name another folder with --output")


def _pictures(
    predictions: StoredPredictions, view: _View, staged: StagedOutput
) -> Iterator[ImageRow]:
    """Write the pictures, each named like its image's text file; yields the report's rows."""
    (staged.part / PICTURES).mkdir(exist_ok=True)
    texts = text_names([str(head["name"]) for head in predictions.heads()])
    for text, prediction in zip(texts, predictions, strict=True):
        name = f"{PICTURES}/{text.removesuffix(SUFFIX)}.jpg"
        write_image(staged.part / name, view.picture(prediction))
        yield view.row(prediction, str(staged.folder / name))
