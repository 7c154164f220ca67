"""The stage that runs an artefact on a shard of images and stores the candidates."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from itertools import islice
from threading import Semaphore
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import DataView, Graph, Target
from zoo_core.errors import DataError, SampleError, UsageError, ZooError
from zoo_core.pipeline.records import NOT_NUMBERS, read_records, write_records
from zoo_core.pipeline.stages.inputs import PreparedInput, preparer, stacked
from zoo_core.pipeline.workers import in_order
from zoo_core.vision import Preprocess
from zoo_core.vision.image import opencv_in_one_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from zoo_core.api import Arrays, Decode, Providers, Sample, Session, StageContext

RECORDS = "candidates.npz"

_MIN_THREADS = 2
"""While a session runs one batch, another thread can prepare or decode the next."""

_MAX_FAILURES = 20
"""After this many failed samples the stage stops."""

Record = tuple[dict[str, Any], "Arrays"]


def shard(context: StageContext) -> None:
    """Read, preprocess, run and decode samples [start, stop); write candidates.npz.

    Candidates are those above the floor, before any protocol. Each head holds the sample's id,
    name, size as read (height, width) and the sha256 of the image's bytes; `not_numbers` is true
    if the network's outputs hold NaN. After all other samples
    have run, raises a SampleError that names the failed ones; the others are kept for the next run.
    """
    params = context.params
    progress = _ShardRecords(context)
    missing = [sample for sample in _samples(context) if sample.id not in progress.records]
    target = Target(**params["target"])
    runtime = context.plugins.runtime(params["runtime"])
    try:
        if missing:
            session = context.sessions.session(runtime, context.inputs["artefact"].parent, target)
            _check_batch(session, target.batch)
            steps = Preprocess.from_data(params["preprocess"], where="preprocess")
            decode = bound_decoder(params, context.inputs.get("graph"), context.plugins)
            runner = SampleRunner(session, steps, decode, target.batch)
            for sample, outcome in runner.run(missing):
                progress.add(sample, outcome)
    except BaseException:
        progress.keep()
        raise
    progress.write()


def _check_batch(session: Session, batch: int) -> None:
    """Raises UsageError where the network takes another number of images at once."""
    fixed = session.inputs[0].shape[0] if session.input_kind == "tensor" else batch
    if isinstance(fixed, int) and fixed != batch:
        raise UsageError(
            f"the network takes batches of {fixed} only, asked for {batch}",
            next=f"use --batch {fixed}, or export the network with a dynamic batch",
        )


class SampleRunner:
    """From a sample to its candidates: read, preprocess, run, decode."""

    def __init__(self, session: Session, steps: Preprocess, decode: Decode, batch: int) -> None:
        """`batch` applies to sessions that take tensors; others run one sample at a time."""
        self._session = session
        self._prepare = preparer(session.input_kind, steps)
        self._decode = decode
        self._batch = batch if session.input_kind == "tensor" else 1
        self._threads = max(session.workers, _MIN_THREADS)
        limited = session.workers < self._threads
        self._turn = Semaphore(session.workers) if limited else nullcontext()

    def run(self, samples: Iterable[Sample]) -> Iterator[tuple[Sample, Record | ZooError]]:
        """Each sample with its record, or with the error that it failed with, in order."""
        groups = _groups(iter(samples), self._batch)
        with opencv_in_one_thread():
            for rows in in_order(groups, self._group, self._threads):
                yield from rows

    def _group(self, group: list[Sample]) -> list[tuple[Sample, Record | ZooError]]:
        try:
            ready = [self._prepare(sample) for sample in group]
            return list(zip(group, self._records(ready), strict=True))
        except SampleError as error:
            if len(group) == 1:
                return [(group[0], error)]
        return [row for sample in group for row in self._group([sample])]

    def _records(self, ready: list[PreparedInput]) -> list[Record]:
        feeds = {self._session.inputs[0].name: stacked([item.feed for item in ready], self._batch)}
        with self._turn:
            outputs = self._session.run(feeds)
        rows = [{name: array[row] for name, array in outputs.items()} for row in range(len(ready))]
        return [
            (item.head() | _not_numbers(row), self._decode(row, item.geometry))
            for item, row in zip(ready, rows, strict=True)
        ]


def _not_numbers(outputs: Arrays) -> dict[str, bool]:
    """The mark of a sample whose outputs hold NaN: no threshold lets one through."""
    with np.errstate(invalid="ignore"):
        # The minimum of an array with a NaN is NaN, and takes one pass.
        found = any(array.size and np.isnan(array.min()) for array in outputs.values())
    return {NOT_NUMBERS: True} if found else {}


class _ShardRecords:
    """Records of a shard by sample id, including those of an earlier attempt, and failures."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        path = context.resume_dir / RECORDS
        self.records: dict[Any, Record] = {}
        if path.exists():
            with suppress(DataError, LookupError, TypeError):  # its process was killed meanwhile
                self.records = {head["id"]: (head, arrays) for head, arrays in read_records(path)}
        self._failures: list[tuple[Sample, ZooError]] = []

    def add(self, sample: Sample, outcome: Record | ZooError) -> None:
        if isinstance(outcome, ZooError):
            self._failures.append((sample, outcome))
            if len(self._failures) >= _MAX_FAILURES:
                raise self._error()
            return
        self.records[sample.id] = outcome
        params = self._context.params
        self._context.progress(len(self.records), params["stop"] - params["start"], "images")

    def keep(self) -> None:
        if self.records:
            self._context.resume_dir.mkdir(parents=True, exist_ok=True)
            self._write(self._context.resume_dir / RECORDS, list(self.records.values()))

    def write(self) -> None:
        if self._failures:
            self.keep()
            raise self._error()
        rows = [self.records[sample.id] for sample in _samples(self._context)]
        self._write(self._context.out / RECORDS, rows)

    def _write(self, path: Path, rows: list[Record]) -> None:
        write_records(path, [head for head, _ in rows], [arrays for _, arrays in rows])

    def _error(self) -> ZooError:
        sample, first = self._failures[0]
        others = ", ".join(other.name for other, _ in self._failures[1:4])
        more = f"; {len(self._failures) - 1} more failed: {others} ..." if others else ""
        note = f"{len(self.records)} other images are kept for the next run"
        step = f"{first.next}; {note}" if first.next else note
        return SampleError(f"{first.what}{more}", where=f"image {sample.name}", next=step)


def _samples(context: StageContext) -> Iterator[Sample]:
    params = context.params
    dataset = context.plugins.dataset(params["dataset"])
    view = DataView(paths=context.paths(), params=params["data"])
    return dataset.samples(view, params["start"], params["stop"])


def bound_decoder(params: Mapping[str, Any], graph: Path | None, plugins: Providers) -> Decode:
    """The decode function of a shard's parameters, for the outputs of one image.

    Parameters that only the exporter knows, such as the heads of a .cfg, are read from graph.json
    and override the card's.
    """
    decoder = plugins.decoder(params["decoder"])
    return decoder.bind(decoder_params(params, graph), params["classes"], params["floor"])


def decoder_params(params: Mapping[str, Any], path: Path | None) -> dict[str, Any]:
    """The card's parameters, and over them those of graph.json, for a shard's parameters."""
    own: Mapping[str, Any] = {}
    if path and params["decoder_from_graph"]:
        graph = Graph.from_data(json.loads(path.read_text(encoding="utf-8")))
        own = graph.facts.get("decoder", {})
    return {**params["decoder_params"], **own}


def _groups(samples: Iterator[Sample], size: int) -> Iterator[list[Sample]]:
    while group := list(islice(samples, size)):
        yield group
