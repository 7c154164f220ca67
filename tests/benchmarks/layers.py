"""What `zoo explain RUN --layers` costs: seconds for each further image, and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import within
from .workshop import ZOO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .rows import Row
    from .workshop import Finished, Workshop

_STAGE = "layers"
_FEW, _MORE = 2, 10
_ROUNDS = 3
_MOST_SECONDS, _MOST_GIGABYTES = 1.0, 2.0


def rows(workshop: Workshop) -> Iterator[Row]:
    """Stages of few and of more images in turns; the quickest of each count."""
    run = _run(workshop)
    seconds: dict[int, list[float]] = {_FEW: [], _MORE: []}
    peaks = []
    for _ in range(_ROUNDS):
        for images, found in seconds.items():
            done, took = _explained(workshop, run, images)
            found.append(took)
            peaks.append(done.peak_bytes / 1e9)
    each = (min(seconds[_MORE]) - min(seconds[_FEW])) / (_MORE - _FEW)
    yield within("layers", "layers of int8 against float, an image", each, _MOST_SECONDS, "s")
    yield within("layers", "the same: peak memory", max(peaks), _MOST_GIGABYTES, "GB")


def _run(workshop: Workshop) -> Path:
    """The folder of a run in int8, whose artefact is in the store."""
    folder = workshop.folder / "int8-run"
    if not folder.exists():
        data = ("--images", str(workshop.pictures), "--annotations", str(workshop.annotations))
        calibration = ("--calibration", str(workshop.calibration), "--calibrator", "minmax")
        more = ("--precision", "int8", *calibration, "--limit", "2", "--output", str(folder))
        workshop.zoo("eval", *data, *more)
    return folder


def _explained(workshop: Workshop, run: Path, images: int) -> tuple[Finished, float]:
    """The command, and the seconds of its stage, which is forgotten again."""
    command = [*ZOO, "explain", str(run), "--layers", "--layer-images", str(images), "--quiet"]
    done = workshop.run(command, {"ZOO_HOME": str(workshop.folder / "home")})
    (seconds,) = workshop.entries(_STAGE).values()
    workshop.forget_stage(_STAGE)
    return done, seconds
