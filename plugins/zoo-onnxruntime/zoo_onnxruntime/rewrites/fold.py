"""Folding of constants and batch normalisations, by ONNX Runtime's own offline optimiser."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zoo_core.toolkit.onnx_file import load
from zoo_onnxruntime.engine import BASIC, open_session
from zoo_onnxruntime.graph import drop_unused_domains, is_portable

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import GraphProto, ModelProto

_NEVER_FOLDED = frozenset(
    {
        *("Concat", "Conv", "Resize", "MaxPool", "AveragePool", "GlobalAveragePool"),
        *("Relu", "LeakyRelu", "PRelu", "Elu", "Sigmoid", "HardSigmoid", "HardSwish"),
        *("Softplus", "Tanh", "Mish", "Exp", "Erf", "Softmax"),
    }
)
"""Operators that stay as they are while they read anything that depends on the input."""

_PAIRWISE = frozenset({"Add", "Div", "Mul", "Sub"})
"""Those that stay while both factors depend on it; a constant one may go into a convolution."""


def fold(model: ModelProto, scratch: Path) -> tuple[ModelProto, int]:
    """Fold what does not depend on the input; the result is plain ONNX.

    Returns how many nodes went away. The model stays where there was nothing to fold, or where the
    optimiser's result would run on ONNX Runtime only.
    """
    if not _may_fold(model.graph):
        return model, 0
    optimised = scratch / "folding.onnx"
    session = open_session(model.SerializeToString(), 1, level=BASIC, optimised=optimised)
    del session
    found = load(optimised)
    optimised.unlink()
    before, after = (Counter(n.op_type for n in m.graph.node) for m in (model, found))
    if not is_portable(found) or after == before:
        return model, 0
    drop_unused_domains(found)
    return found, max(before.total() - after.total(), 1)


def _may_fold(graph: GraphProto) -> bool:
    """Whether any node is of a kind that the optimiser ever touches: looking costs it seconds."""
    fixed = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        depends = [name for name in node.input if name and name not in fixed]
        if node.op_type in _NEVER_FOLDED and depends:
            continue
        if node.op_type in _PAIRWISE and len(depends) == 2:
            continue
        return True
    return False
