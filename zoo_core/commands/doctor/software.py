"""Python, packages, plugins, backends, registry and git."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from zoo_core.api import Availability
from zoo_core.commands.doctor.check import Check
from zoo_core.errors import UsageError, first_line
from zoo_core.plugins.manager import KINDS
from zoo_core.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo_core.api import Backend
    from zoo_core.plugins.manager import Plugins

CORE = "zoo-core"
_OLDEST = (3, 11)
_NAME_ENDS = " ;<>=!~[("


def software_checks(plugins: Plugins) -> Iterator[Check]:
    """What is installed, and whether it fits together."""
    yield _python()
    yield from _packages({plugin.distribution for plugin in plugins.plugins})
    yield from _plugins(plugins)
    yield from _backends(plugins)
    yield _registry(plugins)
    yield _git()
    yield _variables()


def _python() -> Check:
    bits = 64 if sys.maxsize > 1 << 32 else 32
    return Check(
        name="python",
        ok=sys.version_info >= _OLDEST and bits == 64,
        found=f"{platform.python_version()}, {bits} bits, in {sys.prefix}",
        next="install a 64-bit Python 3.11 or later",
        needed=True,
    )


def _packages(distributions: Iterable[str]) -> Iterator[Check]:
    """Every package that the core or a plugin requires, once."""
    wanted: dict[str, list[str]] = {}
    for owner in sorted({CORE, *distributions} - {""}):
        for need in _requirements(owner):
            wanted.setdefault(_name(need), []).append(need)
    for name, needs in sorted(wanted.items()):
        yield _package(name, list(dict.fromkeys(needs)))


def _requirements(distribution: str) -> list[str]:
    try:
        needs = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [need.partition(";")[0].strip() for need in needs if _applies(need.partition(";")[2])]


def _applies(marker: str) -> bool:
    if not marker.strip():
        return True
    try:
        from packaging.markers import Marker
    except ImportError:
        return False
    return bool(Marker(marker).evaluate({"extra": ""}))


def _name(need: str) -> str:
    end = next((at for at, letter in enumerate(need) if letter in _NAME_ENDS), len(need))
    return need[:end].lower().replace("_", "-")


def _package(name: str, needs: list[str]) -> Check:
    step = "pip install " + " ".join(f"'{need}'" for need in needs)
    version = _version(name)
    if version is None:
        return Check(
            name=f"package {name}", ok=False, found="not installed", next=step, needed=True
        )
    unmet = [need for need in needs if not _satisfies(version, need)]
    found = f"{version}, but needs {' and '.join(unmet)}" if unmet else version
    return Check(name=f"package {name}", ok=not unmet, found=found, next=step, needed=True)


def _version(name: str) -> str | None:
    """The installed version; another distribution may bring the module under its own name."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        module = name.replace("-", "_")
        return "from another distribution" if find_spec(module) else None


def _satisfies(version: str, need: str) -> bool:
    try:
        from packaging.requirements import Requirement
        from packaging.version import InvalidVersion
    except ImportError:
        return True
    try:
        return bool(Requirement(need).specifier.contains(version, prereleases=True))
    except InvalidVersion:
        return True


def _plugins(plugins: Plugins) -> Iterator[Check]:
    for kind in KINDS:
        try:
            plugins.all(kind)
        except UsageError as error:
            yield Check(name=f"{kind}s", ok=False, found=error.what, next=error.next, needed=True)
    if not plugins.plugins:
        step = "install plugins, such as zoo-onnxruntime"
        yield Check(name="plugins", ok=False, found="none is installed", next=step, needed=True)
    for plugin in plugins.plugins:
        yield Check(
            name=f"plugin {plugin.name}",
            ok=plugin.failure is None,
            found=plugin.failure or f"{plugin.distribution} {plugin.version}".strip(),
            next=f"reinstall it, or leave it out: ZOO_DISABLE_PLUGINS={plugin.name}",
            needed=True,
        )


def _backends(plugins: Plugins) -> Iterator[Check]:
    try:
        backends = plugins.all("backend")
    except UsageError:
        return
    usable = []
    for backend in backends.values():
        availability = _probe(backend, plugins)
        usable += [backend.name] * availability.ok
        yield Check(
            name=f"backend {backend.name}",
            ok=availability.ok,
            found=(availability.version or "available") if availability.ok else availability.reason,
            next=availability.next_step,
        )
        for device in availability.devices:
            yield Check(
                name=f"device {backend.name}/{device.id}",
                ok=device.available,
                found="available" if device.available else device.reason,
                next="" if device.available else availability.next_step,
            )
        yield from _diagnostics(backend)
    yield Check(
        name="backends",
        ok=bool(usable),
        found=f"available: {', '.join(usable)}" if usable else "none is available",
        next="pip install zoo-onnxruntime, which needs nothing but a processor",
        needed=True,
    )


def _diagnostics(backend: Backend) -> Iterator[Check]:
    """The steps of looking for a device, as its plugin takes them."""
    try:
        rungs = list(backend.diagnostics()) if backend.diagnostics else []
    except Exception as error:  # a plugin's any failure is survived
        found = f"its ladder failed: {type(error).__name__}: {first_line(error)}"
        yield Check(name=f"{backend.name}: ladder", ok=False, found=found)
        return
    for rung in rungs:
        name = f"{backend.name}: {rung.name}"
        yield Check(name=name, ok=rung.ok, found=rung.found, next=rung.next_step)


def _probe(backend: Backend, plugins: Plugins) -> Availability:
    for kind, name in (("compiler", backend.compiler), ("runtime", backend.runtime)):
        try:
            plugins.find(kind, name)
        except UsageError as error:
            return Availability(ok=False, reason=error.what, next_step=error.next)
    return backend.availability()


def _registry(plugins: Plugins) -> Check:
    try:
        registry = load_registry(plugins.registry_files())
    except UsageError as error:
        return Check(name="registry", ok=False, found=str(error), next=error.next, needed=True)
    found = f"{len(registry.models)} models in {', '.join(map(str, registry.files))}"
    return Check(name="registry", ok=True, found=found, needed=True)


def _git() -> Check:
    path = shutil.which("git")
    step = "install git; only `--source repo` needs it"
    if path is None:
        return Check(name="git", ok=False, found="not found", next=step)
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name="git", ok=False, found=f"{path} does not run: {error}", next=step)
    return Check(name="git", ok=True, found=done.stdout.strip().removeprefix("git version "))


def _variables() -> Check:
    told = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name[:4] == "ZOO_"]
    return Check(name="variables", ok=True, found=" ".join(told) or "no ZOO_ variable is set")
