"""One attempt to bring the bytes of a URL that are still missing."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import ssl
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from zoo_core.errors import DataError
from zoo_core.system.files import is_html

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from io import FileIO

    from zoo_core.api import Progress
    from zoo_core.system.sources.part import Part

    States = dict[str, hashlib._Hash]

_BLOCK = 1 << 18
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST = 30.0
_MOST_DIGITS = 18
_RETRY = "run the same command again: it goes on where it stopped"


class TransientError(Exception):
    """An attempt failed in a way that the next one may not; `wait` is the server's wish in s."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.reason = reason
        self.wait = wait
        super().__init__(reason)


class Response(Protocol):
    """What urllib answers, as far as it is used here."""

    headers: Message
    status: int | None

    def read1(self, size: int, /) -> bytes:
        """At most `size` bytes, as soon as there are any; empty at the end."""

    def close(self) -> None:
        """Give the connection back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How to fetch `part`: expected size in bytes (None: unknown), and whether HTML is wanted.

    `blind` allows going on with bytes of a server that does not name versions; only sensible
    where a digest is checked in the end.
    """

    part: Part
    size: int | None
    blind: bool
    html: bool
    timeout: float
    progress: Progress

    def attempt(self, algorithms: tuple[str, ...]) -> dict[str, str]:
        """Fetch what is missing; returns hexadecimal digests of all bytes.

        Raises `TransientError` where another attempt makes sense, `DataError` elsewhere.
        """
        states = {name: hashlib.new(name) for name in algorithms}
        validator = self.part.validator()
        offset = self.part.size if validator or (validator == "" and self.blind) else 0
        response = self._open(offset, validator or "")
        if response is None:
            self._take_in(states)
        else:
            try:
                self._receive(response, offset, states)
            except (OSError, http.client.HTTPException) as error:
                raise TransientError(_reason(error)) from error
            finally:
                response.close()
        return {name: state.hexdigest() for name, state in states.items()}

    def _open(self, offset: int, validator: str) -> Response | None:
        """The answer; None where the server says that nothing is missing."""
        request = urllib.request.Request(self.part.url, headers=_headers(offset, validator))
        try:
            return _opener().open(request, timeout=self.timeout)  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and _ends_at(offset, error.headers):
                    return None
                raise self._refused(error, offset) from error
        except urllib.error.URLError as error:
            raise self._failed(error.reason) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failed(error) from error

    def _refused(self, error: urllib.error.HTTPError, offset: int) -> Exception:
        reason = f"HTTP {error.code} {' '.join(str(error.reason).split())}"
        if error.code == 416 and offset:
            self.part.discard()
            return TransientError("the server has another version now", wait=0.0)
        if error.code in _TRANSIENT:
            wait = _number(error.headers.get("Retry-After", ""))
            return TransientError(reason, None if wait is None else min(float(wait), _LONGEST))
        return self._error(f"cannot be downloaded: {reason}", "check the address")

    def _failed(self, reason: object) -> Exception:
        lasting = ssl.SSLCertVerificationError, FileNotFoundError, PermissionError, ValueError
        local = not self.part.url.startswith(("http:", "https:"))
        if local or isinstance(reason, lasting):
            return self._error(f"cannot be downloaded: {_reason(reason)}", "check the address")
        return TransientError(_reason(reason))

    def _accept(self, response: Response, offset: int) -> tuple[int, int | None]:
        """Where the answer's bytes begin and where they will end; looks before any is kept."""
        headers = response.headers
        if not self.html and headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise self._page()
        if headers.get("Content-Encoding", "identity") != "identity":
            raise self._error("is sent compressed, which was not asked for", "use another source")
        begin, total = 0, _number(headers.get("Content-Length", ""))
        if response.status == 206:
            begin, total = _range(headers.get("Content-Range", ""))
            if begin != offset:
                self.part.discard()
                raise TransientError("the server sent another part than was asked for", wait=0.0)
        if None not in (self.size, total) and self.size != total:
            self.part.discard()
            raise self._error(
                f"has {total:,} bytes at its source, expected {self.size:,}",
                "check whether the source has a new version",
            )
        if begin == 0:
            with self._kept():
                self.part.begin(headers)
        self._check_disk((total or begin) - begin)
        return begin, total

    def _receive(self, response: Response, offset: int, states: States) -> None:
        done, total = self._accept(response, offset)
        if done:
            self._take_in(states)
        end = total if total is not None else self.size
        with self._kept(), self.part.path.open("ab", buffering=0) as stream:
            while block := response.read1(_BLOCK):
                if done == 0 and not self.html and is_html(block):
                    raise self._page()
                done += len(block)
                if end is not None and done > end:
                    self.part.discard()
                    raise self._error(f"is longer than {end:,} bytes", "check the source")
                _write(stream, block)
                for state in states.values():
                    state.update(block)
                self.progress(done, end or done, self.part.path.stem)
        if end is not None and done < end:
            raise TransientError(f"the connection ended at {done:,} of {end:,} bytes")

    def _take_in(self, states: States) -> None:
        with self.part.path.open("rb") as stream:
            while states and (block := stream.read(_BLOCK)):
                for state in states.values():
                    state.update(block)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full() from error
            if error.errno in (errno.EACCES, errno.EROFS, errno.EFBIG, errno.EISDIR):
                what = f"cannot be written: {error.strerror}"
                raise DataError(what, where=str(self.part.path), next="check the folder") from error
            raise

    def _check_disk(self, needed: int) -> None:
        if needed > shutil.disk_usage(self.part.path.parent).free:
            raise self._full()

    def _full(self) -> DataError:
        return DataError(
            "the disk is full", where=str(self.part.path), next=f"make room, then {_RETRY}"
        )

    def _page(self) -> DataError:
        self.part.discard()
        return self._error(
            "gives an HTML page where a file is expected",
            "open it in a browser and bring the file by hand: zoo fetch MODEL --from-file FILE",
        )

    def _error(self, what: str, next_step: str) -> DataError:
        return DataError(what, where=self.part.url, next=next_step)


def _headers(offset: int, validator: str) -> dict[str, str]:
    headers = {"User-Agent": "zoo", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    if offset and validator:
        headers["If-Range"] = validator
    return headers


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.FileHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _ends_at(offset: int, headers: Message) -> bool:
    return offset > 0 and headers.get("Content-Range", "") == f"bytes */{offset}"


def _write(stream: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[stream.write(rest) :]


def _range(text: str) -> tuple[int, int | None]:
    """First byte and total of "bytes 5-9/10"; (-1, None) for anything else."""
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    first = _number(span.partition("-")[0])
    if unit != "bytes" or first is None:
        return -1, None
    return first, _number(total)


def _number(text: str) -> int | None:
    """The whole number that a header holds; None for any other text, such as "²"."""
    sensible = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if sensible else None


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
