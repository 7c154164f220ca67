"""Gates: what a figure must reach for a run to succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import AccuracyGateError, DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def parse(texts: Iterable[str]) -> dict[str, float]:
    """Gates from NAME=VALUE, a metric's name and the least fraction; raises UsageError."""
    gates = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            gates[name] = float(value)
        except ValueError as error:
            step = "write NAME=FRACTION as in AP=0.43"
            raise UsageError(f"'{text}' is no gate", where="--min-metric", next=step) from error
    return gates


def refuse_sample(gates: Mapping[str, float], weights: str) -> None:
    """Raises DataError for a gate on weights whose accuracy says nothing about the model."""
    if gates and weights in ("sample", "random"):
        raise DataError(
            f"a gate on {weights} weights would say nothing about the model",
            where="--min-metric",
            next="use --assets published, or --weights FILE",
        )


def check(gates: Mapping[str, float], report: Mapping[str, Any]) -> None:
    """Raises AccuracyGateError for the first metric of a report that misses its gate."""
    metrics = report["metrics"] or {}
    for name, least in gates.items():
        if name not in metrics:
            hint = did_you_mean(name, metrics)
            raise UsageError(f"no metric '{name}' was measured", where="--min-metric", next=hint)
        value = metrics[name]
        if value is None or value < least:
            shown = "undefined" if value is None else f"{value:.4f}"
            raise AccuracyGateError(
                f"{name} is {shown}, the gate is {least:.4f}", where=report["output"]
            )
