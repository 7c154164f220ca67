"""`zoo compare`: runs side by side, with the intervals of their differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.commands.finished.find import run_folder
from zoo_core.errors import UsageError
from zoo_core.reporting.difference_gates import judge, parse_drop_gates
from zoo_core.reporting.differences import CompareReport, ScoredRun, compare_runs

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
    runs = [ScoredRun.load(run_folder(reference)) for reference in references]
    return judge(compare_runs(runs), limits)
