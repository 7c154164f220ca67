"""From a run's figure to that of another protocol: what there is, and the effect of each change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.pipeline.resampling import CONFIDENCE
from zoo_core.system.terminal import columns, entries, titled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo_core.api import PublishedResult, ScoringProtocol
    from zoo_core.planning.protocol_steps import ProtocolStep
    from zoo_core.reporting.differences import Difference, ScoredRun

SCHEMA = "zoo.explain/1"
_SHOWN = 6
"""How many metrics a terminal shows: COCO's AP, AP50, AP75, APs, APm, APl."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A protocol at an input size (height, width), alone or as that of a published row.

    `steps` lead from the run to it; `why` is why there are none.
    """

    protocol: ScoringProtocol
    size: tuple[int, int]
    row: PublishedResult | None = None
    steps: tuple[ProtocolStep, ...] = ()
    why: str = ""

    @property
    def name(self) -> str:
        """What `--against` takes."""
        return self.row.id if self.row else self.protocol.name

    @property
    def metrics(self) -> Mapping[str, float]:
        """The published figures; none of a protocol alone."""
        return self.row.metrics if self.row else {}

    def to_data(self) -> dict[str, Any]:
        """The row of the JSON form; what a protocol alone lacks is null."""
        names = ("precision", "device", "dataset", "provenance")
        return {
            "row": self.row and self.row.id,
            "protocol": self.protocol.name,
            "size": list(self.size),
            **{name: getattr(self.row, name, None) for name in names},
            "metrics": dict(self.metrics),
            "changes": [step.text for step in self.steps],
            "why": self.why,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change, whether the network ran again for it, and each metric before and after it."""

    change: str
    network: bool
    metrics: tuple[Difference, ...]

    def to_data(self) -> dict[str, Any]:
        """The row of the JSON form."""
        rows = [row.to_data() for row in self.metrics]
        return {"change": self.change, "network": self.network, "metrics": rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """The effects on the way to a reference, in order.

    `total` is each metric of the run and after all changes. `remainder` is the published figure
    minus the one after all changes, None where the two may not be compared; `why` says why, or what
    is left to explain it. `left_out` are changes that could not be made.
    """

    against: Reference
    order: str
    effects: tuple[Effect, ...]
    total: tuple[Difference, ...]
    remainder: Mapping[str, float] | None
    why: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The first metric's way in words."""
        row = self.total[0]
        if row.difference is None:
            return f"{row.metric} is not defined at both ends"
        protocol = self.against.protocol.name
        start, end = (_points(value) for value in (row.values[0], row.values[-1]))
        if not self.effects:
            return f"{row.metric} {start}: no value differs from protocol {protocol}"
        told = f"{row.metric} {start} becomes {end} under protocol {protocol}"
        told += f": {_change(row, words=True)}"
        largest = max(self.effects, key=lambda one: abs(one.metrics[0].difference or 0))
        if len(self.effects) > 1:
            told += f"; most by {largest.change}: {_change(largest.metrics[0], words=True)}"
        return told

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "against": self.against.to_data(),
            "order": self.order,
            "effects": [effect.to_data() for effect in self.effects],
            "total": [row.to_data() for row in self.total],
            "remainder": None if self.remainder is None else dict(self.remainder),
            "why": list(self.why),
            "left_out": list(self.left_out),
            "sentence": self.sentence,
        }

    def lines(self) -> Iterator[str]:
        """The table, the order, what is left, and the sentence."""
        shown = self.total[:_SHOWN]
        names = [row.metric for row in shown]
        rows = [("measured", *(_points(row.values[0]) for row in shown))]
        for effect in self.effects:
            mark = " *" if effect.network else ""
            rows.append((f"{effect.change}{mark}", *map(_change, effect.metrics[:_SHOWN])))
        rows.append(("after all changes", *(_points(row.values[-1]) for row in shown)))
        if self.remainder is not None:
            left = (self.remainder.get(name) for name in names)
            cells = ("-" if value is None else f"{value * 100:+.1f}" for value in left)
            rows.append(("not explained by the protocol", *cells))
        if self.against.metrics:
            known = (_points(self.against.metrics.get(name)) for name in names)
            rows.append((f"published: {self.against.name}", *known))
        yield from (line.rstrip() for line in columns(("", *names), rows))
        if self.effects:
            yield f"figures in percent; +- is half of the {CONFIDENCE:.0%} paired interval"
            yield f"an effect depends on the order of the changes: {self.order}"
        if any(effect.network for effect in self.effects):
            yield "* the network ran again for this change"
        yield from (f"left out: {text}" for text in self.left_out)
        if self.against.metrics:
            first = "not compared with" if self.remainder is None else "left to explain"
            yield f"{first} {self.against.name}: {'; '.join(self.why)}"
        yield self.sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainReport:
    """What `zoo explain` says: the references that there are, and the way to one of them."""

    run: ScoredRun
    rows: tuple[Reference, ...]
    protocols: tuple[Reference, ...]
    waterfall: Waterfall | None = None
    warnings: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """The document `zoo.explain/1`; metrics are fractions."""
        return {
            "schema": SCHEMA,
            "run": self.run.to_data(),
            "rows": [row.to_data() for row in self.rows],
            "protocols": [row.to_data() for row in self.protocols],
            "waterfall": self.waterfall and self.waterfall.to_data(),
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[str]:
        """For a terminal: the way to the reference, or what there is to explain against."""
        head = self.run.report.header
        protocol = head.protocol.name if head.protocol else "-"
        told = f"{titled(head.name, head.model)} {head.precision} on {head.backend}/{head.device}"
        data = f"{self.run.report.images} images of {self.run.report.dataset}"
        lines = [f"{told}, {data}, protocol {protocol}"]
        if self.waterfall:
            lines += self.waterfall.lines()
        else:
            other = {one.name: self._other_data(one) for one in self.rows}
            lines += ["published rows", *_listed(self.rows, other)] if self.rows else []
            lines += ["protocols", *_listed(self.protocols, {})]
            lines.append("next: --against NAME shows what each of these changes makes of a figure")
        return [*lines, *(f"warning: {text}" for text in self.warnings)]

    def _other_data(self, reference: Reference) -> str:
        """Which images a row is of, where they are not the run's."""
        row, report = reference.row, self.run.report
        if row is None or (row.dataset == report.dataset and report.subset is None):
            return ""
        return f"of {row.dataset}, not {report.images} images of {report.dataset}"


def _listed(references: Sequence[Reference], data: Mapping[str, str]) -> list[str]:
    rows = [(one, "; ".join(filter(None, (_told(one), data.get(one.name))))) for one in references]
    return entries([((f"  {one.name}", _first(one)), [told]) for one, told in rows])


def _first(reference: Reference) -> str:
    """The first published figure."""
    rows = (f"{name} {_points(value)}" for name, value in reference.metrics.items())
    return next(rows, "")


def _told(reference: Reference) -> str:
    if reference.why:
        return reference.why
    return "; ".join(step.text for step in reference.steps) or "the protocol is the same"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.2f}"


def _change(row: Difference, words: bool = False) -> str:
    """`-2.4 +- 0.9`: a change and half of its interval, in percent; `words`: whether it is sure."""
    if row.difference is None:
        return "-"
    told = f"{round(row.difference * 100, 1) + 0.0:+.1f}"
    if row.low is None or row.high is None:
        return told
    told = f"{told} +- {(row.high - row.low) * 50:.1f}"
    sure = row.is_decided or row.low == row.high == 0
    return told if sure or not words else f"{told} (not decided)"
