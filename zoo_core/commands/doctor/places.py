"""Folders, disk, caches, and the hosts that published files come from."""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo_core.commands.doctor.check import GIB, Check, gibibytes
from zoo_core.errors import UsageError
from zoo_core.registry import Registry, load_registry
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo_core.plugins.manager import Plugins

MOST_FILES = 20_000
"""Files of a cache that are counted before its size is given as "more than"."""

_DISK_FOR_SAMPLE = GIB // 2
_DISK_FOR_COCO = 4 * GIB
_NO_NETWORK = (
    "set HTTPS_PROXY if there is a proxy, or bring files by hand: zoo fetch --from-file; "
    "without either, runs take the bundled sample"
)


def place_checks() -> Iterator[Check]:
    """Whether there is room, and where zoo may write."""
    cache, here = home(), Path.cwd()
    yield _writable("cache folder", cache, "point ZOO_HOME to a folder that can be written")
    yield _writable("run folder", here, "go to a folder that can be written, or give --output")
    yield _disk(cache)
    for path in _folders(cache):
        yield Check(name=f"cache {path.name}", ok=True, found=_size(path))


def network_checks(
    plugins: Plugins, reachable: Callable[[str], bool] | None = None
) -> Iterator[Check]:
    """Whether each host that the registry names answers; all are asked at once."""
    from zoo_core.system.download import network_reachable, offline

    if offline():
        yield Check(name="network", ok=True, found="not used: ZOO_OFFLINE is set")
        return
    try:
        urls = hosts(load_registry(plugins.registry_files()))
    except UsageError:
        return
    ask = reachable or network_reachable
    with ThreadPoolExecutor(max(1, len(urls)), "doctor") as threads:
        answers = list(threads.map(ask, urls.values()))
    for name, answer in zip(urls, answers, strict=True):
        found = "reachable" if answer else "does not answer"
        yield Check(name=f"network {name}", ok=answer, found=found, next=_NO_NETWORK)


def hosts(registry: Registry) -> dict[str, str]:
    """One URL for each host from which cards take weights."""
    sources = [
        source
        for card in registry.models.values()
        for option in card.weights
        for source in option.files.values()
    ]
    urls = sorted({source.url for source in sources if source.url}, reverse=True)
    found = {urlsplit(url).netloc: url for url in urls if url.startswith(("http:", "https:"))}
    return dict(sorted(found.items()))


def _writable(name: str, path: Path, step: str) -> Check:
    try:
        with tempfile.TemporaryFile(dir=_existing(path)) as stream:
            stream.write(b"\0")
    except OSError as error:
        return Check(name=name, ok=False, found=f"{path}: {error.strerror}", next=step, needed=True)
    return Check(name=name, ok=True, found=str(path), needed=True)


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))


def _disk(path: Path) -> Check:
    try:
        free = shutil.disk_usage(_existing(path)).free
    except OSError as error:
        return Check(name="disk", ok=False, found=f"{path}: {error.strerror}")
    return Check(
        name="disk",
        ok=free >= _DISK_FOR_COCO,
        found=f"{gibibytes(free)} free at {path}",
        next="free space, move ZOO_HOME, or zoo gc: COCO and a full-size model take about 4 GiB",
        needed=free < _DISK_FOR_SAMPLE,
    )


def _folders(cache: Path) -> list[Path]:
    try:
        return sorted(path for path in cache.iterdir() if path.is_dir())
    except OSError:
        return []


def _size(folder: Path) -> str:
    size = count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if count == MOST_FILES:
                return f"more than {gibibytes(size)} in more than {count:,} files"
            count += 1
            try:
                size += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return f"{gibibytes(size)} in {count:,} files"
