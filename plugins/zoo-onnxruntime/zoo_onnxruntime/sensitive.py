"""Which convolutions stay float: by a rule, and by name."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo_core.errors import UsageError, did_you_mean
from zoo_onnxruntime.graph import uses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import GraphProto

_LISTED = 5


def float_convolutions(
    graph: GraphProto, sensitive: str, patterns: Sequence[str]
) -> dict[str, str]:
    """Names of the convolutions that stay float, each with the reason in words.

    By the rule `outputs` these are the ones whose result reaches an output of the graph without
    another convolution between. Raises UsageError for a pattern that fits no convolution.
    """
    names = [node.name for node in graph.node if node.op_type == "Conv"]
    found = output_convolutions(graph) if sensitive == "outputs" else {}
    for pattern in patterns:
        fitting = [name for name in names if fnmatchcase(name, pattern)]
        if not fitting:
            raise UsageError(
                f"float_nodes: no convolution is named '{pattern}'",
                next=_hint(pattern, names),
            )
        found.update({name: f"float_nodes names it ('{pattern}')" for name in fitting})
    return found


def output_convolutions(graph: GraphProto) -> dict[str, str]:
    """Convolutions with no other one between them and an output, with the output's name."""
    reaches: dict[str, str] = {value.name: value.name for value in graph.output}
    found = {}
    for node in reversed(graph.node):
        ends = [reaches[name] for name in node.output if name in reaches]
        if not ends:
            continue
        if node.op_type == "Conv":
            found[node.name] = f"output '{ends[0]}' follows it"
        else:
            reaches.update(dict.fromkeys(uses(node), ends[0]))
    return dict(reversed(found.items()))


def _hint(pattern: str, names: Sequence[str]) -> str:
    hint = did_you_mean(pattern, names)
    if len(names) <= _LISTED or hint.startswith("did you mean"):
        return hint
    return f"known: {', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
