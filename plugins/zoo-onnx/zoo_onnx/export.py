"""The stage that takes an ONNX file: checked against the card and made what compilers expect."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from zoo_core.api import Graph
from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import write_graph
from zoo_core.toolkit.onnx_file import domains, facts, save
from zoo_onnx.file import check, load, parts
from zoo_onnx.image import spec
from zoo_onnx.shapes import infer, settle
from zoo_onnx.stated import Stated
from zoo_onnx.take import take

if TYPE_CHECKING:
    from zoo_core.api import StageContext

MODEL_FILE = "model.onnx"


def export(context: StageContext) -> None:
    """Leaves model.onnx, which computes what the given file does, and graph.json.

    Its only input is the image, float32 [batch, 3, height, width]. No tensor that goes in or comes
    out is renamed, all values are in the one file. Raises `DataError` where the file is not what
    the card says.
    """
    given, target = context.inputs["weights"], context.out / MODEL_FILE
    stated = Stated(**context.params["stated"])
    others = parts(given)
    taken = take(load(given), stated, context.params["size"], given.name)
    if others:
        taken.done.insert(0, f"the values of {', '.join(others)} written into the file")
    if taken.done:
        save(taken.model, target)
    else:
        shutil.copyfile(given, target)
    lacking = infer(taken.model)
    try:
        settled = settle(taken.model, target)
    except DataError as error:
        check(target, given.name)
        raise DataError(error.what, where=given.name, next=error.next) from error
    if lacking or settled.changed:
        save(taken.model, target)
    if settled.in_name_only:
        taken.done.append("the batch made 1")
        taken.warnings.append(
            f"{given.name}: its batch is dynamic in name only, it runs one image at a time; "
            "the batch is 1"
        )
    image, outputs = taken.model.graph.input[0], taken.model.graph.output
    graph = Graph(
        format="onnx",
        path=MODEL_FILE,
        inputs=(spec(image, settled.batch),),
        outputs=tuple(spec(value, settled.batch) for value in outputs),
        form=stated.form,
        facts={
            **facts(taken.model),
            "size_made_fixed": taken.frozen,
            "domains": domains(taken.model),
            "changes": taken.done,
            "pixels": {"kind": taken.image.kind, "channels_last": taken.image.last},
            "constants": taken.constants,
        },
        warnings=tuple(taken.warnings),
    )
    write_graph(context.out, graph)
