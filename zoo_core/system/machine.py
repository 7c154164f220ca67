"""The machine of a run: processor, cgroup limits, memory, clocks, this process; nothing raises.

psutil reads what it knows. Instruction sets, cgroup limits and the frequency governor are read
here, from files below `root` ("/").
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ROOT = Path("/")

INT8_SETS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""Instruction sets that multiply and add int8 without a detour over int16."""

BF16_SETS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instruction sets that multiply bfloat16."""

NOTABLE = frozenset(
    {"avx2", "fma", "f16c", "avx512f", "amx_tile", "asimd", "sve", "sve2", *INT8_SETS, *BF16_SETS}
)
"""Instruction sets that decide how fast networks run; Linux's spelling."""

VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "KMP_AFFINITY",
    "MKL_NUM_THREADS",
    "OMP_THREAD_LIMIT",
)
"""Environment variables that change how many threads a library uses, and where."""

_APPLE = {"feat_dotprod": "asimddp", "feat_i8mm": "i8mm", "feat_bf16": "bf16", "advsimd": "asimd"}
_INTEL_MAC = {"avx1.0": "avx", "avx512vnni": "avx512_vnni", "avx512bf16": "avx512_bf16"}
_CPU_SENSORS = ("x86_pkg_temp", "cpu", "coretemp", "k10temp", "zenpower")
_MIB = 1 << 20
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def cpu_features(root: Path = ROOT) -> frozenset[str]:
    """Instruction sets of the processor in Linux's spelling; empty where unknown."""
    words = _cpuinfo(root, "flags") or _cpuinfo(root, "Features")
    if words:
        return frozenset(words.split())
    return parse_sysctl(_sysctl("hw.optional", "machdep.cpu")) if _is_mac(root) else frozenset()


def has_int8_dot(features: frozenset[str]) -> bool | None:
    """Whether int8 products are summed without a detour; None for no known features."""
    return bool(features & INT8_SETS) if features else None


def parse_sysctl(text: str) -> frozenset[str]:
    """Instruction sets in macOS sysctl lines (`name: value`), in Linux's spelling."""
    features: set[str] = set()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        last = name.rpartition(".")[2].lower()
        if last in {"features", "leaf7_features"}:
            features |= {_INTEL_MAC.get(word, word) for word in value.lower().split()}
        elif name.startswith("hw.optional") and value.strip() == "1":
            features.add(_APPLE.get(last, last))
    return frozenset(features)


def cpu_name(root: Path = ROOT) -> str:
    """The processor's name as its maker gives it, else its architecture."""
    brand = _sysctl("-n", "machdep.cpu.brand_string") if _is_mac(root) else ""
    names = (_cpuinfo(root, "model name"), brand, _cpuinfo(root, "Model"), platform.processor())
    return next((name.strip() for name in names if name.strip()), platform.machine() or "unknown")


def cpu_quota(root: Path = ROOT) -> float:
    """Processors this process may use: the least of cgroup quota, affinity and their count."""
    shares = [float(os.cpu_count() or 1), *_affinity()]
    shares += [quota for folder in _cgroups(root, "cpu") if (quota := _quota(folder))]
    return min(shares)


def cpu_threads(root: Path = ROOT) -> int:
    """Threads worth starting: the whole processors in `cpu_quota`, at least one.

    A thread for a fraction of a processor is throttled, and the others wait for it.
    """
    return max(1, int(cpu_quota(root)))


def memory_total() -> int | None:
    """Bytes of memory that the machine has; None where the system does not report it."""
    return _psutil(lambda psutil: int(psutil.virtual_memory().total))


def memory_limit(root: Path = ROOT) -> int:
    """Bytes this process may use: the machine's memory or a cgroup's limit; 0 where unknown."""
    limits = [memory_total(), *(limit for limit, _ in _memory_limits(root))]
    return min((limit for limit in limits if limit is not None), default=0)


def memory_available(root: Path = ROOT) -> int | None:
    """Bytes that can be allocated without swapping, within the cgroup's limit."""
    machine = _psutil(lambda psutil: int(psutil.virtual_memory().available))
    left = [machine, *(max(0, limit - used) for limit, used in _memory_limits(root))]
    return min((free for free in left if free is not None), default=None)


def resident_memory() -> int | None:
    """Bytes this process holds now."""
    return _psutil(lambda psutil: int(psutil.Process().memory_info().rss))


def peak_memory() -> int | None:
    """The most bytes this process ever held, or has since `reset_peak_memory`."""
    with suppress(ValueError, IndexError):
        return int(_field(Path("/proc/self/status"), "VmHWM").split()[0]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> bool:
    """Let `peak_memory` start again from now; False where the system cannot (all but Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return True
    return False


def keep_freed_memory() -> None:
    """Reuse freed memory: blocks up to 32 MiB come from the heap, which keeps 512 MiB.

    By default glibc returns the memory of an image or of a network's output as soon as it is freed,
    and allocates the next one's pages anew, which for a small network takes as long as reading the
    image. Does nothing for other C libraries (mallopt(3)).
    """
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 * _MIB)
        mallopt(_TRIM_THRESHOLD, 512 * _MIB)


def load_average() -> tuple[float, float, float] | None:
    """Runnable processes on the whole machine over 1, 5 and 15 minutes; None where unknown."""
    return _psutil(lambda psutil: psutil.getloadavg())


def governor(root: Path = ROOT) -> str | None:
    """The rule by which the system sets the clocks ("performance", "powersave"); None if hidden."""
    path = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    return _read(path).strip() or None


def clock_mhz() -> float | None:
    """Mean clock of all processors at this moment; None where the system hides it."""
    frequency = _psutil(lambda psutil: psutil.cpu_freq())
    return round(frequency.current, 1) if frequency and frequency.current else None


def temperature_celsius() -> float | None:
    """The hottest of the processor's sensors; None where the system has none."""
    sensors = _psutil(lambda psutil: psutil.sensors_temperatures()) or {}
    degrees = [
        reading.current
        for name, readings in sensors.items()
        for reading in readings
        if any(word in name.lower() for word in _CPU_SENSORS)
    ]
    return round(max(degrees), 1) if degrees else None


def momentary(root: Path = ROOT) -> dict[str, Any]:
    """What changes from moment to moment: load, clock, temperature, memory left."""
    load = load_average()
    return {
        "load_average": [round(value, 2) for value in load] if load else None,
        "clock_mhz": clock_mhz(),
        "temperature_celsius": temperature_celsius(),
        "memory_available": memory_available(root),
    }


def environment(root: Path = ROOT) -> dict[str, Any]:
    """All that is recorded with a measurement, as JSON; take it before the work starts."""
    features = cpu_features(root)
    return {
        "cpu": cpu_name(root),
        "architecture": platform.machine(),
        "virtual_machine": "hypervisor" in features,
        "cpu_count": os.cpu_count(),
        "cpu_quota": round(cpu_quota(root), 2),
        "features": sorted(features & NOTABLE),
        "governor": governor(root),
        "memory_total": memory_total(),
        "memory_limit": memory_limit(root),
        "os": platform.platform(),
        "python": platform.python_version(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        **momentary(root),
    }


def _cpuinfo(root: Path, key: str) -> str:
    return _field(root / "proc/cpuinfo", key)


def _field(path: Path, key: str) -> str:
    """The value of the first line `key: value` in a file; empty where there is none."""
    for line in _read(path).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value
    return ""


def _psutil(read: Callable[[Any], T]) -> T | None:
    """What psutil reads; None where this system has no such figure, or hides it."""
    import psutil

    try:
        return read(psutil)
    except Exception:  # of many kinds, by system
        return None


def _affinity() -> list[float]:
    try:
        return [float(len(os.sched_getaffinity(0)))]
    except (OSError, AttributeError):
        return []


def _cgroups(root: Path, controller: str) -> list[Path]:
    """Folders whose limits bind this process, its own and all above; of both cgroup versions."""
    folders: list[Path] = []
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, inner = rest.partition(":")
        if number == "0" and not names:
            tops = [mount, mount / "unified"]
        elif controller in names.split(","):
            tops = [mount / names, mount / controller]
        else:
            continue
        parts = [part for part in inner.split("/") if part and part != ".."]
        folders += [
            top.joinpath(*parts[:depth]) for top in tops for depth in range(len(parts), -1, -1)
        ]
    return folders


def _quota(folder: Path) -> float | None:
    words = _read(folder / "cpu.max").split()
    if len(words) < 2:
        words = [_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    quota, period = _number(words[0]), _number(words[1])
    return quota / period if quota and period and quota > 0 and period > 0 else None


def _memory_limits(root: Path) -> list[tuple[int, int]]:
    """(limit, bytes used without what the kernel can drop) of each cgroup that has a limit."""
    limits = []
    for folder in _cgroups(root, "memory"):
        limit = _number(_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes"))
        if limit is None or limit >= 1 << 60:
            continue
        used = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes")
        droppable = _statistic(folder, "total_inactive_file", "inactive_file")
        limits.append((int(limit), max(0, int((_number(used) or 0) - droppable))))
    return limits


def _statistic(folder: Path, *names: str) -> float:
    rows = [line.split() for line in _read(folder / "memory.stat").splitlines()]
    values = {row[0]: _number(row[1]) for row in rows if len(row) == 2}
    return next((value for name in names if (value := values.get(name)) is not None), 0.0)


def _is_mac(root: Path) -> bool:
    return root == ROOT and platform.system() == "Darwin"


@cache
def _sysctl(*arguments: str) -> str:
    command = ["sysctl", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
