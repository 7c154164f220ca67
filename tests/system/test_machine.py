from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest

from zoo_core.system.machine import (
    clock_mhz,
    cpu_features,
    cpu_name,
    cpu_quota,
    cpu_threads,
    environment,
    governor,
    has_int8_dot,
    memory_available,
    memory_limit,
    memory_total,
    momentary,
    parse_sysctl,
    resident_memory,
    temperature_celsius,
)

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

HERE = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 1.0


Clock = Sensor = SimpleNamespace


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_features_are_the_first_processors_flags(tmp_path: Path) -> None:
    text = "processor : 0\nflags\t\t: fpu avx2 avx512_vnni\n\nprocessor : 1\nflags : other\n"
    assert cpu_features(write(tmp_path, {"proc/cpuinfo": text})) == {"fpu", "avx2", "avx512_vnni"}


def test_features_of_arm(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/cpuinfo": "Features : fp asimd asimddp\n"})
    assert has_int8_dot(cpu_features(root)) is True


def test_unknown_features_are_not_missing_ones(tmp_path: Path) -> None:
    assert cpu_features(tmp_path) == frozenset()
    assert has_int8_dot(frozenset()) is None
    assert has_int8_dot(frozenset({"avx2"})) is False
    assert has_int8_dot(frozenset({"avx_vnni"})) is True


def test_quota_is_the_affinity_where_no_cgroup_limits(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) == HERE


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 0.5),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "25000 100000\n"}, 0.25),
        ({"proc/self/cgroup": "0::/gone\n", "sys/fs/cgroup/cpu.max": "75000 100000\n"}, 0.75),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, HERE),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/x\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "20000\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            0.2,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            HERE,
        ),
    ],
)
def test_quota_of_cgroups(tmp_path: Path, files: dict[str, str], quota: float) -> None:
    assert cpu_quota(write(tmp_path, files)) == quota


def test_memory_is_the_lowest_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) == psutil.virtual_memory().total
    root = write(
        tmp_path, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}
    )
    assert memory_limit(root) == 1048576


def test_memory_of_the_first_cgroups(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/p\n",
        "sys/fs/cgroup/memory/p/memory.limit_in_bytes": "2097152\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    assert memory_limit(write(tmp_path, files)) == 2097152


def test_this_machine_grants_something() -> None:
    assert 0 < cpu_quota() <= HERE
    assert memory_limit() > 1 << 20


def test_threads_are_whole_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "370000 100000\n"}
    assert cpu_threads(write(tmp_path, files)) == 3
    assert cpu_threads(write(tmp_path, {"sys/fs/cgroup/cpu.max": "40000 100000\n"})) == 1
    assert cpu_threads(write(tmp_path, {"sys/fs/cgroup/cpu.max": "max 100000\n"})) == 8


MEMINFO = """MemTotal: 4194304 kB
MemFree: 1 kB
MemAvailable: 3145728 kB
Buffers: 0 kB
Cached: 0 kB
Shmem: 0 kB
Active: 0 kB
Inactive: 0 kB
"""


def test_memory_available_is_bound_by_what_the_cgroup_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, {"proc/meminfo": MEMINFO})
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(root / "proc"))
    assert memory_total() == memory_limit(root) == 4 << 30
    assert memory_available(root) == 3 << 30
    group = {
        "proc/self/cgroup": "0::/box\n",
        "sys/fs/cgroup/box/memory.max": f"{2 << 30}\n",
        "sys/fs/cgroup/box/memory.current": f"{1 << 30}\n",
        "sys/fs/cgroup/box/memory.stat": f"anon 5\ninactive_file {1 << 29}\nodd line here\n",
    }
    write(tmp_path, group)
    assert memory_total() == 4 << 30
    assert memory_limit(root) == 2 << 30
    assert memory_available(root) == (2 << 30) - (1 << 30) + (1 << 29)


def test_names_of_processors(tmp_path: Path) -> None:
    text = "model\t\t: 17\nmodel name\t: Fast CPU: 2\n"
    assert cpu_name(write(tmp_path, {"proc/cpuinfo": text})) == "Fast CPU: 2"
    assert cpu_name(tmp_path / "nothing")


def test_apples_names_become_linuxs() -> None:
    arm = "hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0\nhw.optional.neon: 1"
    assert parse_sysctl(arm) == {"asimddp", "neon"}
    intel = "machdep.cpu.features: FPU AVX1.0\nmachdep.cpu.leaf7_features: AVX2 AVX512VNNI\n"
    assert parse_sysctl(intel) == {"fpu", "avx", "avx2", "avx512_vnni"}


def test_the_governor_is_the_first_processor_s(tmp_path: Path) -> None:
    assert governor(tmp_path) is None
    path = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    assert governor(write(tmp_path, {path: "powersave\n"})) == "powersave"


def test_the_clock_is_the_processors_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks: list[Clock | None] = [Clock(current=1250.04), Clock(current=0.0), None]
    monkeypatch.setattr(psutil, "cpu_freq", lambda: clocks.pop(0))
    assert [clock_mhz() for _ in range(3)] == [1250.0, None, None]


def test_temperature_is_that_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    sensors = {
        "acpitz": [Sensor(current=99.0)],
        "coretemp": [Sensor(current=51.0), Sensor(current=50.0)],
        "k10temp": [Sensor(current=52.54)],
        "nvme": [Sensor(current=80.0)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors, raising=False)
    assert temperature_celsius() == 52.5
    monkeypatch.setattr(psutil, "sensors_temperatures", dict, raising=False)
    assert temperature_celsius() is None
    monkeypatch.delattr(psutil, "sensors_temperatures")
    assert temperature_celsius() is None


@pytest.mark.parametrize("error", [OSError, NotImplementedError, KeyError, psutil.AccessDenied])
def test_what_psutil_cannot_read_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error

    for name in ("virtual_memory", "cpu_freq", "sensors_temperatures", "getloadavg"):
        monkeypatch.setattr(psutil, name, fail, raising=False)
    monkeypatch.setattr(psutil.Process, "memory_info", fail)
    assert memory_limit(tmp_path) == 0
    assert resident_memory() is None
    assert momentary(tmp_path) == {
        "load_average": None,
        "clock_mhz": None,
        "temperature_celsius": None,
        "memory_available": None,
    }


def test_environment_is_json_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = json.loads(json.dumps(environment()))
    assert found["variables"]["OMP_NUM_THREADS"] == "7"
    assert found["cpu_quota"] == pytest.approx(cpu_quota(), abs=0.01)
    assert set(found["features"]) <= cpu_features()
    assert {"cpu", "os", "python", "load_average", "clock_mhz", "governor"} <= set(found)


@pytest.mark.parametrize(
    "junk", ["", "\0\xff", "nan", "a b c", ": :\n0::/../x\n7:cpu\n", "-1 0", "inf inf"]
)
def test_nothing_raises_whatever_the_kernel_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, junk: str
) -> None:
    names = (
        "proc/cpuinfo proc/meminfo proc/self/cgroup sys/fs/cgroup/cpu.max sys/fs/cgroup/memory.max "
        "sys/fs/cgroup/memory.stat sys/fs/cgroup/memory.current "
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    )
    root = write(tmp_path, dict.fromkeys(names.split(), junk))
    write(tmp_path, {"proc/meminfo": f"MemTotal: {junk} kB\nMemAvailable: {junk}\n"})
    write(tmp_path, {"proc/self/cgroup": f"0::/\n{junk}\n"})
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(root / "proc"))
    assert 0 < environment(root)["cpu_quota"] <= HERE


def test_the_module_imports_nothing_heavy() -> None:
    code = "import sys, zoo_core.system.machine; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "psutil", "yaml", "torch", "cv2"} & set(done.stdout.split())


_PROGRAM = """
import resource, sys
import numpy as np
from zoo_core.system.machine import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(24 << 20, np.uint8) for _ in range(4)]
    del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(*(faults() for _ in range(8)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc's way with memory is known here")
def test_memory_that_was_freed_is_used_again() -> None:
    later = {}
    for how in ("plain", "kept"):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True
        )
        later[how] = sum(int(word) for word in done.stdout.split()[1:])
    assert later["kept"] < 0.01 * later["plain"]


def test_verbs_that_run_a_plan_keep_memory(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    class CalledError(Exception):
        pass

    def called() -> None:
        raise CalledError

    monkeypatch.setattr("zoo_core.system.machine.keep_freed_memory", called)
    with pytest.raises(CalledError):
        zoo("plan", "toy-detector")
