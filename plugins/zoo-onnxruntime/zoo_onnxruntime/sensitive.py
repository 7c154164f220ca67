"""Which convolutions stay float: by a rule, and by name."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo_core.errors import StageError, UsageError, did_you_mean
from zoo_onnxruntime.graph import uses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import GraphProto

    from zoo_core.toolkit.artefact import NodePrecision

_LISTED = 5
_FOLLOWED, _NAMED = "follows it", "float_nodes names it"
_BY_RULE, _BY_NAME = "only an output follows it, sensitive=outputs", "named in float_nodes"
_STEPS = {_BY_RULE: "give --option sensitive=none", _BY_NAME: "take names out of float_nodes"}


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
        found.update({name: f"{_NAMED} ('{pattern}')" for name in fitting})
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
            found[node.name] = f"output '{ends[0]}' {_FOLLOWED}"
        else:
            reaches.update(dict.fromkeys(uses(node), ends[0]))
    return dict(reversed(found.items()))


def nothing_quantised(nodes: Sequence[NodePrecision], where: str) -> StageError:
    """The error of a graph none of whose convolutions became int8: why not, and what changes it."""
    reasons = [node.reason for node in nodes if node.op == "Conv"]
    if not reasons:
        what = "int8 is for convolutions (operator Conv), and the network has none"
        return StageError(what, where=where, next="use --precision fp32")
    counts = Counter(_kind(reason) for reason in reasons)
    text = "; ".join(f"{count}: {why}" for why, count in counts.items())
    steps = [step for why, step in _STEPS.items() if why in counts]
    return StageError(
        f"no convolution became int8, {len(reasons)} stayed float ({text})",
        where=where,
        next=" and ".join(steps) + ", or use --precision fp32" if steps else "use --precision fp32",
    )


def _kind(reason: str) -> str:
    """A reason of `float_convolutions` without the name in it; any other one as it is."""
    if reason.startswith(_NAMED):
        return _BY_NAME
    return _BY_RULE if reason.endswith(_FOLLOWED) else reason


def _hint(pattern: str, names: Sequence[str]) -> str:
    hint = did_you_mean(pattern, names)
    if len(names) <= _LISTED or hint.startswith("did you mean"):
        return hint
    return f"known: {', '.join(names[:_LISTED])} and {len(names) - _LISTED} more"
