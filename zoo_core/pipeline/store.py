"""The store of finished stages by key; entries appear atomically, checked and complete."""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4
from weakref import finalize

from zoo_core.errors import StageError
from zoo_core.system.hashing import digest, file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from filelock import BaseFileLock

MANIFEST = "manifest.json"
LOG = "log.txt"
_STALE_SECONDS = 24 * 3600
_UNFINISHED = ("work", "failed", "salvage")
_NO_MANIFEST = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished stage: its folder and its manifest."""

    key: str
    path: Path
    manifest: Mapping[str, Any]


class StageStore(Protocol):
    """What runs plans asks of a store; its places are paths of the process that asks."""

    root: Path

    def use(self) -> None:
        """Keep what is used from now on, as long as the store is held."""

    def get(self, key: str) -> Entry | None:
        """The finished entry, or None."""

    def touch(self, entry: Entry) -> None:
        """Note that a run has used the entry."""

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Held by the one process that makes `key`."""

    def work(self, key: str, name: str) -> Path:
        """A fresh folder to make `key` in."""

    def work_folder(self, name: str) -> Path:
        """The folder that `work` has made, by its name."""

    def folder(self, key: str) -> Path:
        """Where an entry lies, whether it is there or not."""

    def resume_dir(self, key: str) -> Path:
        """Where a stage may keep what it has finished, should the rest fail."""

    def commit(
        self, key: str, work: Path, outputs: tuple[str, ...], facts: dict[str, Any]
    ) -> Entry:
        """Take the work folder in as the entry of `key`."""

    def keep_failed(self, work: Path) -> Path:
        """Move a failed stage's folder aside, where a person can look at it."""


class Store:
    """A folder of entries that several processes may use at once; see `StageStore`."""

    def __init__(self, root: Path) -> None:
        """`root` is created on first use."""
        self.root = root
        self._in_use = False

    def get(self, key: str) -> Entry | None:
        """The entry, or None if it is missing or any of its files is missing or truncated."""
        path = self.folder(key)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            outputs = manifest["outputs"].items()
            complete = all(_is_complete(path / name, facts) for name, facts in outputs)
        except (FileNotFoundError, NotADirectoryError, *_NO_MANIFEST):
            return None
        return Entry(key, path, manifest) if complete else None

    def use(self) -> None:
        """Keep other processes from removing entries used from now on, while this object exists.

        Does nothing if the folder cannot be written: nothing can be removed from it then.
        """
        from filelock import FileLock

        if self._in_use:
            return
        folder = self.root / "users"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{uuid4().hex}.lock")
            lock.acquire()
            finalize(self, _end_use, lock)
            self._in_use = True

    def used_since(self) -> float:
        """Start time of the oldest process that uses the store now; infinite if there is none."""
        from filelock import FileLock, Timeout

        starts = [math.inf]
        for path in (self.root / "users").glob("*.lock"):
            with suppress(FileNotFoundError):  # its process has ended meanwhile
                start = path.stat().st_mtime
                try:
                    _end_use(FileLock(path, timeout=0).acquire().lock)
                except Timeout:
                    starts.append(start)
        return min(starts)

    def touch(self, entry: Entry) -> None:
        """Record that a run has used the entry; `zoo gc` removes entries not used for long."""
        with suppress(OSError):
            os.utime(entry.path / MANIFEST)

    def last_used(self, entry: Entry) -> float:
        """Time of the last use by a run, in seconds since the epoch."""
        return (entry.path / MANIFEST).stat().st_mtime

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Held by the process that runs the stage of `key`; others wait for it."""
        from filelock import FileLock

        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            yield

    def work(self, key: str, name: str) -> Path:
        """A new folder for the stage of `key` to write to, beside the entries."""
        path = self.work_folder(f"{name}-{key[:12]}-{uuid4().hex[:8]}")
        path.mkdir(parents=True)
        return path

    def work_folder(self, name: str) -> Path:
        """A folder returned by `work`, by its name."""
        return self.root / "work" / name

    def resume_dir(self, key: str) -> Path:
        """Where a stage may keep finished parts in case it fails; not created here."""
        return self.root / "salvage" / key

    def commit(
        self, key: str, work: Path, outputs: tuple[str, ...], facts: dict[str, Any]
    ) -> Entry:
        """Check that `outputs` exist, write the manifest, rename the folder into place.

        Raises StageError for a missing or an undeclared output.
        """
        _check_outputs(work, outputs)
        manifest = {**facts, "key": key, "outputs": {name: _facts(work / name) for name in outputs}}
        text = json.dumps(manifest, indent=1, sort_keys=True)
        (work / MANIFEST).write_text(text, encoding="utf-8")
        path = self.folder(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._discard(path)
        work.rename(path)
        return Entry(key, path, manifest)

    def keep_failed(self, work: Path) -> Path:
        """Move a failed stage's folder to where a person can inspect it."""
        target = self.root / "failed" / work.name
        target.parent.mkdir(parents=True, exist_ok=True)
        work.rename(target)
        return target

    def entries(self) -> Iterator[Entry]:
        """All finished entries."""
        for path in sorted((self.root / "entries").glob("*/*")):
            entry = self.get(path.name)
            if entry:
                yield entry

    def remove(self, key: str) -> int:
        """Remove an entry; returns the bytes it held."""
        with self.lock(key):
            path = self.folder(key)
            size = folder_bytes(path)
            self._discard(path)
        return size

    def leftovers(self, older_than: float = _STALE_SECONDS) -> list[Path]:
        """Folders of unfinished stages in which nothing has changed for `older_than` seconds.

        Their stages failed, were killed, or run now: see `unused`.
        """
        before = time.time() - older_than
        folders = [path for name in _UNFINISHED for path in (self.root / name).glob("*")]
        return [path for path in folders if _last_changed(path) < before]

    @contextmanager
    def unused(self, leftover: Path) -> Iterator[bool]:
        """Whether no process runs the leftover's stage; if so, none can start it in the block."""
        from filelock import FileLock, Timeout

        with ExitStack() as locks:
            try:
                for path in self._locks(leftover):
                    locks.enter_context(FileLock(path, timeout=0))
                free = True
            except (Timeout, PermissionError):
                free = False
            yield free

    def _discard(self, path: Path) -> None:
        """Rename an entry away, so that no process sees a partial one, then delete it."""
        if path.exists():
            aside = self.root / "work" / f"removed-{uuid4().hex[:8]}"
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _locks(self, leftover: Path) -> list[Path]:
        """Lock files of the keys that a leftover may have; names in `work` hold part of a key."""
        start = leftover.name.split("-")[-2:][0]
        return sorted((self.root / "locks").glob(f"{start}*.lock"))

    def folder(self, key: str) -> Path:
        """The folder of an entry, whether it exists or not."""
        return self.root / "entries" / key[:2] / key


def _end_use(lock: BaseFileLock) -> None:
    """Release the lock of a using process, and remove its file."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _is_complete(path: Path, facts: Mapping[str, Any]) -> bool:
    """Whether an output exists; a file must have its original size."""
    status = path.stat()
    return stat.S_ISDIR(status.st_mode) or status.st_size == facts["bytes"]


def folder_bytes(path: Path) -> int:
    """Bytes of all files below a folder; files removed meanwhile are skipped."""
    return sum(status.st_size for status in _stats(path) if stat.S_ISREG(status.st_mode))


def _last_changed(path: Path) -> float:
    """Newest modification time in a folder, in seconds since the epoch; infinite if missing."""
    return max((status.st_mtime for status in _stats(path)), default=float("inf"))


def _stats(path: Path) -> Iterator[os.stat_result]:
    """Status of a folder and of everything below it; what is removed meanwhile is skipped."""
    for folder, _, names in os.walk(path):
        for item in (Path(folder), *(Path(folder, name) for name in names)):
            with suppress(FileNotFoundError):
                yield item.stat()


def _check_outputs(work: Path, outputs: Sequence[str]) -> None:
    for name in outputs:
        if not (work / name).exists():
            raise StageError(f"output '{name}' is missing", where=str(work))
    extra = {path.name for path in work.iterdir()} - {Path(n).parts[0] for n in outputs} - {LOG}
    if extra:
        raise StageError(f"undeclared output {', '.join(sorted(extra))}", where=str(work))


def _facts(path: Path) -> dict[str, Any]:
    if path.is_dir():
        files = sorted(item for item in path.rglob("*") if item.is_file())
        tree = [[str(item.relative_to(path)), file_digest(item)] for item in files]
        return {"bytes": folder_bytes(path), "files": len(files), "sha256": digest(tree)}
    return {"bytes": path.stat().st_size, "sha256": file_digest(path)}
