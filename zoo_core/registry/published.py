"""Published figures: read strictly, and held against what else was published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.api import PublishedResult
from zoo_core.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.api import ModelCard, ScoringProtocol
    from zoo_core.registry.reader import Reader

PUBLISHED_KEYS = (
    "id",
    "protocol",
    "size",
    "dataset",
    "weights",
    "precision",
    "device",
    "metrics",
    "performance",
    "conditions",
    "provenance",
    "elsewhere",
    "build",
)
ELSEWHERE_KEYS = ("where", "text", "metrics")
_ROUNDING = 1e-9


def published(reader: Reader) -> PublishedResult:
    """One item of `published:`.

    `elsewhere` (what another text says of the same figures, kept as it stands there) and `build`
    (protocol values of the configuration that was shipped beside them) end up in the conditions.
    """
    reader.only(*PUBLISHED_KEYS)
    conditions = dict(reader.mapping("conditions"))
    elsewhere = [_elsewhere(row) for row in reader.rows("elsewhere")]
    if elsewhere:
        conditions["elsewhere"] = elsewhere
    if reader.mapping("build"):
        conditions["build"] = dict(reader.mapping("build"))
    return PublishedResult(
        id=reader.text("id"),
        protocol=reader.text("protocol"),
        dataset=reader.text("dataset"),
        weights=reader.text("weights"),
        precision=reader.text("precision"),
        device=reader.text("device"),
        size=reader.size("size"),
        metrics=_fractions(reader),
        performance=reader.mapping("performance"),
        conditions=conditions,
        provenance=reader.text("provenance", ""),
    )


def contradictions(
    card: ModelCard, protocols: Mapping[str, ScoringProtocol]
) -> Iterator[tuple[str, str]]:
    """Where a card's published figures do not agree: (what, next) for each; nothing is mended."""
    seen: dict[tuple[Any, ...], PublishedResult] = {}
    for row in card.published:
        same = (row.protocol, row.dataset, row.size, row.precision, row.device, row.weights)
        if same in seen:
            yield _twice(seen[same], row), "tell them apart by what differs, or ask the publisher"
        seen.setdefault(same, row)
        yield from _against_elsewhere(row)
        yield from _against_build(row, protocols[row.protocol])


def _twice(first: PublishedResult, second: PublishedResult) -> str:
    pairs = [
        f"{name} {value:g} and {second.metrics[name]:g}"
        for name, value in first.metrics.items()
        if name in second.metrics and second.metrics[name] != value
    ]
    said = f": {', '.join(pairs)}" if pairs else ""
    return f"published rows {first.id} and {second.id} claim the same conditions{said}"


def _against_elsewhere(row: PublishedResult) -> Iterator[tuple[str, str]]:
    for other in row.conditions.get("elsewhere", ()):
        pairs = [
            f"{name} {row.metrics[name]:g}, there {value:g}"
            for name, value in other["metrics"].items()
            if abs(row.metrics.get(name, value) - value) > _ROUNDING
        ]
        if pairs:
            said = f"{'; '.join(pairs)} ({other['where']}: {other['text']})"
            yield f"{row.id} is disputed: {said}", "ask the publisher which is meant"


def _against_build(row: PublishedResult, protocol: ScoringProtocol) -> Iterator[tuple[str, str]]:
    built = row.conditions.get("build", {})
    other = [name for name, value in built.items() if protocol.values.get(name, value) != value]
    if other:
        said = ", ".join(f"{name} {built[name]}" for name in other)
        wanted = ", ".join(f"{name} {protocol.values[name]}" for name in other)
        what = f"{row.id}: the configuration shipped with it says {said}, protocol {protocol.name} "
        yield f"{what}says {wanted}", "build with the protocol's values"


def _elsewhere(reader: Reader) -> dict[str, Any]:
    reader.only(*ELSEWHERE_KEYS)
    return {
        "where": reader.text("where"),
        "text": reader.text("text"),
        "metrics": _fractions(reader),
    }


def _fractions(reader: Reader) -> dict[str, float]:
    metrics = reader.mapping("metrics")
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            place = f"{reader.where}.metrics.{name}"
            raise RegistryError(f"must be a fraction from 0 to 1, is {value!r}", where=place)
    return {str(name): float(value) for name, value in metrics.items()}
