"""Processor, instruction sets, threads, memory, load and clocks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zoo_core.commands.doctor.check import GIB, Check, gibibytes
from zoo_core.system import machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FLOAT_SETS = frozenset({"avx2", "avx512f", "asimd"})
_MEMORY = 5 * GIB // 2
_BUSY = 0.5

_NO_FLOAT = "networks run, but several times slower than on processors of the last ten years"
_NO_INT8 = (
    "int8 goes by way of int16 here: expect it hardly faster than fp32, and on AVX2 and AVX-512 "
    "sums may saturate, so compare its accuracy with fp32's"
)
_NO_BF16 = "bf16 is computed as fp32 here, with no gain; take fp32 or int8"


def machine_checks(root: Path = machine.ROOT) -> Iterator[Check]:
    """What the machine is and how much of it a run may use."""
    features = machine.cpu_features(root)
    yield Check(name="processor", ok=True, found=machine.cpu_name(root))
    yield _instructions("float", features, _FLOAT_SETS, _NO_FLOAT)
    yield _instructions("int8", features, machine.INT8_SETS, _NO_INT8)
    yield _instructions("bf16", features, machine.BF16_SETS, _NO_BF16)
    yield _threads(root)
    yield _memory(root)
    yield from _load(root)
    yield from _governor(root)


def _instructions(what: str, features: frozenset[str], known: frozenset[str], lack: str) -> Check:
    name = f"{what} instructions"
    if not features:
        return Check(name=name, ok=True, found="this system does not tell")
    here = sorted(features & known)
    found = ", ".join(here) if here else f"none of {', '.join(sorted(known))}"
    return Check(name=name, ok=bool(here), found=found, next=lack)


def _threads(root: Path) -> Check:
    quota, count, threads = machine.cpu_quota(root), os.cpu_count() or 1, machine.cpu_threads(root)
    told = [f"{name}={os.environ[name]}" for name in machine.VARIABLES if name in os.environ]
    cut = f", limited to {quota:g} by quota or affinity" if quota < count else ""
    return Check(
        name="threads",
        ok=quota >= 1,
        found="; ".join([f"{threads} on {count} processors{cut}", *told]),
        next="raise the CPU quota: a part of a processor is throttled in turns, and speeds vary",
    )


def _memory(root: Path) -> Check:
    total, free = machine.memory_limit(root), machine.memory_available(root)
    if free is None:
        return Check(name="memory", ok=True, found="this system does not tell")
    return Check(
        name="memory",
        ok=free >= _MEMORY,
        found=f"{gibibytes(free)} of {gibibytes(total)} available",
        next="free some, or raise the container's limit: full-size models compile in up to 2 GB",
    )


def _load(root: Path) -> Iterator[Check]:
    load = machine.load_average()
    if load:
        yield Check(
            name="load",
            ok=load[0] <= _BUSY * machine.cpu_quota(root),
            found=f"{load[0]:.2f} over the last minute",
            next="wait before a benchmark: it would measure what else runs here too",
        )


def _governor(root: Path) -> Iterator[Check]:
    rule = machine.governor(root)
    if rule:
        yield Check(
            name="governor",
            ok=rule == "performance",
            found=rule,
            next="before a benchmark: cpupower frequency-set --governor performance",
        )
