"""What `zoo explain` says of a reduced precision: its layers, and its loss by parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.pipeline.resampling import CONFIDENCE
from zoo_core.system.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LAYERS = "zoo.layers/1"
_TENSORS = 20
_CULPRITS = 5
_PARTS = "zoo.parts/1"
_METRICS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersReport:
    """The content of layers.json of a run's artefact; see `ComparesLayers`."""

    run: str
    images: int
    reference: str
    layers: Sequence[Mapping[str, Any]]

    def to_data(self) -> dict[str, Any]:
        """The document `zoo.layers/1`."""
        return {
            "schema": _LAYERS,
            "run": self.run,
            "images": self.images,
            "reference": self.reference,
            "layers": list(self.layers),
        }

    def lines(self) -> list[str]:
        """For a terminal: the worst tensors, then the layers that lose most by themselves."""
        head = ("SQNR dB", "cosine", "own dB", "precision", "operator", "node", "module")
        shown = self.layers[:_TENSORS]
        lines = [f"{len(self.layers)} tensors of {self.images} images, against {self.reference}"]
        lines += ["", *columns(head, [_cells(row) for row in shown])]
        if len(self.layers) > len(shown):
            lines.append(f"and {len(self.layers) - len(shown)} better ones (--json has all)")
        own = [row for row in self.layers if row["own_snr_db"] is not None and row["node"]]
        worst = sorted(own, key=lambda row: row["own_snr_db"])[:_CULPRITS]
        if worst:
            lines += ["", "lose most by themselves, given float tensors:"]
            lines += [f"  {row['own_snr_db']:.1f} dB  {_named(row)}" for row in worst]
        return [line.rstrip() for line in lines]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (_figure(row["snr_db"], 1), _figure(row["cosine"], 4), _figure(row["own_snr_db"], 1))
    node = row["node"] or f"(input {row['tensor']})"
    return (*figures, row["precision"], row["operator"], node, row["module"] or "-")


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['node']} ({row['module']})" if row["module"] else row["node"]


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsReport:
    """The content of parts.json of a run and its network in fp32; see the stage `parts`."""

    run: str
    precision: str
    images: int
    rows: int
    lacking: Mapping[str, int]
    metrics: Sequence[Mapping[str, Any]]

    @property
    def sentence(self) -> str:
        """The first metric's loss in words."""
        row = self.metrics[0]
        if "total" not in row:
            return f"{row['metric']} is not defined in each run"
        change = row["total"]["difference"]
        if not change and not any(row[part]["difference"] for part in self.lacking):
            return f"{row['metric']} does not differ: {row['values'][0]:.4f}"
        verb = "gains" if change > 0 else "loses"
        parts = ", ".join(f"by {part} {_points(row[part])}" for part in self.lacking)
        whole = _points(row["total"]).lstrip("+-")
        return (
            f"{self.precision} {verb} {whole} {row['metric']}: {parts}, rest {_points(row['rest'])}"
        )

    def to_data(self) -> dict[str, Any]:
        """The document `zoo.parts/1`; metrics are fractions."""
        return {
            "schema": _PARTS,
            "run": self.run,
            "precision": self.precision,
            "images": self.images,
            "rows": self.rows,
            "lacking": dict(self.lacking),
            "metrics": list(self.metrics),
            "confidence": CONFIDENCE,
            "sentence": self.sentence,
        }

    def lines(self) -> list[str]:
        """For a terminal: the metrics with what each part changes, and the loss in words."""
        names = ["total", *self.lacking, "rest"]
        head = ("metric", "fp32", self.precision, *names)
        rows = [
            (
                row["metric"],
                *(_figure(value, 4) for value in row["values"]),
                *(_points(row.get(n)) for n in names),
            )
            for row in self.metrics[:_METRICS]
        ]
        lines = [f"AP points on {self.images} images; +- is half of a {CONFIDENCE:.0%} interval"]
        lines += ["", *(line.rstrip() for line in columns(head, rows))]
        few = {part: count for part, count in self.lacking.items() if count}
        if few:
            counts = ", ".join(f"{part} {count}" for part, count in few.items())
            told = f"rows that one run alone stored above the floor (fp32 stored {self.rows})"
            lines.append(f"{told} keep their own: {counts}")
        return [*lines, "", self.sentence]


def _points(change: Mapping[str, float | None] | None) -> str:
    """A change in hundredths, with half of its interval."""
    if change is None or change["difference"] is None:
        return "-"
    text = f"{change['difference'] * 100:+.2f}"
    low, high = change["low"], change["high"]
    return text if low is None or high is None else f"{text} +- {(high - low) * 50:.2f}"
