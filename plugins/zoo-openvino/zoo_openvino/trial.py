"""Rewrites tried on the network at hand: what comes out has to stay as near to float as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo_core.errors import counted
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.similarity import ratios_db, rounded
from zoo_core.toolkit.verify import Meaning
from zoo_openvino.engine import compile_model, fix_batch, infer, read, tool
from zoo_openvino.rewrites import drop_inner_pairs, restore_mish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Graph
    from zoo_openvino.engine import Setting

_LEVELS = 256
SLACK_DB = 0.5
"""What a rewrite may cost an output, signal over difference against the float network.

Both sides are int8, whose steps fall otherwise after the smallest change; that alone moves the
ratio by a few tenths.
"""

REWRITES: tuple[tuple[str, Callable[[Any], int]], ...] = (
    ("restore-mish", restore_mish),
    ("drop-inner-pairs", drop_inner_pairs),
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One rewrite that found something, and what the outputs' ratios were before and after.

    Rewrites that proved themselves together have the same ratios.
    """

    name: str
    count: int
    kept: bool
    before_db: Sequence[float]
    after_db: Sequence[float]

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "count": self.count,
            "kept": self.kept,
            "before_db": rounded(self.before_db),
            "after_db": rounded(self.after_db),
        }


@dataclass(frozen=True, slots=True)
class Bench:
    """What models are judged on: one input, what the graph means on it, a setting.

    `meaning` is another engine's, so that what OpenVINO reads otherwise shows; where nothing here
    can tell it, OpenVINO's own float32 outputs stand in. `own` holds how near those are to it, for
    precision.json, and what there is to warn of. Free dimensions of the graph's inputs become 1.
    """

    graph: Graph
    feeds: Mapping[str, NDArray[Any]]
    meaning: Meaning
    setting: Setting
    own: tuple[dict[str, Any], list[str]] = ({}, [])
    where: str = ""

    @classmethod
    def of(
        cls,
        listing: Path,
        feeds: Mapping[str, NDArray[Any]],
        setting: Setting,
        *,
        apart: bool = True,
    ) -> Bench:
        """For the graph at `graph.json`.

        With `apart` OpenVINO runs it in float32 too, to tell what a build loses from what OpenVINO
        reads otherwise.
        """
        graph = read_graph(listing)
        source = listing.parent / graph.path
        bench = cls(graph, feeds, Meaning.of(listing, feeds), setting, where=str(source))
        if bench.meaning.outputs is not None and not apart:
            return bench
        _, outputs = replace(bench, setting=replace(setting, computes="fp32")).run(read(source))
        facts, warnings = bench.meaning.compare("fp32", graph, outputs)
        ratios = facts.get("output_snr_db")
        own = {"float32_snr_db": ratios} if ratios else {}
        if bench.meaning.outputs is None:
            bench = replace(bench, meaning=Meaning(outputs, f"{tool()} in float32"))
        notes = [f"in float32: {text.removeprefix('fp32: ')}" for text in warnings]
        return replace(bench, own=(own, notes))

    def run(self, model: Any) -> tuple[Any, list[NDArray[Any]]]:
        """The model, compiled for one image, and its outputs."""
        fixed = model.clone()
        fix_batch(fixed, self.graph.inputs, 1, self.where)
        compiled = compile_model(fixed, self.setting, self.where)
        names = [spec.name for spec in self.graph.outputs]
        return compiled, infer(compiled, names, self.feeds, self.where)

    def judge(self, model: Any) -> Judged:
        """The model, compiled for one image, and each output against the float network's."""
        compiled, outputs = self.run(model)
        return Judged(model, compiled, ratios_db(self.meaning.outputs or (), outputs), outputs)

    def compare(self, precision: str, judged: Judged) -> tuple[dict[str, Any], list[str]]:
        """Facts and warnings for precision.json."""
        facts, warnings = self.meaning.compare(precision, self.graph, judged.outputs)
        return {**facts, **self.own[0]}, [*_wide(precision, judged.model), *self.own[1], *warnings]


@dataclass(frozen=True, slots=True)
class Judged:
    """A model with its batch still free, what OpenVINO made of it, its outputs and ratios in dB."""

    model: Any
    compiled: Any
    ratios: Sequence[float]
    outputs: Sequence[NDArray[Any]]


def rewrite(
    model: Any,
    bench: Bench,
    names: Sequence[str],
    known: Sequence[float] | None = None,
) -> tuple[Judged, list[Tried]]:
    """The model with those of the named rewrites that prove themselves.

    `known` are the ratios of the model as it is, where somebody has measured them: if all rewrites
    together hold against those, nothing else is tried. Otherwise they are tried one by one.
    """
    rewrites = [(name, apply) for name, apply in REWRITES if name in names]
    if known is not None:
        changed = model.clone()
        counts = {name: apply(changed) for name, apply in rewrites}
        changed.validate_nodes_and_infer_types()
        judged = bench.judge(changed)
        if all(map(_holds, known, judged.ratios)):
            found = {name: count for name, count in counts.items() if count}
            return judged, [Tried(n, c, True, known, judged.ratios) for n, c in found.items()]
    return _one_by_one(model, bench, rewrites)


def _one_by_one(
    model: Any, bench: Bench, rewrites: Sequence[tuple[str, Callable[[Any], int]]]
) -> tuple[Judged, list[Tried]]:
    best, tried = bench.judge(model), []
    for name, apply in rewrites:
        changed = best.model.clone()
        count = apply(changed)
        if not count:
            continue
        changed.validate_nodes_and_infer_types()
        judged = bench.judge(changed)
        kept = all(map(_holds, best.ratios, judged.ratios))
        tried.append(Tried(name, count, kept, best.ratios, judged.ratios))
        best = judged if kept else best
    return best, tried


def _holds(before: float, after: float) -> bool:
    return after >= before - SLACK_DB


def _wide(precision: str, model: Any) -> list[str]:
    """The warning of values that a file quantises to 16 bits.

    One build of such a file was seen to answer rightly in one process and with noise in the next
    (OpenVINO 2026.4.1), which no comparison while compiling finds.
    """
    found = [op for op in model.get_ops() if op.get_type_name() == "FakeQuantize"]
    count = sum(op.get_attributes()["levels"] > _LEVELS for op in found)
    if not count:
        return []
    return [
        f"{precision}: the file quantises {counted(count, 'tensor')} to more than 8 bits, "
        f"which {tool()} is known to answer with noise in some runs and not in others; "
        "use --backend onnxruntime"
    ]
