"""What a rebuilt run has in common with the run itself: bit by bit, within tolerance, or not."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.commands.finished.rebuild import Change
from zoo_core.errors import AccuracyGateError, DataError, some
from zoo_core.reporting.owned_files import OwnedFiles
from zoo_core.reporting.report import RunReport, load
from zoo_core.reporting.run_folder import MANIFEST, RAW, REPORT, RESAMPLES, RESULTS
from zoo_core.system.files import read_limited
from zoo_core.system.hashing import file_digest
from zoo_core.system.machine import momentary
from zoo_core.system.record import Record
from zoo_core.system.terminal import columns
from zoo_core.vision.agreement import DIFFERENT, EQUAL, SCORE, WITHIN, agreement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zoo_core.commands.finished.rebuild import Rebuild
    from zoo_core.reporting.build import Outcome

SCHEMA = "zoo.replay/1"
UNKNOWN = "not known"

METRIC = 0.001
"""Most that a metric, a fraction, may change within tolerance."""

_JUDGED = ("input", "predictions", "metrics")
"""Kinds of rows that decide on the verdict; the others explain it."""

_BOXES = "predictions.json"
_OTHER = {"report.html", "report.md", "log.txt", "replay.json", REPORT, MANIFEST, RAW, RESAMPLES}
_COMPARED = re.compile("weights|predict-.*|settle|write|score|leakage")
"""Stages whose results are compared otherwise: as inputs, or by what they hold."""

_ORDER = (DIFFERENT, UNKNOWN, WITHIN, EQUAL)
_NUMBER = re.compile(rb"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class LikenessRow(Record):
    """One thing of the run then and now; `kind` is input, stage, predictions or metrics."""

    kind: str
    name: str
    status: str
    then: str = ""
    now: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ReplayReport(Record):
    """What `zoo replay` says."""

    run: str
    rows: tuple[LikenessRow, ...]
    versions: tuple[Change, ...]
    environment: tuple[Change, ...]
    output: str | None

    @property
    def verdict(self) -> str:
        """The worst of inputs, predictions and metrics; a stage alone makes it no worse than that.

        Predictions that are equal although an artefact's digest differs are within tolerance.
        """
        found = [row.status for row in self.rows if row.kind in _JUDGED]
        worst = min(found, key=_ORDER.index, default=UNKNOWN)
        stages = any(row.status == DIFFERENT for row in self.rows)
        return WITHIN if worst == EQUAL and stages else worst

    @property
    def sentence(self) -> str:
        """The verdict, and why it is not better."""
        if self.verdict == EQUAL:
            return "the run is equal bit by bit"
        odd = [row.name for row in self.rows if row.status != EQUAL]
        reasons = list(dict.fromkeys(row.why for row in self.rows if row.why))
        why = f": {some(reasons)}" if reasons else ""
        return f"the run is {self.verdict} ({some(odd)} not equal bit by bit){why}"

    def to_data(self) -> dict[str, Any]:
        """The document `zoo.replay/1`."""
        told = {"verdict": self.verdict, "sentence": self.sentence}
        return {"schema": SCHEMA, **Record.to_data(self), **told}

    def lines(self) -> list[str]:
        """For a terminal: what changed first, then the rest."""
        rows = sorted(self.rows, key=lambda row: row.kind != "input" or row.status == EQUAL)
        table = [(row.name, row.status, row.then, row.now, row.why) for row in rows]
        lines = columns(("", "", "then", "now", ""), table)
        for what, changed in (("version", self.versions), ("machine", self.environment)):
            if changed:
                told = [(row.name, row.then, row.now) for row in changed]
                lines += ["", *columns((what, "then", "now"), told)]
        return [*(line.rstrip() for line in lines), "", self.sentence]

    def check(self) -> None:
        """Raises AccuracyGateError where it is different, DataError where that is not known."""
        if self.verdict == DIFFERENT:
            step = "the rows above say what; `zoo compare` says what it does to the figures"
            raise AccuracyGateError("the replay is different", where=self.run, next=step)
        if self.verdict == UNKNOWN:
            what = "does not hold all that a replay is compared with"
            raise DataError(what, where=self.run, next="the rows above say what is missing")


def likeness(rebuild: Rebuild, folder: Path, outcome: Outcome, output: str | None) -> ReplayReport:
    """Compare the files of the run with those of the new one in `folder`."""
    old, new = rebuild.manifest, json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    rows = [
        *_inputs(rebuild),
        *_stages(old, new),
        _predictions(rebuild.folder, folder),
        *_metrics(rebuild.folder, outcome),
    ]
    versions = tuple(_changed(old["versions"], new["versions"]))
    machine = tuple(_changed(_machine(old), _machine(new)))
    return ReplayReport(str(rebuild.folder), tuple(rows), versions, machine, output)


def _inputs(rebuild: Rebuild) -> Iterator[LikenessRow]:
    for row in rebuild.changes:
        then, now, why = row.then[:12], row.now[:12], f"{row.name} changed"
        yield LikenessRow("input", row.name, DIFFERENT, then, now, why)
    changed = " ".join(row.name for row in rebuild.changes)
    for what in ("weights", "images or annotations", "protocol", "preprocessing"):
        if what not in changed:
            yield LikenessRow("input", what, EQUAL)


def _stages(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[LikenessRow]:
    """The results of each stage by their digests, and what differs in what they were made from."""
    before = {row["name"]: row for row in old["stages"]}
    for stage in new["stages"]:
        name, known = f"stage {stage['name']}", before.get(stage["name"])
        if _COMPARED.fullmatch(stage["name"]):
            continue
        if known is None:
            yield LikenessRow("stage", name, UNKNOWN, why=f"{name} is new")
            continue
        then, now = (
            {file: str(facts.get("sha256")) for file, facts in row["outputs"].items()}
            for row in (known, stage)
        )
        if then == now:
            yield LikenessRow("stage", name, EQUAL)
            continue
        odd = [row.name for row in _changed(then, now)]
        why = f"{stage['name']}: {some(odd)}; {_reason(known['parts'], stage['parts'])}"
        digests = [table.get(odd[0], "")[:12] for table in (then, now)]
        yield LikenessRow("stage", name, DIFFERENT, digests[0], digests[1], why)


def _reason(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What a stage was made from and is not equal, in words."""
    versions = _changed(old.get("versions") or {}, new.get("versions") or {})
    words = [f"{row.name} {row.then} then, {row.now} now" for row in versions]
    if old.get("source") != new.get("source"):
        words.append("its code has changed")
    params = _changed(old.get("params") or {}, new.get("params") or {})
    words += [f"parameter {row.name}" for row in params]
    if old.get("inputs") != new.get("inputs"):
        words.append("what it reads has changed")
    return some(words) if words else "nothing that it was made from: it does not repeat itself"


def _predictions(old: Path, new: Path) -> LikenessRow:
    """The prediction files: their bytes, else the boxes of each image, else their numbers."""
    kind = "predictions"
    found = (path for path in new.rglob("*") if path.is_file() and path.name not in _OTHER)
    names = sorted(path.relative_to(new).as_posix() for path in found)
    known = OwnedFiles.load(old).of_kind(RESULTS)
    lost = [name for name in names if not (old / name).is_file()]
    if lost := lost or sorted(name for name in known if name not in {*names, *_OTHER}):
        return LikenessRow(kind, kind, UNKNOWN, why=f"{some(lost)} not in both")
    odd = [name for name in names if file_digest(old / name) != file_digest(new / name)]
    if not odd:
        return LikenessRow(kind, kind, EQUAL, *[f"{len(names)} files"] * 2)
    boxes = [_boxes(folder / _BOXES) if _BOXES in odd else None for folder in (old, new)]
    if boxes[0] is not None and boxes[1] is not None:
        return _matched(boxes[0], boxes[1])
    far = max(_numbers_apart(old / name, new / name) for name in odd)
    why = f"{len(odd)} of {len(names)} files differ ({some(odd)})"
    return LikenessRow(kind, kind, WITHIN if far <= SCORE else DIFFERENT, why=why)


def _matched(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> LikenessRow:
    """The boxes of all images, matched image by image."""
    empty = _arrays([])
    images = dict.fromkeys((*old, *new))
    found = [agreement(old.get(image, empty), new.get(image, empty)) for image in images]
    before, after, matched = (
        sum(getattr(one, key) or 0 for one in found) for key in ("before", "after", "matched")
    )
    pixels, score = max(one.pixels for one in found), max(one.score for one in found)
    bad = [image for image, one in zip(images, found, strict=True) if one.status == DIFFERENT]
    why = f"predictions: {matched} matched, boxes within {pixels:.2g} px, scores within {score:.2g}"
    if bad:
        why += f"; {len(bad)} of {len(images)} images differ ({some(bad)})"
    status, counts = DIFFERENT if bad else WITHIN, (f"{before} boxes", f"{after} boxes")
    return LikenessRow("predictions", "predictions", status, *counts, why)


def _boxes(path: Path) -> dict[Any, dict[str, Any]] | None:
    """Boxes by image id of a file of COCO's results; None for another one."""
    by_image: dict[Any, list[Any]] = {}
    try:
        for row in json.loads(read_limited(path)):
            by_image.setdefault(row["image_id"], []).append(row)
        return {image: _arrays(own) for image, own in by_image.items()}
    except (DataError, ValueError, TypeError, LookupError):
        return None


def _arrays(rows: list[Any]) -> dict[str, Any]:
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = np.array([row["score"] for row in rows], np.float64)
    labels = np.array([row["category_id"] for row in rows], np.int64)
    return {"boxes": boxes, "scores": scores, "labels": labels}


def _numbers_apart(old: Path, new: Path) -> float:
    """The largest difference of two texts' decimal numbers; infinite where the rest differs."""
    texts = [read_limited(path) for path in (old, new)]
    if _NUMBER.sub(b"", texts[0]) != _NUMBER.sub(b"", texts[1]):
        return float("inf")
    then, now = (np.array(_NUMBER.findall(text), np.float64) for text in texts)
    return float(np.abs(then - now).max(initial=0))


def _metrics(old: Path, outcome: Outcome) -> Iterator[LikenessRow]:
    now = (outcome.read("metrics.json") or {}).get("values") or {}
    report = load(old) if (old / REPORT).is_file() else None
    then = dict((isinstance(report, RunReport) and report.metrics) or {})
    if not then and not now and report is not None:
        return
    if not then or then.keys() != now.keys():
        why = "the metrics of the run and of the replay are not the same ones"
        yield LikenessRow("metrics", "metrics", UNKNOWN, why=why)
        return
    apart = {name: _apart(then[name], now[name]) for name in now}
    worst, first = max(apart, key=lambda name: apart[name]), next(iter(now))
    status = EQUAL if not apart[worst] else WITHIN if apart[worst] <= METRIC else DIFFERENT
    why = f"{worst} differs by {apart[worst]:.4f}" if apart[worst] else ""
    told = [f"{first} {'-' if v is None else f'{v:.4f}'}" for v in (then[first], now[first])]
    yield LikenessRow("metrics", "metrics", status, told[0], told[1], why)


def _apart(then: float | None, now: float | None) -> float:
    if then is None or now is None:
        return 0.0 if then is now else float("inf")
    return abs(then - now)


def _machine(document: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the machine that last, and variables of zoo."""
    facts, volatile = document.get("environment") or {}, set(momentary())
    lasting = {name: value for name, value in facts.items() if name not in volatile}
    return {**lasting, **(document.get("variables") or {})}


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            yield Change(name, *(str(table.get(name, "absent")) for table in (then, now)))
