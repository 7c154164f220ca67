"""The Python API, `import zoo_core as zoo`: the verbs of the command line as functions.

They take the options of the command line by name, with `_` for `-` (see docs/reference/cli.md), and
raise its errors (`zoo_core.errors.ZooError`). They print nothing and never exit; `progress` is a
function to call with lines of text while a command runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from zoo_core.commands.progress import line_by_line, silent
from zoo_core.errors import DataError, UsageError, ZooError, check_known
from zoo_core.planning.request import (
    RunRequest,
    as_number,
    as_path,
    as_text,
    make_request,
    protocol_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from numpy.typing import NDArray

    from zoo_core.api import Prediction
    from zoo_core.commands.finished.explain import Explained
    from zoo_core.commands.finished.likeness import ReplayReport
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.tune.report import TuneReport
    from zoo_core.reporting.differences import CompareReport
    from zoo_core.reporting.report import BenchReport, PredictReport, RunReport

    Lines = Callable[[str], None]
    Image = str | PathLike[str] | NDArray[Any] | Any


_NO_OPTIONS = {"model", "changes", "predict", "floor", "origin"}
"""Fields of a request that no option of a run sets."""

_NOT_AN_IMAGE = "not a path, a PIL image or an array uint8 [height, width, 3] in RGB"


def run(
    model: str,
    *,
    bench: bool = True,
    output: str | Path | None = None,
    gates: Mapping[str, float] | None = None,
    gate: Iterable[str] = (),
    against: str | Path | None = None,
    strict: bool = False,
    progress: Lines | None = None,
    **options: Any,
) -> RunReport:
    """`zoo run`: export, compile, evaluate and benchmark a model.

    `gate` are expressions such as "AP>=0.42" and "drop<=0.01", decided by the interval, and `gates`
    maps a metric to the least figure. After the run folder (`output`, else a new one under ./runs)
    is written, AccuracyGateError or SpeedGateError is raised for the first that is missed;
    `strict`: or is not decided.
    """
    from zoo_core.commands.run import run as run_request
    from zoo_core.reporting.gates.expression import parse_figures, parse_gates
    from zoo_core.reporting.gates.rows import failure

    if not isinstance(gates or {}, Mapping):
        raise UsageError(f"must map metrics to numbers, not {gates!r}", where="gates")
    figures = parse_figures(f"{name}={least}" for name, least in (gates or {}).items())
    report = run_request(
        _request(model, options),
        _reporter(progress),
        _path(output),
        bench=bench,
        gates=(*figures, *parse_gates(gate)),
        against=None if against is None else str(as_path(against, "against")),
    )
    if missed := failure(report.gates, strict, report.header.output):
        raise missed
    return report


def eval(model: str, **options: Any) -> RunReport:
    """`zoo eval`: like `run`, without the benchmark."""
    if options.pop("bench", False):
        raise UsageError("`eval` runs no benchmark", where="bench", next="use `run`")
    return run(model, bench=False, **options)


def compare(*runs: str | Path, gate: Iterable[str] = (), strict: bool = False) -> CompareReport:
    """`zoo compare`: differences of the last of some runs from the first, with intervals.

    A run is a run folder or "MODEL:BACKEND:PRECISION". Raises AccuracyGateError for a gate
    ("drop<=0.01") that is missed; `strict`: or is not decided.
    """
    from zoo_core.commands.finished.compare import compare as compare_references
    from zoo_core.reporting.gates.rows import failure

    report = compare_references([str(run) for run in runs], gate)
    if missed := failure(report.gates, strict, "--gate"):
        raise missed
    return report


def tune(
    model: str,
    *,
    max_drop: float = 0.005,
    max_speed_cost: float = 0.1,
    trials: int = 64,
    output: str | Path | None = None,
    progress: Lines | None = None,
    **options: Any,
) -> TuneReport:
    """`zoo tune`: search for options that win back what int8 loses; later runs use them.

    They are written for these, or to `output`. `report.reached` is false where no trial is within
    `max_drop` of fp32.
    """
    from zoo_core.commands.tune.tune import TuneRequest
    from zoo_core.commands.tune.tune import tune as tune_request

    how = TuneRequest(max_drop=max_drop, max_speed_cost=max_speed_cost, trials=trials)
    return tune_request(_request(model, options), how, _reporter(progress), _path(output))


def rescore(
    run: str | Path,
    *,
    output: str | Path | None = None,
    progress: Lines | None = None,
    **changes: Any,
) -> RunReport:
    """`zoo rescore`: a finished run by another protocol, from the candidates that it stored.

    `changes` are `protocol`, a name, and values of protocols such as `conf`.
    """
    from zoo_core.commands.finished.rescore import rescore as rescore_run

    values = _protocol_values(changes, "protocol")
    return rescore_run(str(run), values, _reporter(progress), _path(output))


def explain(
    run: str | Path,
    against: str | None = None,
    *,
    layers: bool = False,
    layer_images: int = 4,
    parts: bool = False,
    progress: Lines | None = None,
    **values: Any,
) -> Explained:
    """`zoo explain`: what each difference from a published row or a protocol makes of a run.

    Instead, `layers` compares the layers of an int8 run with the float network on so many
    calibration images, and `parts` splits what a reduced precision loses.
    """
    from zoo_core.commands.finished.explain import Look
    from zoo_core.commands.finished.explain import explain as explain_run

    look = Look(layers=layers, layer_images=layer_images, parts=parts)
    return explain_run(str(run), against, _protocol_values(values), look, _reporter(progress))


def replay(
    run: str | Path,
    *,
    output: str | Path | None = None,
    cached: bool = False,
    progress: Lines | None = None,
    **moved: str | Path,
) -> ReplayReport:
    """`zoo replay`: rebuild a run from its manifest, and compare.

    `moved` says where files of the run are now (`weights`, `images` ...). Its `verdict` is "equal",
    "within tolerance", "different" or "not known".
    """
    from zoo_core.commands.finished.replay import replay as replay_run

    return replay_run(str(run), _reporter(progress), _path(output), cached=cached, moved=moved)


def package(
    run: str | Path,
    output: str | Path,
    *,
    images: int = 4,
    with_images: bool = True,
    progress: Lines | None = None,
) -> Path:
    """`zoo package`: a folder that runs the network of a run without zoo; returns it.

    `images` of the run become golden inputs; without `with_images` only as tensors.
    """
    from zoo_core.commands.finished.package import package as package_run

    target, lines = as_path(output, "output"), _reporter(progress)
    package_run(str(run), target, lines, images, with_images=with_images)
    return target


def bench(
    model: str,
    *,
    duration: float | None = None,
    min_samples: int | None = None,
    scenario: str | None = None,
    vs: str | None = None,
    profile: bool = False,
    sweep: str | None = None,
    breakdown: bool = True,
    gate: Iterable[str] = (),
    strict: bool = False,
    output: str | Path | None = None,
    progress: Lines | None = None,
    **options: Any,
) -> BenchReport:
    """`zoo bench`: latency and throughput of the compiled model; `duration` is in seconds.

    `scenario` is one of MLPerf's except server; `vs` names a second build to compare with, `sweep`
    the settings to optimise. SpeedGateError is raised for the first `gate` ("p90<=20") that is
    missed; `strict`: or is not decided.
    """
    from zoo_core.commands.bench import BenchRequest, bench_report, settings_of
    from zoo_core.reporting.gates.expression import parse_gates
    from zoo_core.reporting.gates.rows import failure

    texts = {"--scenario": scenario, "--vs": vs, "--sweep": sweep}
    for option, value in texts.items():
        if value is not None:
            as_text(value, option)
    how = BenchRequest(
        settings=settings_of(scenario, 8, None, duration, min_samples),
        versus=vs,
        breakdown=breakdown,
        profile=profile,
        sweep=sweep,
        gates=parse_gates(gate),
    )
    report = bench_report(_request(model, options), how, _reporter(progress), _path(output))
    if missed := failure(report.gates, strict, report.header.output):
        raise missed
    return report


@dataclass(frozen=True, slots=True)
class ImagePrediction:
    """What a model predicts for one image, the highest score first where there are scores.

    `image` is the path, or the position of an array among the images. For object detection `boxes`
    is float32 [n, 4], xyxy in pixels of the upright image, `scores` float32 [n], and `labels` the n
    class names; for other tasks these are None, and `arrays` holds what the evaluator returns.
    """

    image: str | int
    boxes: NDArray[Any] | None
    scores: NDArray[Any] | None
    labels: tuple[str, ...] | None
    arrays: Mapping[str, NDArray[Any]]

    def to_data(self) -> dict[str, Any]:
        """The image's row in the JSON of `zoo predict`, as far as it is known without a folder."""
        return {
            "image": self.image,
            "boxes": None if self.boxes is None else self.boxes.tolist(),
            "scores": None if self.scores is None else self.scores.tolist(),
            "labels": None if self.labels is None else list(self.labels),
        }


def predict(
    model: str,
    images: Image | Iterable[Image],
    *,
    show_conf: float | None = None,
    progress: Lines | None = None,
    **options: Any,
) -> list[ImagePrediction]:
    """`zoo predict` in memory: one result per image, in the order of the images.

    `images` is a path to an image or a folder, an array uint8 [height, width, 3] in RGB, a PIL
    image, or several of these. For object detection only boxes that score above `show_conf` are
    returned, by default all that pass the protocol. No run folder is written.
    """
    from zoo_core.commands.predict import least_score, run_images
    from zoo_core.commands.workspace import prepare
    from zoo_core.planning.build import Goal

    if show_conf is not None:
        show_conf = as_number(show_conf, "show_conf")
    with tempfile.TemporaryDirectory(prefix="zoo-predict-") as folder:
        path, names = _collect(images, Path(folder))
        request = replace(_request(model, options), predict=(path,))
        with _own_names(Path(folder), names):
            work, planned = prepare(request, Goal.VIEW, reporter := _reporter(progress))
            predictions, _ = run_images(work, planned, reporter)
        card, protocol = planned.resolved.card, planned.resolved.protocol
        labels = card.labels
        least = least_score(work.plugins.evaluator(card.evaluator), protocol, show_conf)
        return [
            _image_prediction(prediction, names.get(prediction.sample.name), labels, least)
            for prediction in predictions
        ]


def models(**filters: Any) -> list[dict[str, Any]]:
    """`zoo models`: a row per model, as its JSON has them.

    Filters are `task`, `family`, `size` ("640", "480x640"), `source`, `backend`, `precision` and
    `runnable`.
    """
    from zoo_core.commands.models import ModelFilter
    from zoo_core.commands.models import models as list_models
    from zoo_core.commands.workspace import open_workspace

    check_known(filters, [field.name for field in fields(ModelFilter)], "models")
    for name, value in filters.items():
        if name != "runnable" and value is not None:
            as_text(value, name)
    work = open_workspace()
    return list_models(work.registry, work.plugins, ModelFilter(**filters))


def backends() -> list[dict[str, Any]]:
    """`zoo backends`: a row per backend, as its JSON has them."""
    from zoo_core.commands.listings import backends as list_backends
    from zoo_core.plugins.manager import Plugins

    return list_backends(Plugins.installed())


def load(folder: str | Path) -> RunReport | BenchReport | PredictReport:
    """The report in a run folder; raises DataError if there is none."""
    from zoo_core.reporting.report import load as load_report

    return load_report(as_path(folder, "folder"))


def _request(model: str, options: Mapping[str, Any]) -> RunRequest:
    """The request that the command line would make from these options."""
    from zoo_core.plugins.manager import Plugins

    own = {field.name for field in fields(RunRequest)} - {
        "model",
        "changes",
        "predict",
        "floor",
        "origin",
    }
    known = {*own, "resize", *Plugins.installed().protocol_options()}
    check_known(options, known, "options", UsageError)
    return make_request(model, **options)


def _protocol_values(options: Mapping[str, Any], *further: str) -> dict[str, Any]:
    """Protocol values that the command line would make from these options."""
    from zoo_core.plugins.manager import Plugins

    known = {*further, "resize", "interpolation", *Plugins.installed().protocol_options()}
    check_known(options, known, "options", UsageError)
    return protocol_values(**options)


def _reporter(progress: Lines | None) -> ProgressReporter:
    if progress is not None and not callable(progress):
        raise UsageError(f"must be a function of one text, not {progress!r}", where="progress")
    return line_by_line(progress) if progress else silent()


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else as_path(path, "output")


def _collect(images: Image | Iterable[Image], folder: Path) -> tuple[Path, dict[str, str | int]]:
    """A path to the images, and the image that each file name in it stands for."""
    if _is_path(images):
        return as_path(images, "images"), {}
    one = hasattr(images, "__array__") or hasattr(images, "__array_interface__")
    if not one and not isinstance(images, Iterable):
        raise UsageError(f"is a {type(images).__name__}, {_NOT_AN_IMAGE}", where="images")
    names: dict[str, str | int] = {}
    for number, image in enumerate([images] if one else cast("Iterable[Image]", images)):
        name, origin = _put(image, number, folder)
        names[name] = origin
    if not names:
        raise UsageError("no images to run", next="give at least one image")
    return folder, names


@contextmanager
def _own_names(folder: Path, names: Mapping[str, str | int]) -> Iterator[None]:
    """Errors about a file of the folder name the caller's image."""
    try:
        yield
    except ZooError as error:
        for name, image in names.items():
            own = image if isinstance(image, str) else f"image {image}"
            error.where = error.where.replace(str(folder / name), own)
        raise


def _is_path(image: object) -> TypeGuard[str | PathLike[str]]:
    return isinstance(image, str) or hasattr(image, "__fspath__")


def _put(image: Image, number: int, folder: Path) -> tuple[str, str | int]:
    """Add an image to the folder; returns its file name, and its path or number for the caller.

    What a file holds decides whether it is an image, so the names in the folder all end alike.
    """
    from zoo_core.vision import write_image

    where, place = f"image {number}", folder / f"{number:06d}.png"
    if not _is_path(image):
        write_image(place, _pixels(image, where))
        return place.name, number
    path = as_path(image, where).absolute()
    if not path.is_file():
        what = "is not a file" if path.exists() else "no such image"
        raise DataError(what, where=str(image), next="check the path")
    place.symlink_to(path)
    return place.name, str(image)


def _pixels(image: Any, where: str) -> NDArray[Any]:
    """uint8 [height, width, 3] in RGB, of the upright image."""
    import numpy as np

    if hasattr(image, "getexif"):  # an image of PIL
        image = import_module("PIL.ImageOps").exif_transpose(image)
    pixels = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        kind = f"{pixels.dtype} {list(pixels.shape)}" if pixels.ndim else type(image).__name__
        raise UsageError(f"is {kind}, {_NOT_AN_IMAGE}", where=where)
    return np.ascontiguousarray(pixels)


def _image_prediction(
    prediction: Prediction, image: str | int | None, labels: tuple[str, ...], least: float
) -> ImagePrediction:
    from zoo_core.commands.predict import detections

    name = str(prediction.sample.path) if image is None else image
    found = detections(prediction.arrays, labels, least)
    if found is None:
        return ImagePrediction(name, None, None, None, dict(prediction.arrays))
    arrays, classes = found
    return ImagePrediction(name, arrays["boxes"], arrays["scores"], classes, arrays)
