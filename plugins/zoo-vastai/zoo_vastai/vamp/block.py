"""The figures that vamp prints, typed, with units in the names; and their text again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One group of latencies in microseconds; `percentiles` maps "p50" and the like."""

    avg: float
    min: float
    max: float
    percentiles: Mapping[str, float] = field(default_factory=dict)

    def to_data(self) -> dict[str, float]:
        """avg, min, max and the percentiles, flat."""
        return {"avg": self.avg, "min": self.min, "max": self.max, **self.percentiles}


@dataclass(frozen=True, slots=True, kw_only=True)
class VampBlock:
    """One run of vamp.

    `format` is "A" (2023: temperature, power, percentiles) or "B" (vamp 2.4 on: samples, forward
    time). `queueing_latency` is what vamp calls "e2e latency": the time from handing an image in
    until its result is out, behind all others in the queue, which is many images deep. It is never
    the latency of an image. `model_latency` is that of the network alone. The oldest vamp told
    neither (format "A" too). `heading` and `line` say where in a document the block stood.
    """

    format: str
    instances: int
    devices: tuple[int, ...]
    batch: int
    throughput_qps: float
    ai_utilisation_percent: float
    die_memory_mb: float
    queueing_latency: Latency | None = None
    model_latency: Latency | None = None
    samples: int | None = None
    forward_s: float | None = None
    temperature_c: float | None = None
    card_power_w: float | None = None
    heading: str | None = None
    line: int = 1

    @property
    def queueing_depth(self) -> float | None:
        """Images in flight on average, by Little's law: throughput times queueing latency."""
        if self.queueing_latency is None:
            return None
        return self.throughput_qps * self.queueing_latency.avg * 1e-6

    def figures(self) -> dict[str, object]:
        """The figures alone, units in the names; fields that the format lacks are None."""
        depth = self.queueing_depth
        queueing, model = self.queueing_latency, self.model_latency
        return {
            "format": self.format,
            "instances": self.instances,
            "devices": list(self.devices),
            "batch": self.batch,
            "samples": self.samples,
            "forward_s": self.forward_s,
            "throughput_qps": self.throughput_qps,
            "ai_utilisation_percent": self.ai_utilisation_percent,
            "temperature_c": self.temperature_c,
            "card_power_w": self.card_power_w,
            "die_memory_mb": self.die_memory_mb,
            "queueing_latency_us": None if queueing is None else queueing.to_data(),
            "queueing_depth_images": None if depth is None else round(depth, 2),
            "model_latency_us": None if model is None else model.to_data(),
        }

    def flat(self) -> dict[str, object]:
        """The figures that were told, each a number or word of its own: model_latency_avg_us."""
        flat: dict[str, object] = {}
        for name, value in self.figures().items():
            if isinstance(value, dict):
                stem = name.removesuffix("_us")
                flat |= {f"{stem}_{key}_us": figure for key, figure in value.items()}
            elif value is not None:
                flat[name] = value
        return flat

    def to_data(self) -> dict[str, object]:
        """The JSON form: figures, and where the block stood."""
        return {"heading": self.heading, "line": self.line, **self.figures()}


def render(block: VampBlock, indent: str = "") -> str:
    """The block as vamp prints it in its format, each line of the body after `indent`.

    Latencies are whole where they are whole; other figures have six significant digits.
    """
    lines = [
        f"- number of instances in each device: {block.instances}",
        f"{indent}devices: [{','.join(map(str, block.devices))}]",
        f"{indent}batch size: {block.batch}",
    ]
    lines += [f"{indent}{line}" for line in (_body_b if block.format == "B" else _body_a)(block)]
    for name, group in (("e2e", block.queueing_latency), ("model", block.model_latency)):
        if group is None:
            continue
        lines.append(f"{indent}{name} latency (us):")
        lines += [
            f"{indent}    {key} latency: {_number(value)}" for key, value in group.to_data().items()
        ]
    return "\n".join(lines) + "\n"


def _body_a(block: VampBlock) -> list[str]:
    lines = [f"ai utilize (%): {_number(block.ai_utilisation_percent)}"]
    if block.temperature_c is not None:
        lines.append(f"temperature (°C): {_number(block.temperature_c)}")
    if block.card_power_w is not None:
        lines.append(f"card power (W): {_number(block.card_power_w)}")
    return [
        *lines,
        f"die memory used (MB): {_number(block.die_memory_mb)}",
        f"throughput (qps): {_number(block.throughput_qps)}",
    ]


def _body_b(block: VampBlock) -> list[str]:
    lines = []
    if block.samples is not None:
        lines.append(f"samples: {block.samples}")
    if block.forward_s is not None:
        lines.append(f"forwad time (s): {_number(block.forward_s)}")
    return [
        *lines,
        f"throughput (qps): {_number(block.throughput_qps)}",
        f"ai utilize (%): {_number(block.ai_utilisation_percent)}",
        f"die memory used (MB): {_number(block.die_memory_mb)}",
    ]


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"
