"""`zoo compare`: runs side by side, with the intervals of their differences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import DataError, UsageError
from zoo_core.reporting.difference_gates import judge, parse_drop_gates
from zoo_core.reporting.differences import CompareReport, ScoredRun, compare_runs
from zoo_core.reporting.history import remembered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def compare(references: Sequence[str], gates: Iterable[str] = ()) -> CompareReport:
    """Compare runs, each a run folder or MODEL:BACKEND:PRECISION, the newest run of these.

    Raises UsageError for fewer than two runs or an invalid gate, DataError for a run that cannot be
    read.
    """
    limits = parse_drop_gates(gates)
    if len(references) < 2:
        raise UsageError("needs two runs or more", where="compare", next="see `zoo runs`")
    runs = [ScoredRun.load(_folder(reference)) for reference in references]
    return judge(compare_runs(runs), limits)


def _folder(reference: str) -> Path:
    path, parts = Path(reference).expanduser(), reference.split(":")
    if path.is_dir() or len(parts) != 3:
        if not path.is_dir():
            step = "name a run folder, or MODEL:BACKEND:PRECISION; `zoo runs` lists them"
            raise DataError("no such run", where=reference, next=step)
        return path
    for row in reversed(remembered()):
        known = [row["model"], row["backend"], row["precision"]]
        if known == parts and row["metrics"] and Path(row["output"]).is_dir():
            return Path(row["output"])
    model, backend, precision = parts
    step = f"run `zoo eval {model} --backend {backend} --precision {precision}` first"
    raise DataError("no run of these is known here", where=reference, next=step)
