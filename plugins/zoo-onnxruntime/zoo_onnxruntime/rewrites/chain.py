"""The rewrites in their order, each proved before the next one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.toolkit.onnx_file import load, save
from zoo_onnxruntime.graph import constants_aside, name_nodes
from zoo_onnxruntime.rewrites.fold import fold
from zoo_onnxruntime.rewrites.mish import rewrite_mish
from zoo_onnxruntime.rewrites.opset import lift
from zoo_onnxruntime.rewrites.proof import Agreement, Reference, demand, outputs
from zoo_onnxruntime.rewrites.ranks import agreement_of_ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import ModelProto


@dataclass(frozen=True, slots=True)
class Rewrite:
    """`apply` takes a model, and a folder for a moment's files, to another model and a count.

    It may change the model it is given; where the count is 0 it returns that model unchanged.
    """

    name: str
    apply: Callable[[ModelProto, Path], tuple[ModelProto, int]]


@dataclass(frozen=True, slots=True)
class Applied:
    """One rewrite that found something: how often, and how near the outputs stayed."""

    name: str
    count: int
    agreement: Agreement

    def to_data(self) -> dict[str, Any]:
        """The JSON form; `snr_db` is None where the outputs are equal bit by bit."""
        ratio = self.agreement.snr_db
        return {
            "name": self.name,
            "count": self.count,
            "snr_db": None if math.isinf(ratio) else round(ratio, 1),
            "max_abs": self.agreement.max_abs,
            "limit_db": round(self.agreement.limit_db, 1),
        }


REWRITES = (Rewrite("lift", lift), Rewrite("fold", fold), Rewrite("mish", rewrite_mish))

CHOICES = MappingProxyType({"all": REWRITES, "lift": REWRITES[:1], "none": ()})
"""Rewrites by what the stage is told; int8 needs `lift` whatever the user wants of the others."""


def rewrite(
    source: Path, target: Path, feeds: Mapping[str, NDArray[Any]], rewrites: tuple[Rewrite, ...]
) -> Iterator[Applied]:
    """Rewrite the graph in one file into another, yielding what was done and proved.

    Every node of the result has a name of its own, and its constants are initialisers. Raises
    DataError for what is not a graph, StageError for a graph that does not run or a rewrite that
    changes its results on `feeds`.
    """
    model = load(source)
    if not model.graph.node:
        raise DataError("holds no graph", where=str(source))
    if name_nodes(model):  # ONNX Runtime refuses a name that two nodes have
        save(model, target)
        source = target
    reference = Reference.of(source, feeds, str(source))
    constants_aside(model)
    done = 0
    for each in rewrites:
        model, count = each.apply(model, target.parent)
        if not count:
            continue
        name_nodes(model)
        save(model, target)
        found = reference.agreement(outputs(target, feeds, str(source), plain=True))
        if found.snr_db < found.limit_db and source != target:
            found = agreement_of_ranked(source, target, feeds, str(source)) or found
        demand(each.name, found)
        done += count
        yield Applied(each.name, count, found)
    if not done:
        save(model, target)
