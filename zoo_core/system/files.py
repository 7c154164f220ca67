"""Files on disk: replaced atomically, recognised by their first bytes, disk failures explained."""

from __future__ import annotations

import codecs
import errno
import fcntl
import json
import math
import os
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from zoo_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zipfile import ZipFile, ZipInfo

    from numpy.typing import NDArray

HEAD_BYTES = 512
"""Number of leading bytes that `kind_of` needs."""

MOST_BYTES = 1 << 30
"""Bytes of a file that are read at once, unless its reader names a lower limit."""

_FOLDER_AGE, _FILE_AGE = 1.0, 60.0
"""Seconds until a temporary folder is held by its process, and until a file is surely replaced."""

_DEFLATED = 1100
"""Bytes that one byte of a zip file holds at most."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG})

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive (PyTorch checkpoints are zip files)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf'\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)
_IRREGULAR = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins like it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_AS_UTF8 = "save it as UTF-8"
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<!--")
_BLANKS = b"\xef\xbb\xbf \t\r\n"
_PICKLE_PROTOCOLS = (2, 3, 4, 5)
_PICKLE_OPCODES = b"\x8a\x95c}](\x8c"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; the file written there replaces `path` on success.

    Readers see the old file or the complete new one. Where the block fails the old file stays and
    the temporary one is removed. A symbolic link, a device or a pipe (/dev/stdout) cannot be
    replaced without losing what it stands for: the block then gets `path` itself.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        yield path
        return
    temporary = path.with_name(f".zoo-{os.urandom(4).hex()}.part")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A new folder inside `parent`, removed at the end with what is still in it. Raises OSError."""
    from tempfile import TemporaryDirectory

    with (
        TemporaryDirectory(".part", ".zoo-", parent, ignore_cleanup_errors=True) as name,
        _held(Path(name)),
    ):
        yield Path(name)


def remove_leftovers(folder: Path) -> None:
    """Remove what `replacing` and `temporary_folder` of processes that were killed left there."""
    import shutil

    for path in folder.glob(".zoo-*.part"):
        with suppress(OSError), _opened(path) as number:
            status = os.fstat(number)
            age = time.time() - status.st_mtime
            if stat.S_ISDIR(status.st_mode) and age > _FOLDER_AGE:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its process lives
                shutil.rmtree(path, ignore_errors=True)
            elif stat.S_ISREG(status.st_mode) and age > _FILE_AGE:
                path.unlink()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """In the block, `remove_leftovers` of other processes spares the folder."""
    with _opened(path) as number:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        yield number
    finally:
        os.close(number)


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically, as UTF-8; surrogates of file names are escaped."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def add_json_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append an object to a journal in one short write, so that processes do not mix lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a journal, the oldest first, without lines that were cut off.

    A full disk or a killed process leaves such lines. Empty where there is no file.
    """
    try:
        lines = read_limited(path).decode("utf-8", "replace").splitlines()
    except DataError:
        return []
    rows = []
    for line in lines:
        with suppress(ValueError, RecursionError):
            rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict)]


def copy_file(source: Path, target: Path) -> None:
    """Replace `target` atomically by a copy of `source` with its permissions."""
    import shutil

    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
        shutil.copymode(source, temporary)


def is_disk_full(error: BaseException) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


def is_disk_error(error: BaseException) -> bool:
    """Whether the disk is full or may not be written; a log would add nothing to that."""
    return isinstance(error, OSError) and error.errno in _FULL | _REFUSED


@contextmanager
def disk_errors(where: Path, next: str = "free space, or move ZOO_HOME") -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into one clear DataError."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DataError("the disk is full", where=str(where), next=next) from error
        if error.errno in _REFUSED:
            place = str(error.filename or where)
            step = "check its rights, or name another place"
            what = f"cannot be written: {error.strerror}"
            raise DataError(what, where=place, next=step) from error
        raise


def kind_of(head: bytes) -> str | None:
    """A phrase such as "an HTML page" for known leading bytes, None for anything else."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if is_html(head):
        return "an HTML page"
    if len(head) > 2 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS:
        return "a Python pickle" if head[2] in _PICKLE_OPCODES else None
    is_markup = head.lstrip(_BLANKS).startswith((b"{", b"<")) and min(head) >= 9
    return "a JSON or XML text" if is_markup else None


def is_html(head: bytes) -> bool:
    """Whether the leading bytes are those of a web page."""
    text = head.lstrip(_BLANKS).lower()
    return text.startswith(_HTML) or (text.startswith(b"<?xml") and b"<html" in text)


def check_regular(path: Path) -> os.stat_result:
    """The status of a file; raises DataError for what cannot be read to its end.

    Missing files, folders, pipes (reading waits for a writer) and devices (/dev/zero has no end).
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a zero byte in the name is a ValueError
        raise _unreadable(path, error) from error
    for is_kind, kind in _IRREGULAR:
        if is_kind(status.st_mode):
            raise DataError(f"is {kind}, not a file", where=str(path), next="name a file")
    return status


def read_limited(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file of at most `most` bytes; raises DataError for anything else."""
    size = check_regular(path).st_size
    try:
        with path.open("rb") as stream:
            data = stream.read(size + 1) if size <= most else b""
    except OSError as error:
        raise _unreadable(path, error) from error
    if max(size, len(data)) > most:
        what = f"has {max(size, len(data)):,} bytes, more than {most:,}"
        raise DataError(what, where=str(path), next="check whether it is the right file")
    return data


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file: UTF-8, or what its byte-order mark says, which is left out.

    Raises DataError as `read_limited`, and with the likely encoding of other text.
    """
    data = read_limited(path, most)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding.startswith("utf-8") and b"\0" in data:
        what = "contains zero bytes: it is not text, or UTF-16 without a byte-order mark"
        raise DataError(what, where=str(path), next=_AS_UTF8)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_text(error, path) from error


def not_text(error: UnicodeDecodeError, path: Path) -> DataError:
    """The error for bytes that are not in their encoding, which may be Latin-1."""
    found = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
    what = f"is damaged {error.encoding.upper()} text ({found})"
    if error.encoding.startswith("utf-8"):
        what = f"is not UTF-8 text ({found}); it may be Latin-1 or Windows-1252"
    return DataError(what, where=str(path), next=_AS_UTF8)


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"cannot be read: {reason}", where=str(path))


def read_head(path: Path, count: int = HEAD_BYTES) -> bytes:
    """The first bytes of a file, `count` at most; raises DataError as `check_regular`."""
    check_regular(path)
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise _unreadable(path, error) from error


def read_npz(path: Path, next: str = "") -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name; headers are checked before memory is taken.

    Raises DataError for what is not a whole .npz of plain arrays.
    """
    import zipfile

    check_regular(path)
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            return {
                item.filename.removesuffix(".npy"): _array(archive, item)
                for item in archive.infolist()
            }
    except _npz_errors() as error:
        what = f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise DataError(what, where=str(path), next=next) from error


def _array(archive: ZipFile, item: ZipInfo) -> NDArray[Any]:
    import numpy as np

    if item.file_size > _DEFLATED * item.compress_size:
        raise ValueError(f"{item.filename} says that it is larger than it can be")
    with archive.open(item) as stream:
        size = _bytes_of(stream)
    if size > item.file_size:
        raise ValueError(f"{item.filename} promises {size:,} bytes and has {item.file_size:,}")
    with archive.open(item) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _bytes_of(stream: IO[bytes]) -> int:
    """How many bytes the header of an array promises."""
    import numpy as np

    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in headers:
        raise ValueError(f"format {version} is not supported")
    shape, _, dtype = headers[version](stream)
    if min(shape, default=0) < 0:
        raise ValueError(f"shape {shape}")
    return math.prod(shape) * dtype.itemsize


def _npz_errors() -> tuple[type[Exception], ...]:
    """What zipfile, zlib and NumPy raise for damaged files."""
    import struct
    import tokenize
    import zipfile
    import zlib

    return (
        *(OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, SyntaxError),
        *(MemoryError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
    )
