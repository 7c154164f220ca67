"""Published results: strictly parsed, and checked for contradictions."""

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

    `elsewhere` (the same result as stated in other texts) and `build` (protocol values of the
    configuration shipped with it) become part of the conditions.
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
        weights=reader.text("weights", "published"),
        precision=reader.text("precision"),
        device=reader.text("device", "not stated"),
        size=reader.size("size"),
        metrics=_fractions(reader),
        performance=reader.mapping("performance"),
        conditions=conditions,
        provenance=reader.text("provenance", ""),
    )


def contradictions(
    card: ModelCard, protocols: Mapping[str, ScoringProtocol]
) -> Iterator[tuple[str, str]]:
    """(what, next) for each contradiction between a card's published results."""
    rows: dict[tuple[Any, ...], PublishedResult] = {}
    for row in card.published:
        key = (row.protocol, row.dataset, row.size, row.precision, row.device, row.weights)
        if key in rows:
            yield _twice(rows[key], row), "state the condition that differs, or ask the publisher"
        rows.setdefault(key, row)
        yield from _against_elsewhere(row)
        yield from _against_build(row, protocols[row.protocol])


def _twice(first: PublishedResult, second: PublishedResult) -> str:
    pairs = [
        f"{name} {value:g} and {second.metrics[name]:g}"
        for name, value in first.metrics.items()
        if name in second.metrics and second.metrics[name] != value
    ]
    values = f": {', '.join(pairs)}" if pairs else ""
    return f"published rows {first.id} and {second.id} have the same conditions{values}"


def _against_elsewhere(row: PublishedResult) -> Iterator[tuple[str, str]]:
    for other in row.conditions.get("elsewhere", ()):
        pairs = [
            f"{name} {row.metrics[name]:g}, there {value:g}"
            for name, value in other["metrics"].items()
            if abs(row.metrics.get(name, value) - value) > _ROUNDING
        ]
        if pairs:
            values = f"{'; '.join(pairs)} ({other['where']}: {other['text']})"
            yield f"{row.id} is disputed: {values}", "ask the publisher which value is right"


def _against_build(row: PublishedResult, protocol: ScoringProtocol) -> Iterator[tuple[str, str]]:
    build = row.conditions.get("build", {})
    names = [name for name, value in build.items() if protocol.values.get(name, value) != value]
    if names:
        actual = ", ".join(f"{name} {build[name]}" for name in names)
        expected = ", ".join(f"{name} {protocol.values[name]}" for name in names)
        what = f"{row.id}: the configuration shipped with it has {actual}, "
        yield f"{what}protocol {protocol.name} has {expected}", "build with the protocol's values"


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
