"""Files on disk: replaced atomically, recognised by their first bytes, disk failures explained."""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEAD_BYTES = 512
"""Number of leading bytes that `kind_of` needs."""

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

    with TemporaryDirectory(".part", ".zoo-", parent, ignore_cleanup_errors=True) as name:
        yield Path(name)


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
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    rows = []
    for line in lines:
        with suppress(ValueError):
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


def read_head(path: Path) -> bytes:
    """The first `HEAD_BYTES` of a file; raises OSError."""
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)
