"""The machine a run happens on: processor, shares of it, memory, clocks; nothing here raises.

Functions that read the kernel's files take `root`, the folder those files are below ("/").
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

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
_THERMAL = ("x86_pkg_temp", "cpu", "coretemp", "k10temp", "zenpower")


def cpu_features(root: Path = ROOT) -> frozenset[str]:
    """Instruction sets of the processor in Linux's spelling; empty where they are not told."""
    words = _cpuinfo(root, "flags") or _cpuinfo(root, "Features")
    if words:
        return frozenset(words.split())
    return parse_sysctl(_sysctl("hw.optional", "machdep.cpu")) if _is_mac(root) else frozenset()


def has_int8_dot(features: frozenset[str]) -> bool | None:
    """Whether int8 products are summed without a detour; None where no features are told."""
    return bool(features & INT8_SETS) if features else None


def parse_sysctl(text: str) -> frozenset[str]:
    """Instruction sets in macOS sysctl lines (`name: value`), in Linux's spelling."""
    found: set[str] = set()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        last = name.rpartition(".")[2].lower()
        if last in {"features", "leaf7_features"}:
            found |= {_INTEL_MAC.get(word, word) for word in value.lower().split()}
        elif name.startswith("hw.optional") and value.strip() == "1":
            found.add(_APPLE.get(last, last))
    return frozenset(found)


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


def memory_total(root: Path = ROOT) -> int | None:
    """Bytes of memory that the machine has; None where the system does not tell."""
    return _meminfo(root, "MemTotal") or _psutil_memory("total")


def memory_limit(root: Path = ROOT) -> int:
    """Bytes this process may use: the machine's memory or a cgroup's limit; 0 where not told."""
    limits = (limit for limit, _ in _memory_limits(root))
    return min([*_present(memory_total(root)), *limits], default=0)


def memory_available(root: Path = ROOT) -> int | None:
    """Bytes that can be had without swapping, within the cgroup's limit."""
    machine = _meminfo(root, "MemAvailable") or _psutil_memory("available")
    left = (max(0, limit - used) for limit, used in _memory_limits(root))
    return min([*_present(machine), *left], default=None)


def load_average() -> tuple[float, float, float] | None:
    """Runnable processes on the whole machine over 1, 5 and 15 minutes; None where not told."""
    try:
        return os.getloadavg()
    except (OSError, AttributeError):
        return None


def governor(root: Path = ROOT) -> str | None:
    """The rule by which the system sets the clocks ("performance", "powersave"); None if hidden."""
    path = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    return _read(path).strip() or None


def clock_mhz(root: Path = ROOT) -> float | None:
    """Mean clock of all processors at this moment; None where the system hides it."""
    pattern = "cpu[0-9]*/cpufreq/scaling_cur_freq"
    files = _glob(root / "sys/devices/system/cpu", pattern)
    clocks = [kilohertz / 1000 for path in files if (kilohertz := _number(_read(path)))]
    if not clocks:
        lines = _read(root / "proc/cpuinfo").splitlines()
        told = [line.partition(":")[2] for line in lines if line.startswith("cpu MHz")]
        clocks = [clock for text in told if (clock := _number(text))]
    return round(sum(clocks) / len(clocks), 1) if clocks else None


def temperature_celsius(root: Path = ROOT) -> float | None:
    """The hottest of the processor's sensors; None where the system shows none."""
    zones = [(path / "type", [path / "temp"]) for path in _glob(root / "sys/class/thermal", "*")]
    chips = _glob(root / "sys/class/hwmon", "*")
    zones += [(chip / "name", _glob(chip, "temp*_input")) for chip in chips]
    ours = [files for kind, files in zones if any(word in _read(kind).lower() for word in _THERMAL)]
    degrees = [milli / 1000 for files in ours for path in files if (milli := _number(_read(path)))]
    return round(max(degrees), 1) if degrees else None


def momentary(root: Path = ROOT) -> dict[str, Any]:
    """What changes from moment to moment: load, clock, temperature, memory left."""
    load = load_average()
    return {
        "load_average": [round(value, 2) for value in load] if load else None,
        "clock_mhz": clock_mhz(root),
        "temperature_celsius": temperature_celsius(root),
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
        "memory_total": memory_total(root),
        "memory_limit": memory_limit(root),
        "os": platform.platform(),
        "python": platform.python_version(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        **momentary(root),
    }


def _cpuinfo(root: Path, key: str) -> str:
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value
    return ""


def _meminfo(root: Path, key: str) -> int | None:
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        kibibytes = _number(value.strip().removesuffix("kB"))
        if name == key and kibibytes is not None:
            return int(kibibytes) * 1024
    return None


def _psutil_memory(field: str) -> int | None:
    try:
        import psutil

        return int(getattr(psutil.virtual_memory(), field))
    except (ImportError, OSError, RuntimeError, AttributeError):
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
    found = []
    for folder in _cgroups(root, "memory"):
        limit = _number(_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes"))
        if limit is None or limit >= 1 << 60:
            continue
        used = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes")
        droppable = _statistic(folder, "total_inactive_file", "inactive_file")
        found.append((int(limit), max(0, int((_number(used) or 0) - droppable))))
    return found


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


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _present(value: int | None) -> list[int]:
    return [] if value is None else [value]
