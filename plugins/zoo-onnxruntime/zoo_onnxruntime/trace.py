"""How long each node takes, from ONNX Runtime's own profiler."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo_core.api.trace import Event, Trace
from zoo_core.errors import StageError
from zoo_onnxruntime.engine import cpu_options, run, session_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zoo_core.api import Arrays
    from zoo_core.toolkit.artefact import Artefact

_SUFFIX = "_kernel_time"
_SHAPES = ("input_type_shape", "output_type_shape")


def trace(artefact: Artefact, feeds: Arrays, threads: int, runs: int) -> Trace:
    """Nodes of the optimised graph over `runs` runs, after one that is left out.

    Raises StageError for a graph ONNX Runtime refuses, or a profile that is not as expected.
    """
    where = str(artefact.model)
    with TemporaryDirectory(prefix="zoo-trace-") as folder:
        options = cpu_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = session_of(artefact.model, options, where)
        names = [spec.name for spec in artefact.outputs]
        for _ in range(runs + 1):
            run(session, names, feeds, where)
        rows = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return read_profile(rows, runs, where)


def read_profile(rows: Iterable[Mapping[str, Any]], runs: int, where: str) -> Trace:
    """The events of the last `runs` runs in a profile of ONNX Runtime; times in microseconds."""
    events = [row for row in rows if row.get("ph") == "X"]
    whole = sorted(
        (row for row in events if row["name"] == "model_run"), key=lambda row: int(row["ts"])
    )[-runs:]
    if len(whole) < runs:
        raise StageError(f"the profile holds {len(whole)} of {runs} runs", where=where)
    since = int(whole[0]["ts"])
    nodes = (row for row in events if row["cat"] == "Node" and row["name"].endswith(_SUFFIX))
    return Trace(
        events=tuple(_event(row, since) for row in nodes if int(row["ts"]) >= since),
        runs=runs,
        whole_us=float(sum(row["dur"] for row in whole)),
    )


def _event(row: Mapping[str, Any], since: int) -> Event:
    facts = row.get("args", {})
    return Event(
        name=row["name"].removesuffix(_SUFFIX),
        kind=facts.get("op_name", "?"),
        start_us=float(row["ts"] - since),
        duration_us=float(row["dur"]),
        thread=int(row.get("tid", 0)),
        facts={key: facts[key] for key in _SHAPES if key in facts},
    )
