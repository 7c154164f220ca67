"""What must hold of vamp's figures, found in every block that was published in its format B."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_vastai.vamp.block import Latency, VampBlock

DEPTH = 16.8
"""Images that vamp keeps in flight for each instance, in format B."""

DEPTH_TOLERANCE = 0.4
UTILISATION_TOLERANCE = 0.15
FEWEST = 1024
"""Samples of every published block; of fewer, those that fill and drain the queue are many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One invariant: `ok` is None where it does not apply, and `note` then says why."""

    name: str
    ok: bool | None
    note: str
    found: float | None = None
    expected: float | None = None
    tolerance: float | None = None

    def to_data(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "name": self.name,
            "ok": self.ok,
            "note": self.note,
            "found": self.found,
            "expected": self.expected,
            "tolerance": self.tolerance,
        }


def check(block: VampBlock, processes: int = 1) -> tuple[Finding, ...]:
    """Every invariant of a block's format; `processes` is vamp's -p, which the block does not say.

    Format B: throughput = samples / forward time (both have six digits); AI utilisation in percent
    = throughput x model latency (us) x 1e-4; one constant for the model's latency; 16.8 images in
    flight for each instance. They are not known of format A, nor of settings nobody published.
    """
    why = _other_setting(block, processes)
    return tuple(
        Finding(name=name, ok=None, note=why) if why else test(block, name)
        for name, test in (
            ("throughput", _throughput),
            ("ai_utilisation", _utilisation),
            ("model_latency_constant", _constant),
            ("queueing_depth", _depth),
        )
    )


def doubts(block: VampBlock) -> tuple[str, ...]:
    """What cannot be as it stands, such as p99 below p95: a digit lost in copying, most likely."""
    return tuple(_doubts(block))


def _other_setting(block: VampBlock, processes: int) -> str:
    if block.format != "B":
        return f"format {block.format} is not known to keep it"
    if processes != 1:
        return f"not known to hold for {processes} processes"
    if len(block.devices) != 1:
        return f"not known to hold for {len(block.devices)} devices"
    if block.batch != 1:
        return f"not known to hold for a batch of {block.batch}"
    return ""


def _throughput(block: VampBlock, name: str) -> Finding:
    if not block.samples or not block.forward_s:
        return Finding(name=name, ok=False, note="no samples or no time")
    expected = block.samples / block.forward_s
    note = "throughput = samples / forward time"
    return _near(name, note, block.throughput_qps, expected, 1.1e-5 * expected)


def _utilisation(block: VampBlock, name: str) -> Finding:
    if block.model_latency is None:
        return Finding(name=name, ok=False, note="no model latency")
    expected = block.throughput_qps * block.model_latency.avg * 1e-4
    note = "AI utilisation (%) = throughput x model latency"
    return _near(name, note, block.ai_utilisation_percent, expected, UTILISATION_TOLERANCE)


def _constant(block: VampBlock, name: str) -> Finding:
    if block.model_latency is None:
        return Finding(name=name, ok=False, note="no model latency")
    group = block.model_latency
    note = "model latency: average = minimum = maximum (us)"
    return Finding(
        name=name,
        ok=group.min == group.avg == group.max,
        note=note,
        found=group.max - group.min,
        expected=0.0,
        tolerance=0.0,
    )


def _depth(block: VampBlock, name: str) -> Finding:
    if block.queueing_depth is None:
        return Finding(name=name, ok=False, note="no queueing latency")
    note = "images in flight for each instance = throughput x queueing latency"
    if (block.samples or 0) < FEWEST:
        why = f"the queue is not full for long with fewer than {FEWEST} samples"
        return Finding(name=name, ok=None, note=why)
    found = block.queueing_depth / max(block.instances, 1)
    return _near(name, note, found, DEPTH, DEPTH_TOLERANCE)


def _doubts(block: VampBlock) -> Iterator[str]:
    queueing, model = block.queueing_latency, block.model_latency
    for name, group in (("queueing latency", queueing), ("model latency", model)):
        if group is not None and (out := _out_of_order(group)):
            yield f"{name}: {out}"
    if queueing is not None and model is not None and queueing.avg < model.avg:
        yield "the average queueing latency is below that of the model"


def _out_of_order(group: Latency) -> str:
    ranks = sorted(group.percentiles.items(), key=lambda item: float(item[0].removeprefix("p")))
    rising: Sequence[tuple[str, float]] = [("min", group.min), *ranks, ("max", group.max)]
    for (lower, low), (upper, high) in pairwise(rising):
        if low > high:
            return f"{lower} {low:.6g} is above {upper} {high:.6g}"
    if not group.min <= group.avg <= group.max:
        return f"the average {group.avg:.6g} is not between minimum and maximum"
    return ""


def _near(name: str, note: str, found: float, expected: float, tolerance: float) -> Finding:
    return Finding(
        name=name,
        ok=abs(found - expected) <= tolerance,
        note=note,
        found=round(found, 6),
        expected=round(expected, 6),
        tolerance=round(tolerance, 6),
    )
