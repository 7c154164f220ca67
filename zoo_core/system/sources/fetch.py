"""Downloads: patience with servers, none with wrong bytes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock

from zoo_core.errors import DataError
from zoo_core.system.hashing import file_digest
from zoo_core.system.sources.part import Part
from zoo_core.system.sources.reach import offline
from zoo_core.system.sources.transfer import Transfer, TransientError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import Progress, Source

_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to bear with a server.

    `timeout` is in seconds without a byte; `attempts` counts failures in a row that brought
    nothing new; `pause` is the first wait between them in seconds, which then doubles.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


_PATIENCE = Patience()


def download(
    source: Source, target: Path, progress: Progress, patience: Patience = _PATIENCE
) -> Path:
    """Bring `source.url` to `target` unless it is there already; returns `target`.

    Bytes collect in `<target>.part`, which a later call goes on with, after a crash or Ctrl-C too.
    Size and digests are the source's where it states them; a file that differs is removed and
    raises `DataError` with both values, as do a page of HTML, a refusal, a full disk, and a server
    that stays silent. Two processes that want one file wait for each other. `progress` is told
    bytes.
    """
    url = source.url
    if url is None:
        where = f" (where to get it: {source.by_hand.rstrip('.')})" if source.by_hand else ""
        step = f"bring it by `zoo fetch MODEL --from-file FILE`{where}"
        raise DataError(f"{source.name} cannot be downloaded", next=step)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(target.name + ".lock")):
        if target.is_file() and not _differences(
            source, target.stat().st_size, _seen(source, target)
        ):
            return target
        if offline() and not url.startswith("file:"):
            step = "unset it, or: zoo fetch MODEL --from-file FILE"
            raise DataError("cannot be downloaded: ZOO_OFFLINE is set", where=url, next=step)
        part = Part(target.with_name(target.name + ".part"), url)
        digests = _fetch(_transfer(source, part, patience, progress), _wanted(source), patience)
        wrong = _differences(source, part.size, digests)
        if wrong:
            part.discard()
            step = "the bytes are removed; run again, and check the source if this repeats"
            raise DataError(f"is not the expected file: {wrong}", where=url, next=step)
        _flush(part.path)
        part.finish(target)
    return target


def _transfer(source: Source, part: Part, patience: Patience, progress: Progress) -> Transfer:
    return Transfer(
        part=part,
        size=source.size,
        blind=source.sha256 is not None,
        html=source.name.lower().endswith((".html", ".htm")),
        timeout=patience.timeout,
        progress=progress,
    )


def _fetch(transfer: Transfer, algorithms: tuple[str, ...], patience: Patience) -> dict[str, str]:
    part = transfer.part
    failures, furthest = 0, part.size
    while True:
        try:
            return transfer.attempt(algorithms)
        except TransientError as error:
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures >= patience.attempts:
                raise DataError(
                    f"cannot be downloaded: {error.reason} ({failures} attempts)",
                    where=part.url,
                    next="check the network and run again: it goes on where it stopped",
                ) from error
            pause = min(patience.pause * 2 ** (failures - 1), _LONGEST_PAUSE)
            wait = pause if error.wait is None else error.wait
            transfer.progress(part.size, transfer.size or part.size, f"waiting: {error.reason}")
        time.sleep(wait)


def _wanted(source: Source) -> tuple[str, ...]:
    return tuple(name for name in ("sha256", "md5") if getattr(source, name) is not None)


def _seen(source: Source, path: Path) -> dict[str, str]:
    return {name: file_digest(path, name) for name in _wanted(source)}


def _differences(source: Source, size: int, digests: dict[str, str]) -> str:
    if source.size is not None and size != source.size:
        return f"{size:,} bytes, expected {source.size:,}"
    for name, actual in digests.items():
        expected = getattr(source, name).lower()
        if actual != expected:
            return f"{name} {actual}, expected {expected}"
    return ""


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
