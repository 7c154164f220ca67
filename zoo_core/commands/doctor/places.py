"""Checks of folders, disk, caches, and the hosts of published files."""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.commands.doctor.check import GIB, Check, gibibytes
from zoo_core.errors import UsageError
from zoo_core.registry import Registry, load_registry
from zoo_core.system.paths import home
from zoo_core.system.terminal import host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo_core.plugins.manager import Plugins

MAX_FILES = 20_000
"""Files of a cache to count before its size is reported as "more than"."""

_MIN_DISK = GIB // 2
_RECOMMENDED_DISK = 4 * GIB
_FREE_SPACE = (
    "free space, move ZOO_HOME, or zoo gc: a full-size model and its data take about 4 GiB"
)
_NO_NETWORK = (
    "set HTTPS_PROXY if there is a proxy, or import files by hand: zoo fetch --from-file; "
    "without either, runs use the bundled sample"
)


def place_checks() -> Iterator[Check]:
    """Whether zoo can write its folders, and how full disk and caches are."""
    cache = home()
    yield _writable("cache folder", cache, "set ZOO_HOME to a folder that can be written")
    yield _writable("run folder", Path.cwd(), "go to a folder that can be written, or use --output")
    yield _disk(cache)
    try:
        folders = sorted(path for path in cache.iterdir() if path.is_dir())
    except OSError:
        folders = []
    for path in folders:
        yield Check(f"cache {path.name}", True, _size(path))


def network_checks(
    plugins: Plugins, reachable: Callable[[str], bool] | None = None
) -> Iterator[Check]:
    """Whether each host in the registry answers; all are tried at once."""
    from zoo_core.system.download import network_reachable, offline

    if offline():
        yield Check("network", True, "not used: ZOO_OFFLINE is set")
        return
    try:
        urls = hosts(load_registry(plugins.registry_files()))
    except UsageError:
        return
    with ThreadPoolExecutor(max(1, len(urls)), "doctor") as threads:
        answers = list(threads.map(reachable or network_reachable, urls.values()))
    for name, answer in zip(urls, answers, strict=True):
        state = "reachable" if answer else "does not answer"
        yield Check(f"network {name}", answer, state, _NO_NETWORK)


def hosts(registry: Registry) -> dict[str, str]:
    """One URL for each host from which cards download weights."""
    options = [option for card in registry.models.values() for option in card.weights]
    sources = [source for option in options for source in option.files.values()]
    urls = sorted({source.url for source in sources if source.url}, reverse=True)
    by_host = {host_of(url): url for url in urls if url.startswith(("http:", "https:"))}
    return dict(sorted(by_host.items()))


def _writable(name: str, path: Path, step: str) -> Check:
    try:
        with tempfile.TemporaryFile(dir=_existing(path)) as stream:
            stream.write(b"\0")
    except OSError as error:
        return Check(name, False, f"{path}: {error.strerror}", step, needed=True)
    return Check(name, True, str(path), needed=True)


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest existing one above it."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))


def _disk(path: Path) -> Check:
    try:
        free = shutil.disk_usage(_existing(path)).free
    except OSError as error:
        return Check("disk", False, f"{path}: {error.strerror}")
    state, is_short = f"{gibibytes(free)} free at {path}", free < _MIN_DISK
    return Check("disk", free >= _RECOMMENDED_DISK, state, _FREE_SPACE, needed=is_short)


def _size(folder: Path) -> str:
    size = count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if count == MAX_FILES:
                return f"more than {gibibytes(size)} in more than {count:,} files"
            count += 1
            try:
                size += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return f"{gibibytes(size)} in {count:,} files"
