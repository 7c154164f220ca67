"""Folding of constants and batch normalisations, by ONNX Runtime's own offline optimiser."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zoo_onnxruntime.engine import open_session
from zoo_onnxruntime.graph import drop_unused_domains, is_portable, load, save

if TYPE_CHECKING:
    from pathlib import Path


def fold(source: Path, target: Path) -> int:
    """Fold what does not depend on the input; the result is plain ONNX.

    Returns how many nodes went away; writes nothing where there was nothing to fold, or where
    the optimiser's result would run on ONNX Runtime only.
    """
    before = _operators(source)
    session = open_session(source, 1, basic=True, optimised=target, where=str(source))
    del session
    model = load(target)
    after = Counter(node.op_type for node in model.graph.node)
    if not is_portable(model) or after == before:
        target.unlink()
        return 0
    drop_unused_domains(model)
    save(model, target)
    return max(before.total() - after.total(), 1)


def _operators(source: Path) -> Counter[str]:
    return Counter(node.op_type for node in load(source).graph.node)
