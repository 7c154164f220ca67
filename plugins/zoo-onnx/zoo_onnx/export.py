"""The stage that takes an ONNX file: checked against the card, its size made fixed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import onnx

from zoo_core.api import Graph
from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import write_graph
from zoo_core.toolkit.onnx_file import domains, facts
from zoo_onnx.file import dims, image_input, load, outputs, spec

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

    from zoo_core.api import StageContext

MODEL_FILE = "model.onnx"


def export(context: StageContext) -> None:
    """Leaves model.onnx, the given file or the same network at a fixed size, and graph.json.

    No tensor is renamed; the batch stays static or dynamic as it is. Raises `DataError` where the
    file is not what the card says.
    """
    given, params = context.inputs["weights"], context.params
    model = load(given)
    image = image_input(model, params["input"], given.name)
    results = outputs(model, params["outputs"], given.name)
    frozen = _freeze(model, image, params["size"], given.name)
    if _complete(model, given.name):
        onnx.save(model, str(context.out / MODEL_FILE))
    else:
        shutil.copyfile(given, context.out / MODEL_FILE)
    batch = dims(image)[0]
    graph = Graph(
        format="onnx",
        path=MODEL_FILE,
        inputs=(spec(image, batch),),
        outputs=tuple(spec(value, batch) for value in results),
        form=params["form"],
        facts={**facts(model), "size_made_fixed": frozen, "domains": domains(model)},
    )
    write_graph(context.out, graph)


def _freeze(model: ModelProto, image: ValueInfoProto, size: list[int], where: str) -> bool:
    """Give height and width of a file that leaves them open; raises `DataError` for others."""
    sides = dims(image)[2:]
    known = [side for side in sides if isinstance(side, int)]
    if any(side != asked for side, asked in zip(sides, size, strict=True) if side in known):
        told = "x".join(map(str, sides))
        raise DataError(
            f"takes images of {told}, asked for {size[0]}x{size[1]}",
            where=where,
            next=f"use --size {sides[0]},{sides[1]}, or a file of the wanted size",
        )
    if len(known) == 2:
        return False
    for dim, side in zip(image.type.tensor_type.shape.dim[2:], size, strict=True):
        dim.dim_value = side
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return True


def _complete(model: ModelProto, where: str) -> bool:
    """Write in the shapes of outputs that lack them; raises `DataError` where none is known."""
    if all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
        return False
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for value, known in zip(model.graph.output, inferred.graph.output, strict=True):
        if not known.type.tensor_type.HasField("shape"):
            step = "run onnx.shape_inference or onnxsim over it"
            raise DataError(f"output '{value.name}' has no shape", where=where, next=step)
        value.CopyFrom(known)
    return True
