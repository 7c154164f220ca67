"""`zoo tune`: from a request to the options that `zoo run` uses from then on."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo_core.api import Tunable
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.commands.tune.rank import ranked
from zoo_core.commands.tune.report import TuneReport, measured, optimism, speed_doubts
from zoo_core.commands.tune.search import FASTER, PLAIN, Search
from zoo_core.commands.tune.trials import Laboratory
from zoo_core.commands.workspace import prepare
from zoo_core.errors import StageError, UsageError, first_line
from zoo_core.planning.build import Goal
from zoo_core.planning.request import as_count, as_number
from zoo_core.planning.resolve import require_available
from zoo_core.planning.tuned import NONE, Tuned, digest_of, tuned_files
from zoo_core.reporting.run_folder import check_output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.tune.search import Trial
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest

FP32 = "fp32"
_USUAL = "int8"
_SECONDS = 2.4
"""Seconds for each side of a measurement of speed: twelve blocks take about twice as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """The options of `zoo tune`: shares from 0 to 1, and the most trials."""

    max_drop: float = 0.005
    max_speed_cost: float = 0.1
    trials: int = 64

    def __post_init__(self) -> None:
        shares = {"--max-drop": self.max_drop, "--max-speed-cost": self.max_speed_cost}
        for option, value in shares.items():
            if not 0 <= as_number(value, option) <= 1:
                raise UsageError(f"must be from 0 to 1, not {value}", where=option)
        as_count(self.trials, "--trials")


def tune(
    request: RunRequest,
    how: TuneRequest,
    progress: ProgressReporter,
    output: Path | None = None,
) -> TuneReport:
    """Search for options, and write those that were chosen for `zoo run`, or to `output`.

    Raises UsageError for what cannot be tuned, and what the runs raise.
    """
    began = time.perf_counter()
    asked = replace(request, tuned=NONE)
    if request.precision == FP32:
        asked = replace(asked, precision=_USUAL)
    if output is not None:
        check_output(output.parent)
    work, planned = prepare(asked, Goal.SCORE, progress)
    compiler, weights = _tunable(planned, work)
    lab = Laboratory(
        work=work,
        progress=progress,
        request=asked,
        max_drop=how.max_drop,
        max_cost=how.max_speed_cost,
        settings=BenchSettings(scenario="single-stream", seconds=_SECONDS),
    )
    search = Search(lab.make, lab.begin(), how.trials)
    card, target = planned.resolved.card, planned.resolved.target
    fixed = {*asked.options, *(("calibrator",) if asked.calibrator else ())}
    known = compiler.tuning(card, target, work.plugins.compiler)
    steps = [step for step in known if not fixed & step.options.keys()]
    option = compiler.float_option
    floats = target.options.get(option) or card.backends.get(target.backend, {}).get(option, ())
    floats = floats.split(",") if isinstance(floats, str) else floats

    def rank(best: Trial) -> list[str]:
        request = replace(asked, options={**asked.options, **best.options})
        try:
            return ranked(work, request, compiler, progress)
        except (StageError, UsageError) as error:  # what was found before is kept
            progress.message(f"warning: no layer is tried in float: {first_line(error)}")
            return []

    search.run(steps, option, floats, rank)
    report = _report(lab, search, planned, how)
    if report.chosen.name != PLAIN:
        report = replace(report, speed=lab.final(report.chosen))
        report = replace(report, warnings=(*report.warnings, *speed_doubts(report)))
        report = _written(report, planned, weights, output)
    return replace(report, seconds=round(time.perf_counter() - began, 1))


def forget(request: RunRequest) -> list[Path]:
    """Remove what was found for a model, on a backend and in a precision if these are named.

    Raises UsageError if there is nothing.
    """
    precision = None if request.precision == FP32 else request.precision
    files = tuned_files(request.model, request.backend, precision)
    if not files:
        step = "`zoo show MODEL` lists what was"
        raise UsageError("nothing was tuned", where=request.model, next=step)
    for path in files:
        path.unlink(missing_ok=True)
    return files


def _tunable(planned: Run, work: Workspace) -> tuple[Tunable, str]:
    """The compiler and the digest of the weights; raises UsageError for what cannot be tuned."""
    resolved = planned.resolved
    require_available(resolved)
    backend, compiler = resolved.backend, work.plugins.compiler(resolved.backend.compiler)
    if resolved.target.precision == FP32 or FP32 not in backend.precisions:
        what = f"backend '{backend.name}' has no reduced precision beside fp32"
        raise UsageError(what, where="tune", next="see `zoo backends`")
    if not isinstance(compiler, Tunable):
        what = f"backend '{backend.name}' offers nothing to tune"
        raise UsageError(what, where="tune", next="use onnxruntime or openvino")
    if resolved.quantised:
        what = "the file is quantised already, by its own ranges"
        raise UsageError(what, where="--weights", next="give the float network")
    weights = digest_of(resolved.weights)
    if resolved.weights.kind == "random" or weights is None:
        what = "there are no weights whose accuracy could be tuned"
        raise UsageError(what, where="--weights", next="give a file: --weights FILE")
    if planned.plan.maker("metrics.json") is None:
        what = "needs images with ground truth"
        raise UsageError(what, where="tune", next="give --images DIR --annotations FILE")
    return compiler, weights


def _report(lab: Laboratory, search: Search, planned: Run, how: TuneRequest) -> TuneReport:
    scored, resolved = lab.reference.scored.report, planned.resolved
    metric = next(iter(scored.metrics or {}))
    rows = [(trial.drop, done.scored.samples.get(metric)) for trial, done in lab.done]
    whole = [(drop, row) for drop, row in rows if drop is not None and row is not None]
    own = lab.reference.scored.samples.get(metric)
    likely = None
    if own is not None and whole:
        likely = optimism(own, [row for _, row in whole], [drop for drop, _ in whole])
    report = TuneReport(
        model=resolved.card.id,
        name=resolved.name,
        backend=resolved.backend.name,
        precision=resolved.target.precision,
        metric=metric,
        images=scored.images,
        max_drop=how.max_drop,
        max_speed_cost=how.max_speed_cost,
        reference=(scored.metrics or {})[metric] or 0.0,
        trials=tuple(search.trials),
        chosen=search.best,
        gain=lab.gain,
        optimism=likely,
        reached=search.best.reached,
        seconds=0.0,
    )
    own_warnings = tuple(lab.plain.scored.report.warnings)
    return replace(report, warnings=(*own_warnings, *_doubts(report, search.spent)))


def _doubts(report: TuneReport, spent: bool) -> Iterator[str]:
    if report.gain is None:
        yield "speed is not priced: the device is emulated"
    elif report.gain.verdict != FASTER:
        yield f"{report.precision} is not faster than fp32 here: no step is refused for its speed"
    if spent:
        yield f"the search ended after {len(report.trials) - 1} trials, as --trials says"
    if report.chosen.name != PLAIN:
        more = ""
        if report.optimism is not None:
            likely = (report.chosen.drop or 0.0) + report.optimism
            more = f"; expect a drop of about {likely:.4f} on others"
        yield f"the drop is measured on the images that chose the options{more}"
    elif not report.reached:
        return
    elif tuned_files(report.model, report.backend, report.precision):
        yield "options of an earlier `zoo tune` stay in use; `zoo tune --forget` removes them"


def _written(report: TuneReport, planned: Run, weights: str, output: Path | None) -> TuneReport:
    calibration = planned.resolved.calibration
    tuned = Tuned(
        model=report.model,
        backend=report.backend,
        precision=report.precision,
        weights=weights,
        calibration=calibration.content if calibration else "",
        options={**planned.request.options, **report.chosen.options},
        measured=measured(report, {"max_drop": report.max_drop}),
    )
    path = output or tuned.usual_path()
    tuned.write(path)
    return replace(report, file=str(path))
