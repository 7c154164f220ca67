"""The proof for graphs that rank values: each ranking is given, so that ties cannot swap rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import StageError
from zoo_core.toolkit.onnx_file import load, save
from zoo_onnxruntime.rewrites.proof import agreement, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto

    from zoo_onnxruntime.rewrites.proof import Agreement

_RANKING = "TopK"


def agreement_of_ranked(
    source: Path, target: Path, feeds: Mapping[str, NDArray[Any]], where: str
) -> Agreement | None:
    """How near two graphs are where both are given the rankings of the first.

    What each TopK ranks is compared, and all that is computed of what it picks; only which of
    nearly equal values goes first is left out. None where no TopK is in the graph, and where the
    graphs do not rank the same tensors.
    """
    model, other = load(source), load(target)
    rankings = _rankings(model)
    if not rankings or rankings != _rankings(other):
        return None
    picked = [name for names in rankings.values() for name in names]
    trial = target.with_name(f"{target.stem}-ranks.onnx")
    try:
        _add_outputs(model, list(rankings), picked)
        save(model, trial)
        values = outputs(trial, feeds, where, plain=True)
        given = dict(zip(picked, values[len(values) - len(picked) :], strict=True))
        _without(other, rankings)
        save(other, trial)
        found = outputs(trial, {**feeds, **given}, where, plain=True)
    except StageError:
        return None
    finally:
        trial.unlink(missing_ok=True)
    return agreement(values[: len(values) - len(picked)], found)


def _rankings(model: ModelProto) -> dict[str, tuple[str, ...]]:
    """What each TopK ranks -> its values and indices."""
    return {
        node.input[0]: tuple(node.output)
        for node in model.graph.node
        if node.op_type == _RANKING and all(node.output) and len(node.output) == 2
    }


def _add_outputs(model: ModelProto, ranked: list[str], picked: list[str]) -> None:
    """The ranked tensors as further outputs, and after them the values and indices."""
    from onnx import TensorProto, helper

    kinds = [TensorProto.FLOAT] * len(ranked) + [TensorProto.FLOAT, TensorProto.INT64] * len(ranked)
    for name, kind in zip([*ranked, *picked], kinds, strict=True):
        model.graph.output.append(helper.make_tensor_value_info(name, kind, None))


def _without(model: ModelProto, rankings: Mapping[str, tuple[str, ...]]) -> None:
    """The graph with inputs in place of its TopK nodes, and what they rank as outputs."""
    from onnx import TensorProto, helper

    kept = [node for node in model.graph.node if tuple(node.output) not in rankings.values()]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for ranked, names in rankings.items():
        for name, kind in zip(names, (TensorProto.FLOAT, TensorProto.INT64), strict=True):
            model.graph.input.append(helper.make_tensor_value_info(name, kind, None))
        model.graph.output.append(helper.make_tensor_value_info(ranked, TensorProto.FLOAT, None))
