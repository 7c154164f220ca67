"""Many short runs in a row: whether one of them ever hangs, and where."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .rows import MET, MISSED, Row
from .workshop import MODEL, ZOO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .workshop import Workshop

RUNS = 200
_AT_ONCE = 2
_PATIENCE = 100
_ASKED = ("run", MODEL, "--assets", "sample", "--precision", "int8", "--no-bench")


def rows(workshop: Workshop, runs: int = RUNS) -> Iterator[Row]:
    """Runs of the sample on a few images, whose artefact is there, each to its process's end."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        shares = [runs // _AT_ONCE + (place < runs % _AT_ONCE) for place in range(_AT_ONCE)]
        places = [pool.submit(_share, workshop, n, count) for n, count in enumerate(shares)]
        hung = [stage for place in places for stage in place.result()]
    yield Row(
        group="hangs",
        what=f"hangs in {runs} warm runs",
        goal="0",
        result=f"{len(hung)}{': ' + '; '.join(hung) if hung else ''}",
        verdict=MISSED if hung else MET,
        figures={"runs": runs, "hung": hung},
    )


def _share(workshop: Workshop, place: int, runs: int) -> list[str]:
    """The places at which runs of one series hung; the first run fills the cache."""
    home = f"hangs-{place}"
    hung = []
    for _ in range(runs + 1):
        workshop.forget_predictions(home)
        stage = watched(
            [*ZOO, *_ASKED, "--limit", "4", "--output", str(workshop.folder / home / "report")],
            {"ZOO_HOME": str(workshop.folder / home)},
            _PATIENCE,
        )
        if stage:
            hung.append(stage)
    return hung


def watched(command: list[str], environment: dict[str, str], patience: float) -> str:
    """Where a command was when its time was up; empty where it ended by itself, and well.

    Raises CalledProcessError where it failed.
    """
    surroundings = {**os.environ, "PYTHONFAULTHANDLER": "1", **environment}
    process = subprocess.Popen(
        command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _, told = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # which makes Python tell where every thread is
        _, told = process.communicate()
        return place_of(told)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=told)
    return ""


def place_of(told: str) -> str:
    """The last stage that a run told of, and the innermost line of its first thread."""
    lines = told.splitlines()
    stages = [line.strip() for line in lines if line.startswith("  ") and ": " in line]
    frames = [line.strip() for line in lines if line.lstrip().startswith("File ")]
    return f"after '{stages[-1] if stages else 'nothing'}', at {frames[0] if frames else '?'}"
