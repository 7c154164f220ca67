"""The stage that compares the graph with the very file it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
import onnxruntime

from zoo_core.errors import DataError, first_line
from zoo_core.toolkit.files import file_digest
from zoo_core.toolkit.verify import run_onnx, verify_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Graph, StageContext


def verify(context: StageContext) -> None:
    """Leaves `verify.json`: file and graph, both run by ONNX Runtime.

    The graph also passes onnx.checker with strict shape inference. Raises `DataError` for a broken
    file, and as `zoo_core.toolkit.verify` does.
    """
    given, model = context.inputs["weights"], context.inputs["model"]
    try:
        onnx.checker.check_model(str(model), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise DataError(f"is not valid ONNX: {first_line(error)}", where=given.name) from error

    def run(graph: Graph, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return run_onnx(given, graph, feeds)[0]

    facts = {
        "same_bytes": file_digest(given) == file_digest(model),
        "checker": f"onnx {onnx.__version__}, strict shape inference",
    }
    reference = f"{given.name} itself, run by ONNX Runtime {onnxruntime.__version__}"
    verify_graph(context, reference, run, facts=facts)
