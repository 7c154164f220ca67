"""Archives from elsewhere, unpacked as if they were hostile."""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from zoo_core.errors import DataError
from zoo_core.system.files import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    Progress = Callable[[int, int], None]

_BLOCK = 1 << 20
_MOST_ENTRIES = 2_000_000
_ENCRYPTED = 0x1
_NEXT = "download the archive again from its source"
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)
"""What `zipfile` raises for bytes that are not a zip, besides an OSError that no file caused."""


_RATIO, _FREE_OF_RATIO = 200.0, 16 << 20
"""Largest ratio of unpacked to packed size, for what is larger than so many bytes unpacked."""

_SPARE = 64 << 20
"""Bytes of the disk that stay free."""


def unpack_zip(
    path: Path,
    target: Path,
    members: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Unpack a zip into the new folder `target`, which appears whole or not at all.

    `members` names the files wanted (all of them by default). `progress` is told bytes done and
    bytes in all. Names that lead out of the folder, links, devices, encrypted and doubled entries
    are refused before anything is written, as is an archive that would grow too much or fill the
    disk; entries that hold more than they declare, or other bytes than their checksum, end it too.
    All raise `DataError`. Every file gets plain permissions and the time of unpacking.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise DataError("exists already", where=str(target), next="remove it first")
    with temporary_folder(target.parent) as parent:
        tree = parent / target.name
        with _readable(path, target):
            tree.mkdir()
            with zipfile.ZipFile(path) as archive:
                entries = _chosen(archive, members, path)
                _check_sizes(entries, path, tree)
                _extract(archive, entries, tree, progress)
            tree.rename(target)
    return target


def list_zip(path: Path) -> dict[str, int]:
    """Names of the files in a zip and their sizes in bytes, checked as `unpack_zip` does."""
    with _readable(path, path), zipfile.ZipFile(path) as archive:
        return {entry.filename: entry.file_size for entry in _chosen(archive, None, path)}


def _chosen(
    archive: zipfile.ZipFile, members: Collection[str] | None, path: Path
) -> list[zipfile.ZipInfo]:
    entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        raise _refused(path, f"holds {len(entries):,} entries")
    files: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        _check_entry(entry, path)
        if entry.is_dir():
            continue
        if entry.filename in files:
            raise _refused(path, f"holds {entry.filename!r} twice")
        files[entry.filename] = entry
    _check_nesting(files, path)
    if members is None:
        return list(files.values())
    missing = sorted(set(members) - files.keys())
    if missing:
        raise DataError(f"lacks {missing[0]!r} ({len(missing)} missing)", where=str(path))
    return [files[name] for name in dict.fromkeys(members)]


def _check_entry(entry: zipfile.ZipInfo, path: Path) -> None:
    name = entry.orig_filename
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or set(name) & set("\\:\0"):
        raise _refused(path, f"holds the name {name!r}, which may lead elsewhere")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(path, f"holds {name!r}, which is a link or a device")
    if entry.flag_bits & _ENCRYPTED:
        raise _refused(path, f"holds {name!r}, which is encrypted")


def _check_nesting(files: Collection[str], path: Path) -> None:
    for name in files:
        for parent in PurePosixPath(name).parents:
            if str(parent) in files:
                raise _refused(path, f"holds {str(parent)!r} as a file and as a folder")


def _check_sizes(entries: list[zipfile.ZipInfo], path: Path, folder: Path) -> None:
    total = sum(entry.file_size for entry in entries)
    packed = min(sum(entry.compress_size for entry in entries), path.stat().st_size)
    if total > _FREE_OF_RATIO and total > _RATIO * max(packed, 1):
        raise _refused(path, f"would unpack {packed:,} bytes to {total:,}")
    free = shutil.disk_usage(folder).free
    if total + _SPARE > free:
        what = f"needs {total:,} bytes of disk, {free:,} are free"
        raise DataError(what, where=str(path), next=f"make room for {folder.parent.parent}")


def _extract(
    archive: zipfile.ZipFile,
    entries: list[zipfile.ZipInfo],
    folder: Path,
    progress: Progress | None,
) -> None:
    total, done = sum(entry.file_size for entry in entries), 0
    for entry in entries:
        place = folder / entry.filename
        place.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, place.open("xb") as stream:
            while block := source.read(_BLOCK):
                stream.write(block)
                done += len(block)
        size = place.stat().st_size
        if size != entry.file_size:
            raise zipfile.BadZipFile(f"{entry.filename!r} has {size} bytes")
        if progress is not None:
            progress(done, total)


def _refused(path: Path, why: str) -> DataError:
    return DataError(f"the archive is refused: it {why}", where=str(path), next=_NEXT)


@contextmanager
def _readable(path: Path, target: Path) -> Iterator[None]:
    """Turns what a damaged zip or the disk raises into one clear DataError."""
    try:
        yield
    except (*_DAMAGED, OSError) as error:
        raise _explained(error, path, target) from error
    except MemoryError as error:
        what = "asks for more memory than there is"
        raise DataError(what, where=str(path), next=_NEXT) from error


def _explained(error: Exception, path: Path, target: Path) -> DataError:
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            return DataError("the disk is full", where=str(target), next="make room and run again")
        if error.filename is not None or error.errno not in (None, errno.EINVAL):
            what = f"cannot be unpacked: {error.strerror}"
            return DataError(what, where=str(path), next=f"check {target}")
    why = getattr(error, "strerror", None) or str(error) or "it ends too early"
    return DataError(f"is not a valid zip: {why}", where=str(path), next=_NEXT)
