"""The stage `layers`: how far each tensor of the int8 network is from the float one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from onnx import ModelProto, NodeProto

from zoo_core.api.calibration import tensors
from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import PRECISION_FILE, read_graph
from zoo_core.toolkit.layers.rows import Layer, module_of, write_layers
from zoo_core.toolkit.layers.sums import Sums
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.onnx_file import load, mapped
from zoo_onnxruntime.beside import merge
from zoo_onnxruntime.files import MODEL_FILE
from zoo_onnxruntime.graph import producers
from zoo_onnxruntime.precision import integer_nodes
from zoo_onnxruntime.streamed import Streamed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext
    from zoo_onnxruntime.beside import Measured

_REFERENCE = "the rewritten float graph on ONNX Runtime"


def build(ctx: StageContext) -> None:
    """Leave layers.json of the first calibration images; see `ComparesLayers`.

    Raises DataError where there is no image.
    """
    graph, exported = (read_graph(ctx.inputs[name]) for name in ("graph", "exported"))
    source, compiled = ctx.inputs["graph"].parent / graph.path, ctx.inputs["artefact"].parent
    wanted, count = ctx.params["images"], 0
    with ThreadPoolExecutor(cpu_threads()) as pool:
        comparison = _Comparison(source, compiled / MODEL_FILE, pool)
        batches = tensors(ctx.inputs["images"], ctx.params["preprocess"], graph.batch)
        for batch in islice(batches, -(-wanted // graph.batch)):
            comparison.add(batch)
            count += len(batch)
            ctx.progress(min(count, wanted), wanted, "images")
    if not count:
        step = "give a folder with images by --calibration DIR"
        raise DataError("there is no calibration image", where=str(ctx.inputs["images"]), next=step)
    original = producers(_light(ctx.inputs["exported"].parent / exported.path).graph)
    made = producers(_light(source).graph)
    precisions = _precisions(compiled, ctx.out)
    rows = [
        _row(name, _maker(name, made, comparison.sums), original.get(name), precisions, sums)
        for name, sums in comparison.sums.items()
    ]
    write_layers(ctx.out, min(count, wanted), _REFERENCE, rows)


class _Comparison:
    """The two networks beside each other, and what was summed of each tensor."""

    def __init__(self, source: Path, compiled: Path, pool: ThreadPoolExecutor) -> None:
        self._files = source, compiled
        self._beside = merge(*map(_light, self._files))
        self._pool = pool
        self.sums = {name: (Sums(), Sums() if b.own else None) for name, b in self._beside.items()}
        names = [name for pair in self._beside.items() for name in _names(*pair)]
        wanted = list(dict.fromkeys(names))
        self._network = Streamed(self._merged, wanted, cpu_threads(), str(compiled))

    def add(self, image: NDArray[Any]) -> None:
        held: dict[str, NDArray[Any]] = {}
        waiting = dict(self._beside)
        for made in self._network.run(image):
            held.update(made)
            whole = [n for n, beside in waiting.items() if held.keys() >= set(_names(n, beside))]
            ready = {name: waiting.pop(name) for name in whole}
            take = partial(self._take, held=held)
            list(self._pool.map(take, ready.keys(), ready.values()))
            for name, beside in ready.items():
                for each in _names(name, beside):
                    held.pop(each, None)

    def _merged(self) -> ModelProto:
        model, quantised = map(load, self._files)
        merge(model, quantised)
        return model

    def _take(self, name: str, beside: Measured, held: Mapping[str, NDArray[Any]]) -> None:
        whole, own = self.sums[name]
        whole.add(held[name], held[beside.whole], beside.affine)
        if own is not None and beside.own is not None:
            own.add(held[name], held[beside.own], beside.affine)


def _light(path: Path) -> ModelProto:
    """The model in a file without its large constants."""
    model = ModelProto()
    model.ParseFromString(mapped(path).model)
    return model


def _maker(
    tensor: str, made: Mapping[str, NodeProto], compared: Collection[str]
) -> NodeProto | None:
    """The node that makes a tensor; the convolution before, where that is quantised after it."""
    node = made.get(tensor)
    above = made.get(node.input[0]) if node is not None and node.input else None
    if above is None or above.op_type != "Conv" or above.output[0] in compared:
        return node
    return above


def _names(name: str, beside: Measured) -> Iterator[str]:
    yield from filter(None, (name, beside.whole, beside.own))


def _precisions(compiled: Path, scratch: Path) -> dict[str, str]:
    """What the nodes of the artefact compute in, by name; the others compute in float."""
    report = json.loads((compiled / PRECISION_FILE).read_text(encoding="utf-8"))
    fused = dict.fromkeys(integer_nodes(compiled / MODEL_FILE, scratch), "int8")
    return {**fused, **{row["name"]: row["precision"] for row in report["nodes"]}}


def _row(
    tensor: str,
    node: NodeProto | None,
    original: NodeProto | None,
    precisions: Mapping[str, str],
    sums: tuple[Sums, Sums | None],
) -> Layer:
    """`original` makes the tensor in the graph as exported, which has the exporter's names."""
    name = node.name if node is not None else ""
    source = original if original is not None else node
    return Layer(
        tensor=tensor,
        node=name,
        operator=node.op_type if node is not None else "",
        module=module_of(source) if source is not None else None,
        precision=precisions.get(name, "float32"),
        whole=sums[0],
        own=sums[1],
    )
