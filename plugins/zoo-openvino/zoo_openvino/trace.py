"""How long each operator takes, from OpenVINO's own counters."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.api.trace import Event, Trace
from zoo_openvino.engine import compile_model, fix_batch, read, run, stage_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays
    from zoo_core.toolkit.artefact import Artefact
    from zoo_openvino.engine import Setting


def trace(artefact: Artefact, batch: int, setting: Setting, feeds: Arrays, runs: int) -> Trace:
    """Operators of the compiled model over `runs` runs, after one that is left out.

    A counter holds the mean of all runs so far, and no point in time: every run shows the mean of
    those after the first, and the operators follow one another in the order of execution.
    Raises StageError for a model that OpenVINO refuses.
    """
    where = str(artefact.model)
    model = read(artefact.model)
    fix_batch(model, artefact.inputs, batch, where)
    compiled = compile_model(model, replace(setting, counting=True, cache=""), where)
    request = compiled.create_infer_request()
    names = [spec.name for spec in artefact.outputs]
    run(request, names, feeds, where)
    first = _counters(request, where)
    starts = []
    began = time.perf_counter()
    for _ in range(runs):
        starts.append(time.perf_counter() - began)
        run(request, names, feeds, where)
    whole = time.perf_counter() - began
    once = _of_a_run(first, _counters(request, where), runs)
    events = [replace(e, start_us=e.start_us + start * 1e6) for start in starts for e in once]
    return Trace(events=tuple(events), runs=runs, whole_us=whole * 1e6)


def _counters(request: Any, where: str) -> list[Any]:
    with stage_errors("OpenVINO has no counters", where):
        return list(request.profiling_info)


def _of_a_run(first: Sequence[Any], last: Sequence[Any], runs: int) -> list[Event]:
    """One run's events by the counters after the first run and after `runs` more.

    Operators that were merged into others have no time and are left out.
    """
    events: list[Event] = []
    start = 0.0
    for before, after in zip(first, last, strict=True):
        lasted = (_microseconds(after) * (runs + 1) - _microseconds(before)) / runs
        if lasted > 0:
            facts = {"kernel": after.exec_type}
            event = Event(
                name=after.node_name,
                kind=after.node_type,
                start_us=start,
                duration_us=lasted,
                facts=facts,
            )
            events.append(event)
            start += lasted
    return events


def _microseconds(counter: Any) -> float:
    return float(counter.real_time.total_seconds()) * 1e6
