"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.system.machine import environment

from . import (
    calibration,
    coco,
    engines,
    exports,
    hangs,
    image,
    intervals,
    layers,
    runs,
    startup,
    waits,
)
from .rows import FAILED, MISSED, failed, table
from .workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .rows import Row

_ENGINES = frozenset({"ort", "openvino"})
GROUPS = (
    "image",
    "startup",
    "export",
    "run",
    "calibration",
    "layers",
    "ort",
    "openvino",
    "coco",
    "intervals",
    "waits",
    "hangs",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; returns 1 where a goal was missed or a measurement failed.

    Programs that are measured keep their bytecode, as anything that is installed does: a setting
    against it would have every start compile the checkout anew.
    """
    options = _parser().parse_args(arguments)
    groups = _groups(options.only)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    host = environment()
    with _folder(options.folder) as folder:
        rows = list(measure(Workshop(folder), groups, options.hang_runs))
    print("\n".join([*_machine(host), "", *table(rows)]))
    if options.json:
        data = {"environment": host, "rows": [row.to_data() for row in rows]}
        Path(options.json).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return int(any(row.verdict in (MISSED, FAILED) for row in rows))


def measure(workshop: Workshop, groups: frozenset[str], hang_runs: int) -> Iterator[Row]:
    """The rows of the groups, in the order in which they are best measured."""
    measured: Mapping[str, Callable[[], Iterable[Row]]] = {
        "image": image.rows,
        "startup": lambda: startup.rows(workshop),
        "export": lambda: exports.rows(workshop),
        "run": lambda: runs.rows(workshop),
        "calibration": lambda: calibration.rows(workshop),
        "layers": lambda: layers.rows(workshop),
        "engines": lambda: engines.rows(workshop, groups),
        "coco": coco.rows,
        "intervals": intervals.rows,
        "waits": waits.rows,
        "hangs": lambda: hangs.rows(workshop, hang_runs),
    }
    for name, rows in measured.items():
        if name in groups or (name == "engines" and groups & _ENGINES):
            began = time.perf_counter()
            yield from _guarded(name, rows)
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def _guarded(name: str, rows: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """One measurement that fails does not take the others with it."""
    try:
        yield from rows()
    except Exception as error:  # of any engine, tool or plugin
        first = (str(error).splitlines() or [""])[0]
        yield failed(name, f"{type(error).__name__}: {first}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("--only", help=f"groups, with commas between: {', '.join(GROUPS)}")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--folder", type=Path, help="keep builds here and use them again")
    parser.add_argument("--hang-runs", type=int, default=hangs.RUNS, metavar="N")
    return parser


def _groups(only: str | None) -> frozenset[str]:
    chosen = frozenset(only.split(",")) if only else frozenset(GROUPS)
    unknown = sorted(chosen - set(GROUPS))
    if unknown:
        raise SystemExit(f"unknown group '{unknown[0]}'; known: {', '.join(GROUPS)}")
    return chosen


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="zoo-benchmarks-") as made:
        yield Path(made)


def _machine(host: Mapping[str, Any]) -> list[str]:
    memory = (host["memory_limit"] or 0) / 2**30
    return [
        f"{host['cpu']}, {host['cpu_quota']:g} processors, {memory:.0f} GiB, {host['os']}",
        f"instruction sets: {', '.join(host['features'])}",
        f"load average before: {host['load_average']}",
    ]
