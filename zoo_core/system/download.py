"""Downloads that resume, are verified, and appear complete or not at all; network reachability."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from zoo_core.errors import DataError
from zoo_core.system.files import disk_errors, is_html
from zoo_core.system.hashing import file_digest
from zoo_core.system.locks import held
from zoo_core.system.terminal import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from urllib3 import BaseHTTPResponse

    Progress = Callable[[float, float, str], object]
    """Called with bytes done, bytes in all and a note."""

_BLOCK = 1 << 18
_MAX_WAIT = 30.0
_MAX_REDIRECTS = 10
_DIGITS = "[0-9]{1,18}"
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED_BY_PROXY = frozenset({403, 407, 502, 503, 504})
_WEB = ("http", "https")
_RESUME = "run the same command again: it resumes where it stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of a file before it is downloaded: bytes and hexadecimal digests."""

    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def mismatch(self, path: Path) -> str:
        """How the file differs, with both values; empty where it does not."""
        size = path.stat().st_size
        if self.size not in (None, size):
            return f"{size:,} bytes, expected {self.size:,}"
        for name, digest in (("sha256", self.sha256), ("md5", self.md5)):
            if digest is not None and (actual := file_digest(path, name)) != digest.lower():
                return f"{name} {actual}, expected {digest.lower()}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to give up on a server.

    `timeout` is in seconds without a byte; `attempts` counts consecutive failures that brought no
    new bytes; `pause` is the first wait between them in seconds, which then doubles.
    """

    timeout: float = 30.0
    attempts: int = 5
    pause: float = 1.0


_ANY, _POLICY = Expected(), RetryPolicy()


def download(
    url: str,
    target: Path,
    progress: Progress,
    expected: Expected = _ANY,
    policy: RetryPolicy = _POLICY,
) -> Path:
    """Download `url` (http, https or file) to `target` unless it is there; returns `target`.

    Bytes collect in `<target>.part`, which a later call resumes, also after a crash or Ctrl-C. Two
    processes that download to the same path wait for each other. Raises `DataError` for a file
    that differs from `expected` (it is removed), an HTML page where `target` is not one, a refusal,
    a full disk, and a server that stays silent.
    """
    with held(target.with_name(target.name + ".lock"), lambda text: progress(0.0, 1.0, text)):
        if target.is_file() and not expected.mismatch(target):
            return target
        if offline() and not url.startswith("file:"):
            step = "unset it, or: zoo fetch MODEL --from-file FILE"
            raise DataError(
                "cannot be downloaded: ZOO_OFFLINE is set", where=masked(url), next=step
            )
        part = PartialFile(target.with_name(target.name + ".part"), url)
        html = target.suffix.lower() in (".html", ".htm")
        _retry(_Transfer(part, expected, html, policy.timeout, progress), policy)
        mismatch = expected.mismatch(part.path)
        if mismatch:
            part.discard()
            step = "the bytes are removed; run again, and check the source if this repeats"
            raise DataError(f"is not the expected file: {mismatch}", where=masked(url), next=step)
        part.finish(target)
    return target


@contextmanager
def downloaded(
    url: str, target: Path, progress: Progress, expected: Expected = _ANY
) -> Iterator[Path]:
    """`target`, brought by `download`; the block may use it, move it or remove it.

    Blocks of other processes for the same path wait, so that it stays there until this one ends.
    """
    lock = target.with_name(f"{target.name}.held.lock")
    with held(lock, lambda text: progress(0.0, 1.0, text)):
        yield download(url, target, progress, expected)


def offline() -> bool:
    """Whether ZOO_OFFLINE forbids the network."""
    return os.environ.get("ZOO_OFFLINE", "0").strip() not in ("", "0")


def network_reachable(url: str, timeout: float = 5.0) -> bool:
    """Whether the http or https host of `url` answers within `timeout` seconds in all.

    Any HTTP answer counts, but for one by which a proxy says that it will not or cannot. Proxy
    variables are heeded. A name server that hangs cannot hold this up: the attempt runs in a
    daemon thread that is abandoned.
    """
    import threading

    if offline():
        return False
    answers: list[bool] = []
    thread = threading.Thread(
        target=lambda: answers.append(_answers(url, timeout)), daemon=True, name="zoo-reachable"
    )
    thread.start()
    thread.join(timeout)
    return bool(answers and answers[0])


@dataclass(frozen=True, slots=True)
class PartialFile:
    """An unfinished download: its bytes in `path`, and beside it a record of their version."""

    path: Path
    url: str

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self) -> str | None:
        """ETag or date of the bytes' version, "" where the server states none.

        None where there is nothing to resume.
        """
        try:
            record = json.loads(self._record.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not (self.size and isinstance(record, dict) and record.get("url") == masked(self.url)):
            return None
        return str(record.get("validator") or "")

    def begin(self, headers: Mapping[str, str]) -> None:
        """Drop earlier bytes and record the version of the ones to come."""
        tag = headers.get("ETag") or ""
        validator = tag if tag.startswith('"') else headers.get("Last-Modified") or ""
        self.path.unlink(missing_ok=True)
        self._record.write_text(json.dumps({"url": masked(self.url), "validator": validator}))

    def discard(self) -> None:
        """Remove the bytes and their record."""
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Move the bytes to `target` in one step, once they are on the disk."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(target)
        self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.path.with_name(self.path.name + ".json")


@dataclass(eq=False)
class _TransientError(Exception):
    """An attempt failed in a way that the next one may not; `wait` in s is the server's."""

    reason: str
    wait: float | None = None


def _retry(transfer: _Transfer, policy: RetryPolicy) -> None:
    part = transfer.part
    failures, furthest = 0, part.size
    while True:
        try:
            return transfer.attempt()
        except _TransientError as error:
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures >= policy.attempts:
                what = f"cannot be downloaded: {error.reason} ({failures} attempts)"
                step = f"check the network, then {_RESUME}"
                raise DataError(what, where=masked(part.url), next=step) from error
            pause = min(policy.pause * 2 ** (failures - 1), _MAX_WAIT)
            wait = pause if error.wait is None else error.wait
            note = f"waiting: {error.reason}"
            transfer.progress(part.size, transfer.expected.size or part.size, note)
        time.sleep(wait)


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One file on its way; `html` is whether a web page is the file to be downloaded."""

    part: PartialFile
    expected: Expected
    html: bool
    timeout: float
    progress: Progress

    def attempt(self) -> None:
        """Download the missing bytes.

        Bytes of a server that states no version are resumed only where a digest is checked in the
        end. Raises `_TransientError` where another attempt makes sense, `DataError` elsewhere.
        """
        import urllib3

        validator = self.part.validator()
        unversioned = validator == "" and self.expected.sha256 is not None
        offset = self.part.size if validator or unversioned else 0
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and validator:
            headers["If-Range"] = validator
        try:
            with self._response(headers) as response:
                end = response.headers.get("Content-Range", "") if response.status == 416 else ""
                if not offset or end != f"bytes */{offset}":
                    self._check_status(response, offset)
                    self._receive(response, offset)
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise self._failure(_root_cause(error)) from error

    @contextmanager
    def _response(self, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        """The answer after at most 10 redirects from one web address to another."""
        url = self.part.url
        if url.startswith("file:"):
            with _local(url) as response:
                yield response
            return
        for _ in range(_MAX_REDIRECTS):
            with _request("GET", url, headers, self.timeout) as response:
                location = response.get_redirect_location()
                if not location:
                    yield response
                    return
                url = urljoin(url, location)
                if urlsplit(url).scheme not in _WEB:
                    raise self._refusal(f"HTTP {response.status} redirects to {url}")
        raise self._refusal(f"more than {_MAX_REDIRECTS} redirects")

    def _check_status(self, response: BaseHTTPResponse, offset: int) -> None:
        status = response.status
        if 200 <= status < 300:
            return
        reason = f"HTTP {status} {' '.join((response.reason or '').split())}"
        if status == 416 and offset:
            self.part.discard()
            raise _TransientError("the server has another version now", wait=0.0)
        if status in _TRANSIENT:
            wait = _number(response.headers.get("Retry-After", ""))
            raise _TransientError(reason, None if wait is None else min(float(wait), _MAX_WAIT))
        raise self._refusal(reason)

    def _check_headers(self, response: BaseHTTPResponse, offset: int) -> tuple[int, int | None]:
        """Where the answer's bytes begin and where they end, before any of them is kept."""
        headers = response.headers
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not self.html and kind in ("text/html", "application/xhtml+xml"):
            raise self._page()
        if headers.get("Content-Encoding", "identity") != "identity":
            raise self._error("is sent compressed although not requested", "use another source")
        begin, total = 0, _number(headers.get("Content-Length", ""))
        if response.status == 206:
            begin, total = _range(headers.get("Content-Range", ""))
            if begin != offset:
                self.part.discard()
                raise _TransientError("the server sent another range than requested", wait=0.0)
        if None not in (self.expected.size, total) and self.expected.size != total:
            self.part.discard()
            what = f"has {total:,} bytes at its source, expected {self.expected.size:,}"
            raise self._error(what, "check whether the source has a new version")
        return begin, total

    def _receive(self, response: BaseHTTPResponse, offset: int) -> None:
        done, total = self._check_headers(response, offset)
        end = total if total is not None else self.expected.size
        with disk_errors(self.part.path, next=f"free space, then {_RESUME}"):
            if done == 0:
                self.part.begin(response.headers)
            self._check_space((total or done) - done)
            with self.part.path.open("ab") as stream:
                while block := response.read1(_BLOCK, decode_content=False):
                    if done == 0 and not self.html and is_html(block):
                        raise self._page()
                    done += len(block)
                    if end is not None and done > end:
                        self.part.discard()
                        raise self._error(f"is longer than {end:,} bytes", "check the source")
                    stream.write(block)
                    stream.flush()
                    self.progress(done, end or done, self.part.path.stem)
        if end is not None and done < end:
            raise _TransientError(f"the connection ended at {done:,} of {end:,} bytes")

    def _check_space(self, needed: int) -> None:
        if needed > shutil.disk_usage(self.part.path.parent).free:
            step = f"free space, then {_RESUME}"
            raise DataError("the disk is full", where=str(self.part.path), next=step)

    def _failure(self, cause: BaseException) -> Exception:
        import ssl

        local = FileNotFoundError, IsADirectoryError, PermissionError
        lasting = (*local, ssl.SSLCertVerificationError, ValueError)
        if self.part.url.startswith("file:") or isinstance(cause, lasting):
            return self._refusal(_reason(cause))
        return _TransientError(_reason(cause))

    def _page(self) -> DataError:
        self.part.discard()
        step = "open it in a browser and import the file: zoo fetch MODEL --from-file FILE"
        return self._error("is an HTML page where a file is expected", step)

    def _refusal(self, reason: str) -> DataError:
        return self._error(f"cannot be downloaded: {reason}", "check the address")

    def _error(self, what: str, step: str) -> DataError:
        return DataError(masked(what), where=masked(self.part.url), next=step)


@contextmanager
def _request(
    method: str, url: str, headers: Mapping[str, str], timeout: float
) -> Iterator[BaseHTTPResponse]:
    """The answer to one request, by the proxy that the environment names; no redirect, no retry."""
    import urllib3

    if urlsplit(url).scheme not in _WEB:
        raise ValueError(f"unknown url type: {urlsplit(url).scheme or url}")
    proxy = _proxy(url)
    manager = (
        urllib3.ProxyManager(proxy, proxy_headers=_authorization(proxy))
        if proxy
        else urllib3.PoolManager()
    )
    with manager:
        response = manager.request(
            method,
            url,
            headers={"User-Agent": "zoo", "Accept-Encoding": "identity", **headers},
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            redirect=False,
            retries=False,
            preload_content=False,
            enforce_content_length=False,
        )
        try:
            yield response
        finally:
            response.close()


@contextmanager
def _local(url: str) -> Iterator[BaseHTTPResponse]:
    from urllib.request import url2pathname

    import urllib3

    with Path(url2pathname(urlsplit(url).path)).open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        headers = {"Content-Length": str(size)}
        yield urllib3.HTTPResponse(stream, headers=headers, status=200, preload_content=False)


def _answers(url: str, timeout: float) -> bool:
    import ssl

    import urllib3

    try:
        with _request("HEAD", url, {}, timeout) as response:
            return not (_proxy(url) and response.status in _REFUSED_BY_PROXY)
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        # The host answers, whoever it is: certificates matter for downloads only.
        return isinstance(_root_cause(error), ssl.SSLCertVerificationError)


def _proxy(url: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    address = getproxies().get(parts.scheme)
    if not address or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return address if "://" in address else f"http://{address}"


def _authorization(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _range(text: str) -> tuple[int, int | None]:
    """First byte and total of "bytes 5-9/10"; (-1, None) for anything else."""
    match = re.fullmatch(f"bytes ({_DIGITS})-.*/(.*)", text)
    return (int(match[1]), _number(match[2])) if match else (-1, None)


def _number(text: str) -> int | None:
    """The whole number that a header holds; None for any other text, such as "²"."""
    return int(text) if re.fullmatch(_DIGITS, text) else None


def _root_cause(error: BaseException) -> BaseException:
    """The failure of the network that urllib3 has wrapped, in one error or several."""
    from http.client import HTTPException

    import urllib3

    kinds = OSError, HTTPException, urllib3.exceptions.HTTPError
    while isinstance(inner := error.__cause__ or error.__context__, kinds):
        error = inner
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
