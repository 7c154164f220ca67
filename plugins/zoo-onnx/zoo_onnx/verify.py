"""The stage that compares the graph with the very file it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from zoo_core.errors import DataError
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.files import file_digest
from zoo_core.toolkit.verify import run_onnx, verify_graph
from zoo_onnx.file import check, outline
from zoo_onnx.image import dtype_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Graph, StageContext

    Feeds = Mapping[str, NDArray[Any]]

_LARGEST = 255
_HALF = 5e-3
"""Tolerance for a file in float16, which rounds each of its layers to 11 bits."""


def verify(context: StageContext) -> None:
    """Leaves `verify.json`: file and graph, both run by ONNX Runtime.

    The file is fed as its own tool would feed it: pixels of its type, in its order, and values for
    its other inputs. The graph also passes onnx.checker with strict shape inference. Raises
    `DataError` for a broken file or one that gives NaN only, and as `zoo_core.toolkit.verify` does.
    """
    source, model = context.inputs["weights"], context.inputs["model"]
    check(model, source.name)
    values = {value.name: value for value in outline(source).graph.input}

    def run(graph: Graph, feeds: Feeds) -> list[NDArray[Any]]:
        ((name, image),) = feeds.items()
        own = {name: _pixels(image, **graph.facts["pixels"])}
        for other, known in graph.facts["constants"].items():
            array = np.array(known["value"], dtype_of(values[other]))
            own[other] = np.repeat(array, len(image), axis=0) if known["per_image"] else array
        outputs = run_onnx(source, graph, own)[0]
        _demand_numbers(outputs, source.name)
        specs = zip(graph.outputs, outputs, strict=True)
        return [array.astype(spec.dtype, copy=False) for spec, array in specs]

    facts: dict[str, Any] = {
        "same_bytes": file_digest(source) == file_digest(model),
        "checker": f"onnx {onnx.__version__}, strict shape inference",
    }
    reference = f"{source.name} itself, run by ONNX Runtime {onnxruntime.__version__}"
    if read_graph(context.inputs["graph"]).facts["float16"]:
        facts["tolerance"] = _HALF
    verify_graph(context, reference, run, facts=facts)


def _demand_numbers(outputs: Sequence[NDArray[Any]], where: str) -> None:
    if any(array.dtype.kind == "f" and array.size and np.isnan(array).all() for array in outputs):
        raise DataError("gives NaN only", where=where, next="check its weights, and bring it again")


def _pixels(image: NDArray[Any], kind: int, channels_last: bool) -> NDArray[Any]:
    """Float32 [n, 3, h, w] in the type and order that the file takes."""
    if kind == TensorProto.UINT8:
        image = np.rint(np.clip(image, 0, _LARGEST))
    image = image.astype(helper.tensor_dtype_to_np_dtype(kind))
    return np.ascontiguousarray(image.transpose(0, 2, 3, 1)) if channels_last else image
