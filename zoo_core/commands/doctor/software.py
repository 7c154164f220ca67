"""Checks of Python, packages, plugins, backends, registry and git."""

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
from zoo_core.errors import UsageError, first_line, raise_ctrl_c
from zoo_core.plugins.manager import KINDS
from zoo_core.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packaging.requirements import Requirement

    from zoo_core.api import Backend
    from zoo_core.plugins.manager import Plugins

CORE = "zoo-core"
_MIN_PYTHON = (3, 11)


def software_checks(plugins: Plugins) -> Iterator[Check]:
    """What is installed, and whether it is compatible."""
    yield _python()
    yield from _packages({plugin.distribution for plugin in plugins.plugins})
    yield from _plugins(plugins)
    yield from _backends(plugins)
    yield _registry(plugins)
    yield _git()
    yield _variables()


def _python() -> Check:
    bits = 64 if sys.maxsize > 1 << 32 else 32
    state = f"{platform.python_version()}, {bits} bits, in {sys.prefix}"
    is_fit = sys.version_info >= _MIN_PYTHON and bits == 64
    return Check("python", is_fit, state, "install a 64-bit Python 3.11 or later", needed=True)


def _packages(distributions: Iterable[str]) -> Iterator[Check]:
    """Every package that the core or a plugin requires, once."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    needs: dict[str, list[Requirement]] = {}
    for owner in sorted({CORE, *distributions} - {""}):
        for need in map(Requirement, _requires(owner)):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                need.marker = None
                needs.setdefault(canonicalize_name(need.name), []).append(need)
    for name in sorted(needs):
        yield _package(name, needs[name])


def _requires(distribution: str) -> list[str]:
    try:
        return metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []


def _package(name: str, needs: Sequence[Requirement]) -> Check:
    step = "pip install " + " ".join(f"'{need}'" for need in dict.fromkeys(map(str, needs)))
    if name == CORE:
        step = "pip install . in a checkout of zoo's repository"
    version = _version(name)
    unmet = _unmet(version, needs) if version else []
    state = f"{version}, but needs {' and '.join(unmet)}" if unmet else version or "not installed"
    return Check(f"package {name}", version is not None and not unmet, state, step, needed=True)


def _version(name: str) -> str | None:
    """The installed version; another distribution may provide the module."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "from another distribution" if find_spec(name.replace("-", "_")) else None


def _unmet(version: str, needs: Sequence[Requirement]) -> list[str]:
    """The requirements that a version does not meet; none for a version that is not comparable."""
    from packaging.version import InvalidVersion, Version

    try:
        installed = Version(version)
    except InvalidVersion:
        return []
    return [str(n) for n in needs if not n.specifier.contains(installed, prereleases=True)]


def _plugins(plugins: Plugins) -> Iterator[Check]:
    for kind in KINDS:
        plugins.all(kind)
    if not plugins.plugins:
        step = "install distributions with plugins: their names start with zoo-"
        yield Check("plugins", False, "none is installed", step, needed=True)
    for plugin in plugins.plugins:
        state = plugin.failure or f"{plugin.distribution} {plugin.version}".strip()
        step = f"reinstall it, or disable it: ZOO_DISABLE_PLUGINS={plugin.name}"
        yield Check(f"plugin {plugin.name}", plugin.failure is None, state, step, needed=True)


def _backends(plugins: Plugins) -> Iterator[Check]:
    usable = []
    for backend in plugins.backends().values():
        status = _probe(backend, plugins)
        usable += [backend.name] * status.ok
        state = (status.version or "available") if status.ok else status.reason
        yield Check(f"backend {backend.name}", status.ok, state, status.next_step)
        for device in status.devices:
            state = "available" if device.available else device.reason
            name = f"device {backend.name}/{device.id}"
            yield Check(name, device.available, state, status.next_step)
        yield from _diagnostics(backend)
    state = f"available: {', '.join(usable)}" if usable else "none is available"
    step = "follow the steps of one backend, or install a plugin whose backend needs no device"
    yield Check("backends", bool(usable), state, step, needed=True)


def _diagnostics(backend: Backend) -> Iterator[Check]:
    """The steps of a plugin's search for its device."""
    try:
        steps = list(backend.diagnostics()) if backend.diagnostics else []
    except BaseException as error:  # whatever a plugin raises
        raise_ctrl_c(error)
        state = f"the diagnostics failed: {type(error).__name__}: {first_line(error)}"
        yield Check(f"{backend.name}: diagnostics", False, state)
        return
    for item in steps:
        yield Check(f"{backend.name}: {item.name}", item.ok, item.state, item.next_step)


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
        return Check("registry", False, str(error), error.next, needed=True)
    state = f"{len(registry.models)} models in {', '.join(map(str, registry.files))}"
    return Check("registry", True, state, needed=True)


def _git() -> Check:
    path, step = shutil.which("git"), "install git; only `--source repo` needs it"
    if path is None:
        return Check("git", False, "not found", step)
    command = [path, "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("git", False, f"{path} does not run: {error}", step)
    return Check("git", True, done.stdout.strip().removeprefix("git version "))


def _variables() -> Check:
    pairs = sorted((name, value) for name, value in os.environ.items() if name[:4] == "ZOO_")
    state = " ".join(f"{name}={value}" for name, value in pairs)
    return Check("variables", True, state or "no ZOO_ variable is set")
