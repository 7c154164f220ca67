"""The stage that runs a shard of images through an artefact and keeps the candidates."""

from __future__ import annotations

import json
from contextlib import nullcontext
from itertools import islice
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from zoo_core.api import DataView, Graph, Target
from zoo_core.errors import SampleError, ZooError
from zoo_core.pipeline.records import read_records, write_records
from zoo_core.pipeline.stages.inputs import PreparedInput, preparer, stacked
from zoo_core.pipeline.workers import in_order
from zoo_core.vision import Preprocess
from zoo_core.vision.image import opencv_in_one_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from zoo_core.api import Arrays, Decode, Providers, Sample, Session, StageContext

RECORDS = "candidates.npz"

_LEAST_CHAINS = 2
"""Where a session runs one batch at a time, another is prepared or decoded beside it."""

_MOST_FAILURES = 20
"""After so many samples that fail the rest is not tried."""

Record = tuple[dict[str, Any], "Arrays"]


def shard(context: StageContext) -> None:
    """Reads, preprocesses, runs and decodes samples [start, stop); writes candidates.npz.

    Candidates are those above the floor, before any protocol. Each head holds the sample's id,
    name, size as read (height, width) and the sha256 of the image's bytes. Raises SampleError that
    names the samples that failed, after all others have been run; those are kept for the next time.
    """
    params = context.params
    done = _Done(context)
    wanted = [sample for sample in _samples(context) if sample.id not in done.records]
    target = Target(**params["target"])
    runtime = context.plugins.runtime(params["runtime"])
    try:
        if wanted:
            session = context.sessions.session(runtime, context.inputs["artefact"].parent, target)
            steps = Preprocess.from_data(params["preprocess"], where="preprocess")
            decode = bound_decoder(params, context.inputs.get("graph"), context.plugins)
            chain = SampleRunner(session, steps, decode, target.batch)
            for sample, found in chain.run(wanted):
                done.add(sample, found)
    except BaseException:
        done.keep()
        raise
    done.write()


class SampleRunner:
    """From a sample to its candidates: read, preprocess, run, decode."""

    def __init__(self, session: Session, steps: Preprocess, decode: Decode, batch: int) -> None:
        """`batch` counts for sessions that take tensors; of all else one goes at a time."""
        self._session = session
        self._prepare = preparer(session.input_kind, steps)
        self._decode = decode
        self._batch = batch if session.input_kind == "tensor" else 1
        self._chains = max(session.workers, _LEAST_CHAINS)
        alone = session.workers < self._chains
        self._turn = Semaphore(session.workers) if alone else nullcontext()

    def run(self, samples: Iterable[Sample]) -> Iterator[tuple[Sample, Record | ZooError]]:
        """Each sample with its record, or with what kept it from being run, in order."""
        groups = _groups(iter(samples), self._batch)
        with opencv_in_one_thread():
            for rows in in_order(groups, self._group, self._chains):
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
        return [
            (item.head(), self._decode({k: v[row] for k, v in outputs.items()}, item.geometry))
            for row, item in enumerate(ready)
        ]


class _Done:
    """Records by sample id, those of an earlier attempt among them, and what failed."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        kept = context.resume_dir / RECORDS
        self.records: dict[Any, Record] = {}
        if kept.exists():
            self.records = {head["id"]: (head, arrays) for head, arrays in read_records(kept)}
        self._failed: list[tuple[Sample, ZooError]] = []

    def add(self, sample: Sample, found: Record | ZooError) -> None:
        if isinstance(found, ZooError):
            self._failed.append((sample, found))
            if len(self._failed) >= _MOST_FAILURES:
                raise self._error()
            return
        self.records[sample.id] = found
        params = self._context.params
        self._context.progress(len(self.records), params["stop"] - params["start"], "images")

    def keep(self) -> None:
        if self.records:
            self._context.resume_dir.mkdir(parents=True, exist_ok=True)
            self._write(self._context.resume_dir / RECORDS, list(self.records.values()))

    def write(self) -> None:
        if self._failed:
            self.keep()
            raise self._error()
        rows = [self.records[sample.id] for sample in _samples(self._context)]
        self._write(self._context.out / RECORDS, rows)

    def _write(self, path: Path, rows: list[Record]) -> None:
        write_records(path, [head for head, _ in rows], [arrays for _, arrays in rows])

    def _error(self) -> ZooError:
        sample, first = self._failed[0]
        others = ", ".join(other.name for other, _ in self._failed[1:4])
        more = f"; {len(self._failed) - 1} more failed: {others} ..." if others else ""
        kept = f"{len(self.records)} other images are kept for the next run"
        step = f"{first.next}; {kept}" if first.next else kept
        return SampleError(f"{first.what}{more}", where=f"image {sample.name}", next=step)


def _samples(context: StageContext) -> Iterator[Sample]:
    params = context.params
    dataset = context.plugins.dataset(params["dataset"])
    view = DataView(paths=context.paths(), params=params["data"])
    return dataset.samples(view, params["start"], params["stop"])


def bound_decoder(params: Mapping[str, Any], graph: Path | None, plugins: Providers) -> Decode:
    """The decoder that a shard's parameters name, for the heads of one image.

    What only the exporter can know, such as the heads of a .cfg, goes first; it is in graph.json.
    """
    told = _facts(graph) if graph and params["decoder_from_graph"] else {}
    decoder = plugins.decoder(params["decoder"])
    return decoder.bind({**params["decoder_params"], **told}, params["classes"], params["floor"])


def _facts(path: Path) -> dict[str, Any]:
    graph = Graph.from_data(json.loads(path.read_text(encoding="utf-8")))
    told: dict[str, Any] = graph.facts.get("decoder", {})
    return told


def _groups(samples: Iterator[Sample], size: int) -> Iterator[list[Sample]]:
    while group := list(islice(samples, size)):
        yield group
