"""Garbage collection: unused results, folders of failed stages, caches of plugins."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zoo_core.pipeline.store import folder_bytes
from zoo_core.system.locks import held_or_none

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo_core.pipeline.store import Store

_DAY = 24 * 3600


def clean(
    store: Store, days: int, dry_run: bool, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Remove entries unused for `days` and leftovers older than a day; returns the report.

    With `days` 0 all are removed, except those that running commands use or write. `tell` hears
    which process it waits for.
    """
    before = min(time.time() - days * _DAY, store.used_since())
    removed: list[dict[str, Any]] = []
    remaining = 0
    for entry in store.entries():
        with suppress(FileNotFoundError):  # another process may clean up as well
            if store.last_used(entry) >= before:
                remaining += 1
                continue
            size = folder_bytes(entry.path) if dry_run else store.remove(entry.key, tell)
            removed.append({"name": entry.manifest["name"], "key": entry.key, "bytes": size})
    for path in store.broken():
        with suppress(FileNotFoundError):
            size = folder_bytes(path) if dry_run else store.remove(path.name, tell)
            removed.append({"name": "damaged", "key": path.name, "bytes": size})
    for path in store.leftovers(0 if days == 0 else _DAY):
        with store.unused(path) as free:
            if free and path.exists():
                removed.append({"name": path.name, "key": None, "bytes": folder_bytes(path)})
                if not dry_run:
                    shutil.rmtree(path, ignore_errors=True)
    return {"removed": removed, "kept": remaining, "bytes": sum(row["bytes"] for row in removed)}


def clean_claims(folder: Path) -> None:
    """Remove what commands that were killed have left of their claims to output folders."""
    for path in folder.glob("*.lock"):
        with suppress(OSError), held_or_none(path):  # the file goes with the lock
            pass


def clean_caches(root: Path, days: int, dry_run: bool) -> list[dict[str, Any]]:
    """Remove files neither written nor read for `days`; returns a row for each folder of `root`.

    A row has "name", "files" and "bytes" before, "removed" and "removed_bytes".
    """
    before = time.time() - days * _DAY
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    return [_clean_cache(folder, before if days else None, dry_run) for folder in folders]


def clean_environments(root: Path, days: int, dry_run: bool) -> list[dict[str, Any]]:
    """Remove virtual environments, each as a whole, that no export has used for `days`.

    One whose Python runs stays. Returns no row if there are none, else one as `clean_caches` does.
    """
    before = time.time() - days * _DAY
    row: dict[str, Any] = {"name": root.name, "files": 0, "bytes": 0, "removed": 0}
    row["removed_bytes"] = 0
    places = sorted(path for path in root.glob("*") if path.is_dir())
    for place in places:
        with held_or_none(root / f"{place.name}.lock") as free:
            files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
            size = sum(path.stat().st_size for path in files)
            row["files"], row["bytes"] = row["files"] + len(files), row["bytes"] + size
            record = place / "environment.json"
            used = (record if record.exists() else place).stat().st_mtime
            if not free or used > before or _runs(place):
                continue
            row["removed"] += len(files)
            row["removed_bytes"] += size
            if not dry_run:
                shutil.rmtree(place, ignore_errors=True)
    return [row] if places else []


def _runs(place: Path) -> bool:
    """Whether some process is a program of this folder."""
    import psutil

    lines = (process.info["cmdline"] or [""] for process in psutil.process_iter(["cmdline"]))
    return any(line and line[0].startswith(f"{place}/") for line in lines)


def _clean_cache(folder: Path, before: float | None, dry_run: bool) -> dict[str, Any]:
    sizes: list[int] = []
    removed: list[int] = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # its plugin may tidy up as well
            stat = path.lstat()
            if path.is_dir():
                continue
            sizes.append(stat.st_size)
            if before is not None and max(stat.st_mtime, stat.st_atime) > before:
                continue
            if not dry_run:
                path.unlink()
            removed.append(stat.st_size)
    return {
        "name": folder.name,
        "files": len(sizes),
        "bytes": sum(sizes),
        "removed": len(removed),
        "removed_bytes": sum(removed),
    }
