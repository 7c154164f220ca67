"""Measured figures beside published ones, where they may be compared, and why not elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.api import PublishedResult
    from zoo_core.planning.resolve import Resolved
    from zoo_core.registry import Registry


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows of figures that match in all conditions, and the published rows that do not."""

    rows: list[dict[str, Any]]
    not_comparable: list[dict[str, str]]


def compare(
    resolved: Resolved, registry: Registry, metrics: Mapping[str, float | None] | None
) -> Comparison:
    """Sets measured metrics (fractions) beside each published row of the card."""
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for published in resolved.card.published:
        reasons = list(_differences(resolved, registry, published))
        if metrics is None:
            reasons.append("no accuracy was measured")
        if reasons:
            refused.append({"row": published.id, "why": "; ".join(reasons)})
            continue
        rows += [
            _row(name, (metrics or {}).get(name), value, published)
            for name, value in published.metrics.items()
        ]
    return Comparison(rows, refused)


def _row(
    name: str, measured: float | None, published: float, result: PublishedResult
) -> dict[str, Any]:
    difference = None if measured is None else round(measured - published, 6)
    return {
        "metric": name,
        "measured": measured,
        "published": published,
        "difference": difference,
        "precision": result.precision,
        "device": result.device,
        "provenance": result.provenance,
    }


def _differences(
    resolved: Resolved, registry: Registry, published: PublishedResult
) -> Iterator[str]:
    if resolved.weights.kind == "sample":
        yield "a sample run is never compared with published figures"
        return
    protocol = registry.protocols[published.protocol]
    if protocol.hash != resolved.protocol.hash:
        yield f"protocol {published.protocol}, here {resolved.protocol.name}"
    if published.size != resolved.size:
        yield f"size {_size(published.size)}, here {_size(resolved.size)}"
    if published.precision != resolved.target.precision:
        yield f"precision {published.precision}, here {resolved.target.precision}"
    if resolved.weights.kind != "published" and not _same_files(resolved):
        yield f"weights {published.weights}, here {_told(resolved)}"
    if resolved.emulated:
        yield "an emulated figure is never compared"
    data = resolved.data
    if data is None or data.dataset != published.dataset:
        yield f"data set {published.dataset}, here {data.dataset if data else 'none'}"
    elif data.count != data.of:
        yield f"all {data.of} images, here {data.count}"


def _same_files(resolved: Resolved) -> bool:
    """Whether the given weights are byte for byte one of the card's published files."""
    known = {option.files["weights"].sha256 for option in resolved.card.weights} - {None}
    given = resolved.weights.files.get("weights")
    return given is not None and given.sha256 in known


def _told(resolved: Resolved) -> str:
    if resolved.weights.kind == "given" and resolved.weights.files:
        return "given by hand, and no sha256 in the card tells that they are the same"
    return resolved.weights.kind


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
