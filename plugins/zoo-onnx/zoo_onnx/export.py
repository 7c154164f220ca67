"""The stage that takes an ONNX file: checked against the card and made what compilers expect."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from zoo_core.api import Graph
from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import write_graph
from zoo_core.toolkit.onnx_file import domains, facts, save
from zoo_onnx import chosen
from zoo_onnx.file import check, load, parts
from zoo_onnx.image import spec
from zoo_onnx.shapes import infer, try_batch
from zoo_onnx.stated import Stated
from zoo_onnx.take import check_pixels, look, take

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import StageContext
    from zoo_onnx.shapes import BatchTrial
    from zoo_onnx.take import Intake

MODEL_FILE = "model.onnx"
_RANKING = ("TopK", "NonMaxSuppression")


def export(context: StageContext) -> None:
    """Leaves model.onnx, which computes what the given file does, and graph.json.

    Its only input is the image, float32 [batch, 3, height, width]. No tensor that goes in or comes
    out is renamed, all values are in the one file. Raises `DataError` where the file is not what
    the card says.
    """
    source, target = context.inputs["weights"], context.out / MODEL_FILE
    stated = Stated(**context.params["stated"])
    others = parts(source)
    params, model = context.params, load(source)
    check_pixels(look(model, stated, source.name)[0], params["preprocess"], source.name)
    intake = take(model, stated, params["size"], params["channels"], source.name)
    intake.warnings += chosen.warnings(intake.model, source.name)
    if others:
        intake.done.insert(0, f"the values of {', '.join(others)} written into the file")
    trial = _written(intake, source, target)
    write_graph(context.out, _described(intake, trial, stated.form))


def _written(intake: Intake, source: Path, target: Path) -> BatchTrial:
    """Write the graph, a copy where nothing changed, with the batch it runs and all shapes."""
    if intake.done:
        save(intake.model, target)
    else:
        shutil.copyfile(source, target)
    lacking = infer(intake.model)
    try:
        trial = try_batch(intake.model, target)
    except DataError as error:
        check(target, source.name)
        raise DataError(error.what, where=source.name, next=error.next) from error
    if lacking or trial.changed:
        save(intake.model, target)
    if trial.in_name_only:
        intake.done.append("the batch made 1")
        intake.warnings.append(
            f"{source.name}: its batch is dynamic in name only, it runs one image at a time; "
            "the batch is 1"
        )
    return trial


def _described(intake: Intake, trial: BatchTrial, form: str) -> Graph:
    return Graph(
        format="onnx",
        path=MODEL_FILE,
        inputs=(spec(intake.model.graph.input[0], trial.batch),),
        outputs=tuple(spec(value, trial.batch) for value in intake.model.graph.output),
        form=form,
        facts={
            **facts(intake.model),
            "size_made_fixed": intake.frozen,
            "domains": domains(intake.model),
            "changes": intake.done,
            "pixels": {"kind": intake.image.kind, "channels_last": intake.image.last},
            "constants": intake.constants,
            "float16": intake.half,
            "ranks": any(node.op_type in _RANKING for node in intake.model.graph.node),
        },
        warnings=tuple(intake.warnings),
    )
