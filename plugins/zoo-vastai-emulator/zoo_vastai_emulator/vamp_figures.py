"""The figures that the emulated vamp prints, and the block's two formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UTILISATION = 1250 / 13
"""AI utilisation in percent, as a card at work shows it: a mean of 13 whole numbers."""

DEPTH = 16.85
"""Images in flight for each instance."""

_PERCENTILES = {"p50": 1.0, "p90": 1.06, "p95": 1.07, "p99": 1.09}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run of vamp: its settings and the one measured number, the model's latency in us."""

    instances: int
    devices: tuple[int, ...]
    batch: int
    samples: int
    model_us: int
    memory_mb: float

    @property
    def throughput(self) -> float:
        """Images a second, to six digits: what the utilisation lets through on every die."""
        dies = len(self.devices)
        return float(f"{UTILISATION * 1e4 / self.model_us * self.batch * dies:.6g}")

    @property
    def queued_us(self) -> int:
        """Mean time of an image from queueing to its result, by Little's law."""
        depth = DEPTH * self.instances * self.batch * len(self.devices)
        return round(depth / self.throughput * 1e6)


def block(figures: Figures, faults: Mapping[str, str]) -> list[str]:
    """The lines of the block, in format B, or A where that fault is asked for."""
    make = _format_a if "format-a" in faults else _format_b
    lines = list(make(figures, 0.5 if "wrong-invariant" in faults else 1.0))
    if "garbage-line" in faults:
        lines.insert(4, "\x1b[33m[W] vacc: dma descriptor 0x3f retried\x1b[0m")
    if "indent" in faults:
        lines = [f"    {line}" for line in lines]
    return lines


def _head(figures: Figures) -> Iterator[str]:
    yield f"- number of instances in each device: {figures.instances}"
    yield f"devices: [{', '.join(map(str, figures.devices))}]"
    yield f"batch size: {figures.batch}"


def _format_b(figures: Figures, factor: float) -> Iterator[str]:
    qps = figures.throughput
    yield from _head(figures)
    yield f"samples: {figures.samples}"
    yield f"forwad time (s): {figures.samples / qps:.6g}"
    yield f"throughput (qps): {qps * factor:.6g}"
    yield f"ai utilize (%): {UTILISATION:.6g}"
    yield f"die memory used (MB): {figures.memory_mb:.6g}"
    yield from _latencies(figures, {})


def _format_a(figures: Figures, factor: float) -> Iterator[str]:
    yield from _head(figures)
    yield f"ai utilize (%): {UTILISATION:.6g}"
    yield "temperature (°C): 46.3129"
    yield "card power (W): 35.6416"
    yield f"die memory used (MB): {figures.memory_mb:.6g}"
    yield f"throughput (qps): {figures.throughput * factor:.6g}"
    yield from _latencies(figures, _PERCENTILES)


def _latencies(figures: Figures, percentiles: Mapping[str, float]) -> Iterator[str]:
    yield "e2e latency (us):"
    average = figures.queued_us
    least = min(round(2.15 * figures.model_us), average)
    for name, value in (("avg", average), ("min", least), ("max", round(1.1 * average))):
        yield f"    {name} latency: {value}"
    for name, factor in percentiles.items():
        yield f"    {name} latency: {round(average * factor)}"
    yield "model latency (us):"
    for name in ("avg", "min", "max", *percentiles):
        yield f"    {name} latency: {figures.model_us}"
