"""The stage that takes outputs in which vamp made elsewhere."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import TensorSpec
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.artefact import ARTEFACT_FILE, PRECISION_FILE, read_graph
from zoo_core.toolkit.files import write_json
from zoo_vastai.decoder import OUTPUTS
from zoo_vastai.files.datalist import read_datalist
from zoo_vastai.files.outputs import HEADS, NMS, form_of, npz_outputs, output_name
from zoo_vastai.files.store import FOLDER, FORMAT, write_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

INPUT = "name"

_ORIGIN = (
    "another program stored these outputs: which network and device computed them, or whether an "
    "emulator did, is not known here"
)
_LEAST_STRIDE = 8
_OTHER_MODEL = "run vamp on the model that was compiled, of the same --size"
_CHANGE = {NMS: "--option nms=device", HEADS: "--option nms=host"}


def adopt(ctx: StageContext) -> None:
    """Checks vamp's outputs and stores them; writes artefact.json, precision.json and outputs.

    Locations: `outputs` is the folder that vamp wrote, `datalist` the list it read. Params:
    `precision` as it was asked for; `form`, nms or heads, as the plan expects it, and `nms`, the
    thresholds that were built in, or None; perhaps `size` of the network's input (height, width)
    and `heads`, names of the outputs in their order. Perhaps an input `graph` (graph.json), whose
    outputs the heads must be. Without both they are head8, head16 ... by their strides.
    Raises `DataError` for files that are missing, stale or do not fit, `UsageError` where they are
    of the other form.
    """
    outputs = Path(ctx.locations["outputs"])
    datalist = read_datalist(Path(ctx.locations["datalist"]))

    rows = npz_outputs(outputs, datalist)
    first = next(rows)
    where = str(outputs / output_name(0))
    form = _form(first, where, ctx.params)
    names = list(OUTPUTS) if form == NMS else _head_names(first, where, _known(ctx))
    specs = [
        TensorSpec(name=name, shape=array.shape, dtype="float32")
        for name, array in zip(names, first, strict=True)
    ]
    write_outputs(ctx.out / FOLDER, datalist.lines, _counted(ctx, first, rows, len(datalist)))
    artefact = {
        "format": FORMAT,
        "precision": ctx.params["precision"],
        "form": form,
        "nms": ctx.params.get("nms"),
        "count": len(datalist),
        "inputs": [TensorSpec(name=INPUT, shape=(1,), dtype="str").to_data()],
        "outputs": [spec.to_data() for spec in specs],
    }
    precision = {
        "requested": ctx.params["precision"],
        "int8_nodes": None,
        "float_nodes": None,
        "float_node_names": [],
        "tool": "none: outputs that another program stored",
        "stored_dtype": sorted({str(array.dtype) for array in first}),
        "images": len(datalist),
        "warnings": [_ORIGIN, *ctx.params.get("notes", ())],
    }
    for name, data in ((ARTEFACT_FILE, artefact), (PRECISION_FILE, precision)):
        write_json(ctx.out / name, data)
    with ctx.log.open("a", encoding="utf-8") as log:
        log.write(f"{len(datalist)} outputs of the form {form} from {outputs}\n")


def _counted(
    ctx: StageContext,
    first: list[NDArray[Any]],
    others: Iterator[list[NDArray[Any]]],
    total: int,
) -> Iterator[list[NDArray[Any]]]:
    for number, arrays in enumerate(chain([first], others), start=1):
        yield arrays
        ctx.progress(number, total, "outputs")


def _form(arrays: list[NDArray[Any]], where: str, params: Mapping[str, Any]) -> str:
    form = form_of(arrays, where)
    expected = params.get("form", form)
    if form != expected:
        what = f"holds outputs of the form {form}, the plan expects {expected}"
        raise UsageError(what, where=where, next=f"choose {_CHANGE[form]}")
    return form


def _known(ctx: StageContext) -> Mapping[str, Any]:
    """The params, with the names and shapes of the graph's outputs where there is a graph."""
    if "graph" not in ctx.inputs:
        return ctx.params
    graph = read_graph(ctx.inputs["graph"])
    names = [spec.name for spec in graph.outputs]
    return {"heads": names, **ctx.params, "shapes": [spec.shape for spec in graph.outputs]}


def _head_names(arrays: list[NDArray[Any]], where: str, params: Mapping[str, Any]) -> list[str]:
    heads = params.get("heads")
    if heads:
        if len(heads) != len(arrays):
            what = f"holds {len(arrays)} outputs, not {len(heads)}: {', '.join(heads)}"
            raise DataError(what, where=where, next=_OTHER_MODEL)
        for name, array, shape in zip(heads, arrays, params.get("shapes", ()), strict=False):
            if not _fits(array.shape, shape):
                what = f"holds {list(array.shape)} for '{name}', the graph has {list(shape)}"
                raise DataError(what, where=where, next=_OTHER_MODEL)
        return list(heads)
    highest = max(array.shape[2] for array in arrays)
    height = (params.get("size") or (highest * _LEAST_STRIDE,))[0]
    strides = [height / array.shape[2] for array in arrays]
    if any(stride != int(stride) for stride in strides):
        sizes = ", ".join(f"{array.shape[3]} x {array.shape[2]}" for array in arrays)
        what = f"maps of {sizes} are not heads of an input {height} pixels high"
        raise DataError(what, where=where, next="give the size of the compiled model: --size H,W")
    if len(set(strides)) < len(strides):
        return [f"output_{number}" for number in range(len(arrays))]
    return [f"head{int(stride)}" for stride in strides]


def _fits(actual: tuple[int, ...], expected: Sequence[int | str]) -> bool:
    return len(actual) == len(expected) and all(
        isinstance(side, str) or side == have
        for have, side in zip(actual[1:], expected[1:], strict=True)
    )
