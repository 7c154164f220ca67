"""Measured figures beside published ones, where they may be compared, and why not elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.planning.weights import own_name
from zoo_core.system.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import PublishedResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.resolve import Resolved
    from zoo_core.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow(Record):
    """A figure beside the published one that was taken under the same conditions."""

    metric: str
    measured: float | None
    published: float
    difference: float | None
    precision: str
    device: str
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow(Record):
    """A published row that cannot be compared, and why."""

    row: str
    why: str


def compare(
    run: Run, registry: Registry, metrics: Mapping[str, float | None] | None
) -> tuple[tuple[ComparisonRow, ...], tuple[RefusedRow, ...]]:
    """Measured metrics (fractions) beside each published row of the card, and the rows left out.

    The user's own weights have none of the card's figures: no row unless the request asks for them.
    """
    resolved = run.resolved
    if own_name(run.request, resolved.card, resolved.weights) and not run.request.compare_published:
        return (), ()
    rows: list[ComparisonRow] = []
    refused: list[RefusedRow] = []
    for published in resolved.card.published:
        reasons = _differences(resolved, registry, published, resolved.target.precision)
        if metrics is None:
            reasons.append("no accuracy was measured")
        if reasons:
            refused.append(RefusedRow(row=published.id, why="; ".join(reasons)))
            continue
        rows += [
            _row(name, (metrics or {}).get(name), value, published)
            for name, value in published.metrics.items()
        ]
    return tuple(rows), tuple(refused)


def published_reference(
    resolved: Resolved, registry: Registry, precision: str
) -> tuple[PublishedResult | None, tuple[str, ...]]:
    """The first published row of this precision that was taken as the run will be.

    Else None, and why each row is left out. Whose weights they are is told by their bytes.
    """
    refused = []
    for published in resolved.card.published:
        reasons = _differences(resolved, registry, published, precision)
        if not reasons:
            return published, ()
        refused.append(f"not comparable with {published.id}: {'; '.join(reasons)}")
    return None, tuple(refused)


def _row(
    name: str, measured: float | None, published: float, result: PublishedResult
) -> ComparisonRow:
    return ComparisonRow(
        metric=name,
        measured=measured,
        published=published,
        difference=None if measured is None else round(measured - published, 6),
        precision=result.precision,
        device=result.device,
        provenance=result.provenance,
    )


def _differences(
    resolved: Resolved, registry: Registry, published: PublishedResult, precision: str
) -> list[str]:
    conditions = other_conditions(resolved, registry, published, precision)
    return [*conditions, *other_data(resolved, published)]


def other_data(resolved: Resolved, published: PublishedResult) -> list[str]:
    """Why a figure is of other data than a published one, or of none: never to be compared."""
    if resolved.weights.kind == "sample":
        return ["a sample run is never compared with published figures"]
    reasons = ["an emulated figure is never compared"] if resolved.emulated else []
    data = resolved.data
    if data is None or data.dataset != published.dataset:
        reasons.append(f"data set {published.dataset}, here {data.dataset if data else 'none'}")
    elif data.count != data.of:
        reasons.append(f"all {data.of} images, here {data.count}")
    return reasons


def other_conditions(
    resolved: Resolved, registry: Registry, published: PublishedResult, precision: str
) -> list[str]:
    """What else differs from the conditions of a published row; nothing for a sample run."""
    if resolved.weights.kind == "sample":
        return []
    reasons: list[str] = []
    protocol = registry.protocols[published.protocol]
    if protocol.hash != resolved.protocol.hash:
        reasons.append(f"protocol {published.protocol}, here {resolved.protocol.name}")
    if published.size != resolved.size:
        reasons.append(f"size {_size(published.size)}, here {_size(resolved.size)}")
    if published.precision != precision:
        reasons.append(f"precision {published.precision}, here {precision}")
    if resolved.weights.kind != "published" and not _same_files(resolved):
        reasons.append(f"weights {published.weights}, here {_origin(resolved)}")
    return reasons


def _same_files(resolved: Resolved) -> bool:
    """Whether the user's weights are byte for byte one of the card's published files."""
    known = {option.files["weights"].sha256 for option in resolved.card.weights} - {None}
    weights = resolved.weights.files.get("weights")
    return weights is not None and weights.sha256 in known


def _origin(resolved: Resolved) -> str:
    if resolved.weights.kind == "given" and resolved.weights.files:
        return "given by hand, and their sha256 is not in the card"
    return resolved.weights.kind


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
