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

from zoo_core.errors import DataError, StageError
from zoo_core.system.file_cache import file_digests
from zoo_core.system.files import read_limited
from zoo_core.system.hashing import digest, file_digest
from zoo_core.system.locks import held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from filelock import BaseFileLock

MANIFEST = "manifest.json"
LOG = "log.txt"
_STALE_SECONDS = 24 * 3600
_UNFINISHED = ("work", "failed", "salvage")
_SMALL = 1 << 20


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

    def lock(self, key: str, tell: Callable[[str], None]) -> AbstractContextManager[None]:
        """Held by the one process that makes `key`; `tell` hears whom it waits for."""

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
        self.damaged: dict[str, tuple[str, str]] = {}
        """By key: stage and file of the entries that `get` found to differ from what was stored."""
        self._whole: dict[str, tuple[object, ...]] = {}
        self._in_use = False

    def get(self, key: str) -> Entry | None:
        """The entry, or None if it is missing, or differs from what was stored; see `damaged`.

        Each output is held against its digest: a file of up to 1 MiB each time, a larger one and
        those of a folder where size, inode or times have changed since they were digested last.
        """
        path = self.folder(key)
        if not (path / MANIFEST).exists():
            return None
        manifest = _manifest(path, key)
        if manifest is None:
            self.damaged[key] = (key[:12], MANIFEST)
            return None
        try:
            files = [file for name in manifest["outputs"] for file in _files(path / name)]
            stamps = tuple(map(_stamp, files))
            if self._whole.get(key) != stamps:
                wrong = _changed(path, manifest["outputs"])
                if wrong:
                    self.damaged[key] = (manifest.get("name", key[:12]), wrong)
                    return None
                self._whole[key] = stamps
        except (OSError, DataError) as error:
            place = error.where if isinstance(error, DataError) else error.filename
            self.damaged[key] = (manifest.get("name", key[:12]), Path(str(place)).name)
            return None
        return Entry(key, path, manifest)

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
            self.used_since()  # removes the locks of processes that were killed
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

    def lock(
        self, key: str, tell: Callable[[str], None] = lambda _: None
    ) -> AbstractContextManager[None]:
        """Held by the process that runs the stage of `key`; others wait for it; see `held`."""
        return held(self.root / "locks" / f"{key}.lock", tell)

    def work(self, key: str, name: str) -> Path:
        """A new folder for the stage of `key`, whose lock is held, beside the entries."""
        for left in (self.root / "work").glob(f"*-{key[:12]}-*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
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
        manifest["seal"] = _seal(manifest)
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
        """All finished entries; their outputs are not read."""
        for path in sorted((self.root / "entries").glob("*/*")):
            manifest = _manifest(path, path.name)
            if manifest:
                yield Entry(path.name, path, manifest)

    def broken(self) -> list[Path]:
        """Folders of entries whose manifest is missing or damaged."""
        folders = sorted((self.root / "entries").glob("*/*"))
        return [path for path in folders if _manifest(path, path.name) is None]

    def remove(self, key: str, tell: Callable[[str], None] = lambda _: None) -> int:
        """Remove an entry; returns the bytes it held. `tell` hears for whom it waits."""
        with self.lock(key, tell):
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


def _digests(files: list[Path]) -> list[str]:
    return [file_digest(file) for file in files]


def _end_use(lock: BaseFileLock) -> None:
    """Release the lock of a using process, and remove its file."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _manifest(path: Path, key: str) -> dict[str, Any] | None:
    """The manifest of an entry; None where it is not the one that was written for this key."""
    try:
        manifest = json.loads(read_limited(path / MANIFEST))
        whole = manifest["seal"] == _seal(manifest) and manifest["key"] == key
    except (DataError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return manifest if whole else None


def _seal(manifest: Mapping[str, Any]) -> str:
    """The digest of a manifest without its seal, as JSON gives it back."""
    return digest(json.loads(json.dumps({k: v for k, v in manifest.items() if k != "seal"})))


def _changed(path: Path, outputs: Mapping[str, Mapping[str, Any]]) -> str:
    """The first output that differs from what was stored; "" if none does."""
    for name, facts in outputs.items():
        output = path / name
        digests = _digests if facts["bytes"] <= _SMALL else file_digests
        if output.is_dir() != ("files" in facts) or _facts(output, digests) != facts:
            return name
    return ""


def _files(output: Path) -> list[Path]:
    return _inside(output) if output.is_dir() else [output]


def _inside(folder: Path) -> list[Path]:
    return sorted(item for item in folder.rglob("*") if item.is_file())


def _stamp(path: Path) -> tuple[object, ...]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


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


def _facts(path: Path, digests: Callable[[list[Path]], list[str]] = _digests) -> dict[str, Any]:
    if path.is_dir():
        files = _inside(path)
        names = [str(item.relative_to(path)) for item in files]
        tree = [list(pair) for pair in zip(names, digests(files), strict=True)]
        return {"bytes": folder_bytes(path), "files": len(files), "sha256": digest(tree)}
    return {"bytes": path.stat().st_size, "sha256": digests([path])[0]}
