"""What `zoo explain RUN --layers` says: the layers, the worst first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.system.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN = 20
_CULPRITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersReport:
    """The content of layers.json of a run's artefact; see `ComparesLayers`."""

    run: str
    images: int
    reference: str
    layers: Sequence[Mapping[str, Any]]

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {"images": self.images, "reference": self.reference, "layers": list(self.layers)}

    def lines(self) -> list[str]:
        """For a terminal: the worst tensors, then the layers that lose most by themselves."""
        head = ("SQNR dB", "cosine", "own dB", "precision", "operator", "node", "module")
        shown = self.layers[:_SHOWN]
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
