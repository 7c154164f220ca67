"""The rewrites in their order, each proved before the next one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_onnxruntime.graph import load, name_nodes, save
from zoo_onnxruntime.rewrites.fold import fold
from zoo_onnxruntime.rewrites.mish import rewrite_mish
from zoo_onnxruntime.rewrites.opset import lift
from zoo_onnxruntime.rewrites.proof import LIMIT_DB, Agreement, agreement, demand, outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rewrite:
    """`apply` turns one file into another; it returns a count, and writes nothing where it is 0."""

    name: str
    apply: Callable[[Path, Path], int]


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
            "limit_db": LIMIT_DB,
        }


REWRITES = (Rewrite("lift", lift), Rewrite("fold", fold), Rewrite("mish", rewrite_mish))


def rewrite(
    source: Path, target: Path, feeds: Mapping[str, NDArray[Any]], rewrites: tuple[Rewrite, ...]
) -> Iterator[Applied]:
    """Rewrite the graph in one file into another, yielding what was done and proved.

    Every node of the result has a name of its own. Raises DataError for what is no graph,
    StageError for a graph that does not run or a rewrite that changes its results on `feeds`.
    """
    _name(source, target)
    reference = outputs(target, feeds)
    changed = target.with_name("rewriting.onnx")
    for each in rewrites:
        count = each.apply(target, changed)
        if not count:
            continue
        found = agreement(reference, outputs(changed, feeds))
        demand(each.name, found)
        _name(changed, target)
        changed.unlink()
        yield Applied(each.name, count, found)


def _name(source: Path, target: Path) -> None:
    model = load(source)
    if not model.graph.node:
        raise DataError("holds no graph", where=str(source))
    name_nodes(model)
    save(model, target)
