"""The stage that runs a shard of images through an artefact and keeps the candidates."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.formats.records import write_records
from zoo_core.nouns import DataView, Graph, Target
from zoo_core.pipeline import overlap
from zoo_core.vision import Preprocess, read_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.nouns import Arrays, Decode, Sample, Session, StageContext
    from zoo_core.vision import Geometry

RECORDS = "candidates.npz"

Prepared = tuple["Sample", str, "NDArray[Any]", "Geometry"]


def shard(context: StageContext) -> None:
    """Reads, preprocesses, runs and decodes samples [start, stop); writes candidates.npz.

    Candidates are those above the floor, before any protocol. Each head holds the sample's id,
    name, size as read (height, width) and the sha256 of the image's bytes.
    """
    params = context.params
    dataset = context.plugins.dataset(params["dataset"])
    view = DataView(paths=context.paths(), params=params["data"])
    target = Target(**params["target"])
    runtime = context.plugins.runtime(params["runtime"])
    session = context.sessions.session(runtime, context.inputs["artefact"].parent, target)
    decoder = context.plugins.decoder(params["decoder"])
    known = {**params["decoder_params"], **_told_by_graph(context.inputs["graph"])}
    decode = decoder.bind(known, params["classes"], params["floor"])
    prepare = _prepare(Preprocess.from_data(params["preprocess"], where="preprocess"))
    samples = dataset.samples(view, params["start"], params["stop"])
    heads: list[dict[str, Any]] = []
    rows: list[Arrays] = []
    total = params["stop"] - params["start"]
    for head, arrays in candidates(samples, prepare, session, decode, target.batch):
        heads.append(head)
        rows.append(arrays)
        context.progress(len(rows), total, "images")
    write_records(context.out / RECORDS, heads, rows)


def candidates(
    samples: Iterator[Sample],
    prepare: Callable[[Sample], Prepared],
    session: Session,
    decode: Decode,
    batch: int,
) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """Heads and candidates in the samples' order; the steps overlap, bounded in memory."""
    name = session.inputs[0].name

    def run(group: list[Prepared]) -> tuple[list[Prepared], Arrays]:
        tensors = [item[2] for item in group]
        tensors += [tensors[-1]] * (batch - len(group))
        return group, session.run({name: np.stack(tensors)})

    def finish(result: tuple[list[Prepared], Arrays]) -> list[tuple[dict[str, Any], Arrays]]:
        group, outputs = result
        return [
            (_head(item), decode({key: value[row] for key, value in outputs.items()}, item[3]))
            for row, item in enumerate(group)
        ]

    for finished in overlap(samples, prepare, run, finish, batch):
        yield from finished


def _told_by_graph(path: Path) -> dict[str, Any]:
    """Decoder parameters that only the exporter can know, such as the heads of a .cfg."""
    graph = Graph.from_data(json.loads(path.read_text(encoding="utf-8")))
    told: dict[str, Any] = graph.facts.get("decoder", {})
    return told


def _prepare(steps: Preprocess) -> Callable[[Sample], Prepared]:
    def prepare(sample: Sample) -> Prepared:
        sha256 = hashlib.sha256(sample.path.read_bytes()).hexdigest()
        image = read_rgb(sample.path, expect=sample.size, exif=steps.exif)
        tensor, geometry = steps.prepare(image)
        return sample, sha256, tensor, geometry

    return prepare


def _head(item: Prepared) -> dict[str, Any]:
    sample, sha256, _, geometry = item
    return {
        "id": sample.id,
        "name": sample.name,
        "path": str(sample.path),
        "size": list(geometry.source),
        "sha256": sha256,
    }
