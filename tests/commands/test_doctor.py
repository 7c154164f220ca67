from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from importlib import import_module, metadata
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from zoo_core.api import Availability, Backend, Device, Provider
from zoo_core.api.hooks import hookimpl
from zoo_core.commands.doctor import Check, checks
from zoo_core.commands.doctor.machine import machine_checks
from zoo_core.commands.doctor.places import hosts, network_checks, place_checks
from zoo_core.commands.doctor.software import software_checks
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.system.paths import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

OK = Availability(
    ok=True,
    version="1.2",
    next_step="fetch the emulator",
    devices=(
        Device(id="cpu", available=True),
        Device(id="emulator", available=False, reason="no emulator here"),
    ),
)
MISSING = Availability(ok=False, reason="the SDK is missing", next_step="install the SDK")


def backend(probe: Callable[[], Availability], name: str = "here", runtime: str = "rt") -> Backend:
    return Backend(
        name=name, summary="", compiler="comp", runtime=runtime, precisions=("fp32",), probe=probe
    )


def plugin(name: str, *backends: Backend) -> ModuleType:
    def provide(what: str) -> Callable[[], Iterable[Provider[Any]]]:
        return hookimpl(lambda: [Provider(name=what, summary="", load=lambda: None)])

    module = ModuleType(name)
    module.zoo_compilers = provide("comp")  # type: ignore[attr-defined]
    module.zoo_runtimes = provide("rt")  # type: ignore[attr-defined]
    module.zoo_backends = hookimpl(lambda: list(backends))  # type: ignore[attr-defined]
    return module


def software(*modules: ModuleType) -> dict[str, Check]:
    return {check.name: check for check in software_checks(Plugins(modules))}


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def distribution(site: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    text = "\n".join(["Metadata-Version: 2.1", *lines, ""])
    write(site, {f"{name.replace('-', '_')}-{version}.dist-info/METADATA": text})


def test_an_available_backend_and_its_devices() -> None:
    by_name = software(plugin("zoo_a", backend(lambda: OK)))
    assert by_name["backend here"].ok
    assert by_name["backend here"].found == "1.2"
    assert by_name["device here/cpu"].ok
    emulator = by_name["device here/emulator"]
    assert (emulator.ok, emulator.found, emulator.next) == (
        False,
        "no emulator here",
        "fetch the emulator",
    )
    assert by_name["backends"].ok
    assert by_name["backends"].found == "available: here"


def test_an_unavailable_backend_is_advice_but_none_at_all_is_needed() -> None:
    by_name = software(plugin("zoo_a", backend(lambda: MISSING)))
    assert by_name["backend here"] == Check(
        name="backend here", ok=False, found="the SDK is missing", next="install the SDK"
    )
    assert not by_name["backends"].ok
    assert by_name["backends"].needed
    both = software(plugin("zoo_a", backend(lambda: MISSING), backend(lambda: OK, "other")))
    assert both["backends"].ok


def test_a_backend_whose_other_half_is_missing() -> None:
    by_name = software(plugin("zoo_a", backend(lambda: OK, runtime="elsewhere")))
    assert not by_name["backend here"].ok
    assert "no runtime 'elsewhere'" in by_name["backend here"].found


def test_a_probe_that_raises_is_reported_and_survived() -> None:
    def broken() -> Availability:
        raise RuntimeError("boom")

    by_name = software(plugin("zoo_a", backend(broken), backend(lambda: OK, "other")))
    assert by_name["backend here"].found == "the probe failed: RuntimeError: boom"
    assert by_name["backend other"].ok


def test_plugins_that_fail_are_named() -> None:
    newer = ModuleType("zoo_newer")
    newer.ZOO_API = 99  # type: ignore[attr-defined]
    raising = ModuleType("zoo_raising")
    raising.zoo_backends = hookimpl(lambda: 1 / 0)  # type: ignore[attr-defined]
    by_name = software(newer, raising, plugin("zoo_good", backend(lambda: OK)))
    assert "version 99 of the hooks" in by_name["plugin zoo_newer"].found
    assert "ZeroDivisionError" in by_name["plugin zoo_raising"].found
    assert "ZOO_DISABLE_PLUGINS=zoo_raising" in by_name["plugin zoo_raising"].next
    assert not by_name["plugin zoo_newer"].ok
    assert by_name["plugin zoo_newer"].needed
    assert by_name["plugin zoo_good"].ok


def test_two_plugins_of_one_name_are_reported() -> None:
    by_name = software(plugin("zoo_a", backend(lambda: OK)), plugin("zoo_b", backend(lambda: OK)))
    for name in ("plugin zoo_a", "plugin zoo_b"):
        assert "zoo_a and zoo_b" in by_name[name].found
        assert not by_name[name].ok
    apart = software(
        plugin("zoo_a", backend(lambda: OK)), plugin("zoo_b", backend(lambda: OK, "other"))
    )
    assert "compiler" in apart["plugin zoo_a"].found
    assert "zoo_a and zoo_b" in apart["backend here"].found


def test_no_plugins() -> None:
    by_name = software()
    assert not by_name["plugins"].ok
    assert not by_name["backends"].ok


def test_packages_are_those_that_the_core_and_the_plugins_require(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = ("aa>=1", "bb_b >=2,<3", "cc", "dd; extra == 'more'", "ee; python_version < '3'")
    distribution(tmp_path, "zoo-core", "0.1", needs)
    distribution(tmp_path, "zoo-a", "0.1", ("aa<5", "json", "zoo-core>=0.1,<0.2"))
    distribution(tmp_path, "aa", "7")
    distribution(tmp_path, "bb-b", "2.5")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *_without_site()])
    plugins = Plugins([plugin("zoo_a", backend(lambda: OK))])
    plugins.plugins[:] = [replace(item, distribution="zoo-a") for item in plugins.plugins]
    by_name = {check.name: check for check in software_checks(plugins)}
    assert by_name["package aa"].found == "7, but needs aa<5"
    assert by_name["package aa"].next == "pip install 'aa<5' 'aa>=1'"
    assert not by_name["package aa"].ok
    assert by_name["package bb-b"].ok
    assert by_name["package bb-b"].found == "2.5"
    assert (by_name["package cc"].ok, by_name["package cc"].found) == (False, "not installed")
    assert by_name["package cc"].needed
    assert by_name["package json"].found == "from another distribution"
    assert by_name["package zoo-core"].ok
    assert not {"package dd", "package ee"} & set(by_name)


def _without_site() -> list[str]:
    """The search path without what is installed; `packaging` is imported before it goes."""
    for module in ("requirements", "utils", "version"):
        import_module(f"packaging.{module}")
    return [entry for entry in sys.path if "site-packages" not in entry]


def test_what_is_installed_here_passes() -> None:
    by_name = software()
    assert by_name["python"].ok
    packages = [check for check in by_name.values() if check.name.startswith("package ")]
    assert [check for check in packages if not check.ok] == []
    for check in packages:
        assert check.found == metadata.version(check.name.removeprefix("package "))


VNNI = {"proc/cpuinfo": "model name : X\nflags : avx2 avx512f avx512_vnni\n"}


def machine(root: Path) -> dict[str, Check]:
    return {check.name: check for check in machine_checks(root)}


def test_instruction_sets_and_what_their_lack_means(tmp_path: Path) -> None:
    by_name = machine(write(tmp_path, VNNI))
    assert by_name["int8 instructions"].ok
    assert by_name["int8 instructions"].found == "avx512_vnni"
    assert not by_name["bf16 instructions"].ok
    assert "fp32" in by_name["bf16 instructions"].next
    by_name = machine(write(tmp_path, {"proc/cpuinfo": "flags : avx2 fma\n"}))
    lacking = by_name["int8 instructions"]
    assert not lacking.ok
    assert not lacking.needed
    assert "avx512_vnni" in lacking.found
    assert "saturate" in lacking.next


def test_a_system_that_reports_nothing_is_not_a_failure(tmp_path: Path) -> None:
    by_name = machine(tmp_path)
    assert by_name["int8 instructions"].ok
    assert "not reported" in by_name["int8 instructions"].found


def test_threads_and_memory_of_a_small_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    box = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/memory.max": f"{1 << 30}\n",
    }
    memory = SimpleNamespace(total=8 << 30, available=8 << 30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    by_name = machine(write(tmp_path, box))
    assert not by_name["threads"].ok
    assert by_name["threads"].found.startswith("1 on ")
    assert "limited to 0.5" in by_name["threads"].found
    assert "OMP_NUM_THREADS=3" in by_name["threads"].found
    assert (by_name["memory"].ok, by_name["memory"].found) == (
        False,
        "1.0 GiB of 1.0 GiB available",
    )
    roomy = write(tmp_path, {"sys/fs/cgroup/memory.max": "max\n"})
    assert machine(roomy)["memory"].found == "8.0 GiB of 8.0 GiB available"
    assert machine(roomy)["memory"].ok


def test_load_and_governor_are_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "getloadavg", lambda: (99.0, 1.0, 1.0))
    rule = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    by_name = machine(write(tmp_path, {rule: "powersave\n"}))
    assert not by_name["load"].ok
    assert not by_name["governor"].ok
    assert not by_name["load"].needed
    assert machine(write(tmp_path, {rule: "performance\n"}))["governor"].ok


def places() -> dict[str, Check]:
    return {check.name: check for check in place_checks()}


def test_caches_are_measured_and_nothing_is_made(zoo_home: Path) -> None:
    assert places()["cache folder"].ok
    assert not zoo_home.exists()
    (folder("downloads") / "file").write_bytes(b"x" * (3 << 20))
    by_name = places()
    assert by_name["cache downloads"].found == "3.0 MiB in 1 files"
    assert {path.name for path in (zoo_home / "downloads").iterdir()} == {"file"}


def test_large_caches_are_not_counted_to_the_end(
    zoo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_core.commands.doctor.places.MAX_FILES", 3)
    for number in range(5):
        (folder("store") / f"{number}").write_bytes(b"x" * 1024)
    assert places()["cache store"].found == "more than 0.0 MiB in more than 3 files"


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("ZOO_HOME", str(blocked))
    result = places()["cache folder"]
    assert not result.ok
    assert result.needed
    assert "ZOO_HOME" in result.next


@pytest.mark.parametrize(
    ("free", "ok", "needed"),
    [(100 << 20, False, True), (1 << 30, False, False), (9 << 30, True, False)],
)
def test_disk(
    zoo_home: Path, monkeypatch: pytest.MonkeyPatch, free: int, ok: bool, needed: bool
) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    result = places()["disk"]
    assert (result.ok, result.needed) == (ok, needed)
    assert str(zoo_home) in result.found


def test_each_host_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    expected = hosts(load_registry())
    assert expected
    queries: list[str] = []

    def reachable(url: str) -> bool:
        queries.append(url)
        return "github.com" in url

    results = list(network_checks(Plugins(), reachable))
    assert sorted(queries) == sorted(expected.values())
    assert [check.name for check in results] == [f"network {host}" for host in expected]
    assert {check.ok for check in results if check.name == "network github.com"} <= {True}
    assert all(check.ok == ("github.com" in expected[check.name[8:]]) for check in results)


def test_hosts_are_those_of_web_addresses_of_weights() -> None:
    registry = load_registry()
    model = next(model for model in registry.models.values() if model.weights)
    option = model.weights[0]
    source = next(iter(option.files.values()))
    urls = ("https://one.example/a", "https://one.example/b", "file:///tmp/x", None)
    files = {str(i): replace(source, url=url) for i, url in enumerate(urls)}
    changed = replace(model, weights=(replace(option, files=files),))
    assert list(hosts(Registry({"m": changed}, {}, ()))) == ["one.example"]


def test_offline_asks_nobody(zoo_home: Path) -> None:
    def never(url: str) -> bool:
        raise AssertionError(url)

    (result,) = network_checks(Plugins(), never)
    assert result.ok
    assert "ZOO_OFFLINE" in result.found


def test_a_broken_registry_is_reported(
    zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "mine.yaml"
    broken.write_text("schema: 1\nmodles: {}\n", encoding="utf-8")
    monkeypatch.setenv("ZOO_REGISTRY", str(broken))
    by_name = {check.name: check for check in checks(Plugins())}
    assert not by_name["registry"].ok
    assert by_name["registry"].needed
    assert "mine.yaml" in by_name["registry"].found


def test_git_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = software()["git"]
    assert (result.ok, result.found, result.needed) == (False, "not found", False)


def test_all_checks_are_json_unique_and_say_what_to_do(zoo_home: Path) -> None:
    results = checks(Plugins([plugin("zoo_a", backend(lambda: MISSING))]))
    rows = json.loads(json.dumps([asdict(check) for check in results]))
    assert all(set(row) == {"name", "ok", "found", "next", "needed"} for row in rows)
    assert all(row["found"] for row in rows)
    assert all(bool(row["next"]) != row["ok"] for row in rows)
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names))


def test_the_doctor_imports_nothing_heavy(zoo_home: Path) -> None:
    code = (
        "import sys\nfrom zoo_core.commands.doctor import checks\n"
        "from zoo_core.plugins.manager import Plugins\n"
        "checks(Plugins())\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "onnx", "onnxruntime", "cv2", "openvino", "pycocotools"}
    assert not heavy & set(done.stdout.split())
