"""What a file really is, told from its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 512
"""How many leading bytes `kind_of` wants to see."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive (PyTorch checkpoints are such)"),
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
_PICKLE_PROTOCOLS = (2, 3, 4, 5)
_PICKLE_OPCODES = b"\x8a\x95c}](\x8c"


def kind_of(head: bytes) -> str | None:
    """A phrase such as "an HTML page" for known leading bytes, None for anything else."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if is_html(head):
        return "an HTML page"
    if len(head) > 2 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS:
        return "a Python pickle" if head[2] in _PICKLE_OPCODES else None
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return "a JSON or XML text" if start in (b"{", b"<") and _is_text(head) else None


def is_html(head: bytes) -> bool:
    """Whether the leading bytes are those of a web page."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith(_HTML) or (text.startswith(b"<?xml") and b"<html" in text)


def read_head(path: Path) -> bytes:
    """The first `HEAD_BYTES` of a file; raises OSError."""
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _is_text(head: bytes) -> bool:
    return not any(byte < 9 for byte in head)
