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
from zoo_onnx.take import check_pixels, look, take

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import StageContext
    from zoo_onnx.shapes import Settled
    from zoo_onnx.take import Taken

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
    params, model = context.params, load(given)
    check_pixels(look(model, stated, given.name)[0], params["preprocess"], given.name)
    taken = take(model, stated, params["size"], params["channels"], given.name)
    if others:
        taken.done.insert(0, f"the values of {', '.join(others)} written into the file")
    settled = _written(taken, given, target)
    write_graph(context.out, _described(taken, settled, stated.form))


def _written(taken: Taken, given: Path, target: Path) -> Settled:
    """Write the graph, a copy where nothing changed, with the batch it runs and all shapes."""
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
    return settled


def _described(taken: Taken, settled: Settled, form: str) -> Graph:
    return Graph(
        format="onnx",
        path=MODEL_FILE,
        inputs=(spec(taken.model.graph.input[0], settled.batch),),
        outputs=tuple(spec(value, settled.batch) for value in taken.model.graph.output),
        form=form,
        facts={
            **facts(taken.model),
            "size_made_fixed": taken.frozen,
            "domains": domains(taken.model),
            "changes": taken.done,
            "pixels": {"kind": taken.image.kind, "channels_last": taken.image.last},
            "constants": taken.constants,
            "float16": taken.half,
        },
        warnings=tuple(taken.warnings),
    )
