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
_MIN_MEMORY = 5 * GIB // 2
_MAX_LOAD = 0.5
_UNKNOWN = "not reported by this system"

_NO_FLOAT = "networks run, but several times slower than on processors of the last ten years"
_NO_INT8 = (
    "int8 is computed as int16 here: expect it hardly faster than fp32; on AVX2 and AVX-512 sums "
    "may saturate, so compare its accuracy with fp32's"
)
_NO_BF16 = "bf16 is computed as fp32 here, with no gain; use fp32 or int8"
_LITTLE_MEMORY = "free some, or raise the container's limit: full-size models compile in up to 2 GB"
_PART_OF_A_CPU = "raise the CPU quota: a fraction of a processor is throttled, and speeds vary"


def machine_checks(root: Path = machine.ROOT) -> Iterator[Check]:
    """Checks of the processor, its features, threads, memory, load and clocks."""
    features = machine.cpu_features(root)
    yield Check("processor", True, machine.cpu_name(root))
    yield _instructions("float", features, _FLOAT_SETS, _NO_FLOAT)
    yield _instructions("int8", features, machine.INT8_SETS, _NO_INT8)
    yield _instructions("bf16", features, machine.BF16_SETS, _NO_BF16)
    yield _threads(root)
    yield _memory(root)
    load, governor = machine.load_average(), machine.governor(root)
    if load:
        step = "wait before a benchmark: other programs would be measured too"
        is_idle = load[0] <= _MAX_LOAD * machine.cpu_quota(root)
        yield Check("load", is_idle, f"{load[0]:.2f} over the last minute", step)
    if governor:
        step = "before a benchmark: cpupower frequency-set --governor performance"
        yield Check("governor", governor == "performance", governor, step)


def _instructions(kind: str, features: frozenset[str], useful: frozenset[str], lack: str) -> Check:
    name = f"{kind} instructions"
    if not features:
        return Check(name, True, _UNKNOWN)
    present = ", ".join(sorted(features & useful))
    return Check(name, bool(present), present or f"none of {', '.join(sorted(useful))}", lack)


def _threads(root: Path) -> Check:
    quota, count, threads = machine.cpu_quota(root), os.cpu_count() or 1, machine.cpu_threads(root)
    limit = f", limited to {quota:g} by quota or affinity" if quota < count else ""
    variables = [f"{name}={os.environ[name]}" for name in machine.VARIABLES if name in os.environ]
    state = "; ".join([f"{threads} on {count} processors{limit}", *variables])
    return Check("threads", quota >= 1, state, _PART_OF_A_CPU)


def _memory(root: Path) -> Check:
    total, free = machine.memory_limit(root), machine.memory_available(root)
    if free is None:
        return Check("memory", True, _UNKNOWN)
    state = f"{gibibytes(free)} of {gibibytes(total)} available"
    return Check("memory", free >= _MIN_MEMORY, state, _LITTLE_MEMORY)
