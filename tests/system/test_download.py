"""Downloads against a local server that behaves as badly as real ones do."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from collections import namedtuple
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.errors import DataError
from zoo_core.system.download import (
    Expected,
    PartialFile,
    RetryPolicy,
    download,
    network_reachable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = bytes(hashlib.sha256(b"zoo").digest()) * 40_000
SHA256 = hashlib.sha256(BODY).hexdigest()
QUICK = RetryPolicy(timeout=2.0, attempts=3, pause=0.01)


@dataclass
class Site:
    """What the server does, and what it was asked."""

    body: bytes = BODY
    kind: str = "application/octet-stream"
    etag: str | None = '"v1"'
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)
    pauses: float = 0.0
    redirect: str | None = None
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._head(200, {})

    def do_GET(self) -> None:
        site = self.site
        site.asked.append({**dict(self.headers.items()), "path": self.path})
        if site.redirect:
            self._head(302, {"Location": site.redirect})
            return
        if site.statuses:
            self._head(site.statuses.pop(0), {"Content-Length": "0", **site.headers})
            return
        self._send(site)

    def _send(self, site: Site) -> None:
        begin = self._begin(site)
        if begin >= len(site.body):
            self._head(416, {"Content-Range": f"bytes */{len(site.body)}", "Content-Length": "0"})
            return
        body = site.body[begin:]
        headers = {"Content-Type": site.kind, **site.headers}
        if site.length:
            headers["Content-Length"] = str(len(body))
        if site.etag:
            headers["ETag"] = site.etag
        if begin:
            span = f"bytes {begin}-{len(site.body) - 1}/{len(site.body)}"
            headers.setdefault("Content-Range", span)
        self._head(206 if begin else 200, headers)
        self._body(body[: site.drops.pop(0)] if site.drops else body)

    def _body(self, body: bytes) -> None:
        try:
            for start in range(0, len(body), 100_000):
                self.wfile.write(body[start : start + 100_000])
                self.wfile.flush()
                time.sleep(self.site.pauses)
        except OSError:
            pass

    def _begin(self, site: Site) -> int:
        span = self.headers.get("Range")
        if not (site.ranges and span):
            return 0
        if self.headers.get("If-Range") not in (None, site.etag):
            return 0
        return int(span.removeprefix("bytes=").removesuffix("-"))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()
    handler = type("SiteHandler", (Handler,), {"site": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        state.url = f"http://127.0.0.1:{server.server_port}/file.bin"
        yield state
        server.shutdown()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ZOO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def quiet(done: float, total: float, note: str = "") -> None:
    pass


def fetch(site: Site, target: Path, **changes: Any) -> Path:
    """Download the site's file, with its size and digest, and other settings than QUICK's."""
    url, progress = changes.pop("url", site.url), changes.pop("progress", quiet)
    policy = changes.pop("policy", QUICK)
    expected = Expected(**{"size": len(BODY), "sha256": SHA256, **changes})
    return download(url, target, progress, expected, policy)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"file.bin.lock"}


def fails(site: Site, folder: Path, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        fetch(site, folder / "file.bin", **changes)
    assert not (folder / "file.bin").exists()
    assert caught.value.next
    return str(caught.value)


def test_brings_the_file_and_says_how_far_it_is(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[float, float]] = []
    md5 = hashlib.md5(BODY).hexdigest()
    target = tmp_path / "sub" / "file.bin"

    def record(done: float, total: float, note: str = "") -> None:
        seen.append((done, total))

    assert fetch(site, target, md5=md5.upper(), progress=record) == target
    assert target.read_bytes() == BODY
    assert names(target.parent) == {"file.bin"}
    assert seen == sorted(seen)
    assert seen[-1] == (len(BODY), len(BODY))


def test_a_file_that_is_there_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY)
    fetch(site, tmp_path / "file.bin", policy=RetryPolicy())
    assert site.asked == []


def test_a_wrong_file_that_is_there_is_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(BODY[:-1] + b"!")
    fetch(site, tmp_path / "file.bin", policy=RetryPolicy())
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_goes_on_after_a_dropped_connection(site: Site, tmp_path: Path) -> None:
    site.drops = [300_000, 200_000]
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert [row.get("Range") for row in site.asked] == [None, "bytes=300000-", "bytes=500000-"]
    assert [row.get("If-Range") for row in site.asked] == [None, '"v1"', '"v1"']


def test_more_drops_than_attempts_are_borne_while_bytes_arrive(site: Site, tmp_path: Path) -> None:
    site.drops = [100_000] * 8
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(site.asked) == 9


def test_goes_on_in_a_later_call(site: Site, tmp_path: Path) -> None:
    site.drops = [250_000]
    site.statuses = []
    once = RetryPolicy(timeout=2.0, attempts=1)
    with pytest.raises(DataError, match="250,000 of"):
        fetch(site, tmp_path / "file.bin", policy=once)
    assert names(tmp_path) == {"file.bin.part", "file.bin.part.json"}
    fetch(site, tmp_path / "file.bin", policy=once)
    assert site.asked[1]["Range"] == "bytes=250000-"
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert names(tmp_path) == {"file.bin"}


def test_starts_anew_when_the_server_has_another_version(site: Site, tmp_path: Path) -> None:
    site.drops = [250_000]
    site.body = b"old" * 400_000
    with pytest.raises(DataError):
        once = RetryPolicy(attempts=1)
        fetch(site, tmp_path / "file.bin", size=None, sha256=None, policy=once)
    site.body, site.etag = BODY, '"v2"'
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_starts_anew_when_the_server_knows_no_ranges(site: Site, tmp_path: Path) -> None:
    site.drops, site.ranges = [250_000], False
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_version_or_digest_it_never_joins_two_answers(site: Site, tmp_path: Path) -> None:
    site.drops, site.etag = [250_000], None
    fetch(site, tmp_path / "file.bin", sha256=None)
    assert [row.get("Range") for row in site.asked] == [None, None]
    site.asked.clear()
    site.drops = [250_000]
    fetch(site, tmp_path / "other.bin")
    assert [row.get("Range") for row in site.asked] == [None, "bytes=250000-"]


def test_the_part_of_another_address_is_not_used(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    note = {"url": "http://elsewhere/", "validator": '"v1"'}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    fetch(site, tmp_path / "file.bin")
    assert "Range" not in site.asked[0]


def test_a_part_that_was_complete_is_taken(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY)
    note = {"url": site.url, "validator": '"v1"'}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    fetch(site, tmp_path / "file.bin")
    assert len(site.asked) == 1
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_part_longer_than_the_file_is_dropped(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY + b"more")
    note = {"url": site.url, "validator": '"v1"'}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("note", ["", "[]", "{"])
def test_a_spoilt_note_means_from_the_start(site: Site, tmp_path: Path, note: str) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "file.bin.part.json").write_text(note)
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_wrong_digest_removes_the_bytes_and_tells_both(site: Site, tmp_path: Path) -> None:
    site.body = BODY[:-1] + b"!"
    message = fails(site, tmp_path)
    assert SHA256 in message
    assert hashlib.sha256(site.body).hexdigest() in message
    assert names(tmp_path) == set()


def test_wrong_digest_of_a_resumed_file_is_seen(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    note = {"url": site.url, "validator": '"v1"'}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    assert "sha256" in fails(site, tmp_path)
    fetch(site, tmp_path / "file.bin")


def test_wrong_size_is_seen_before_a_byte_is_kept(site: Site, tmp_path: Path) -> None:
    message = fails(site, tmp_path, size=len(BODY) + 1)
    assert f"{len(BODY):,}" in message
    assert f"{len(BODY) + 1:,}" in message
    assert names(tmp_path) == set()


def test_an_answer_without_length_is_held_to_the_size(site: Site, tmp_path: Path) -> None:
    site.length, site.ranges = False, False
    assert "longer than 1,000 bytes" in fails(site, tmp_path, size=1000, sha256=None)
    message = fails(site, tmp_path, size=len(BODY) + 1, sha256=None)
    assert f"{len(BODY):,} of {len(BODY) + 1:,}" in message


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_html_is_refused(site: Site, tmp_path: Path, kind: str) -> None:
    site.kind, site.body = kind, b"\n<!DOCTYPE html><html><body>confirm</body></html>"
    assert "HTML" in fails(site, tmp_path, size=None, sha256=None)
    assert names(tmp_path) == set()


def test_an_html_file_can_be_downloaded(site: Site, tmp_path: Path) -> None:
    site.kind, site.body = "text/html", b"<html></html>"
    assert download(site.url, tmp_path / "page.html", quiet).read_bytes() == site.body


def test_a_body_in_chunks_is_joined(site: Site, tmp_path: Path) -> None:
    site.headers["Transfer-Encoding"] = "chunked"
    pieces = [BODY[at : at + 100_000] for at in range(0, len(BODY), 100_000)]
    site.length = False
    site.body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    assert fetch(site, tmp_path / "file.bin").read_bytes() == BODY


def test_redirects_are_followed_but_not_for_ever(site: Site, tmp_path: Path) -> None:
    goal, site.redirect = site.url, site.url
    assert "more than 10 redirects" in fails(site, tmp_path)
    site.redirect = "file:///etc/hostname"
    assert "302" in fails(site, tmp_path)
    site.redirect = goal.replace("file.bin", "other.bin")
    assert "more than 10 redirects" in fails(site, tmp_path)
    site.redirect = None
    assert fetch(site, tmp_path / "file.bin", url=goal, policy=RetryPolicy())


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status]
    assert f"HTTP {status}" in fails(site, tmp_path)
    assert len(site.asked) == 1


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.statuses, site.headers = [503, 429], {"Retry-After": "0"}
    fetch(site, tmp_path / "file.bin")
    assert len(site.asked) == 3


ODD = ["²", "٣".encode().decode("latin-1"), "9" * 5000, "-1", ""]
"""What `int` does not read as a number, or not one that fits."""


@pytest.mark.parametrize("text", ODD)
def test_a_header_that_is_not_a_number_is_ignored(site: Site, tmp_path: Path, text: str) -> None:
    site.statuses, site.headers, site.length = [503], {"Retry-After": text}, False
    site.headers["Content-Length"] = text
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(site.asked) == 2


@pytest.mark.parametrize("form", ["bytes {}-1279999/1280000", "bytes 250000-1279999/{}"])
@pytest.mark.parametrize("text", ODD)
def test_a_range_that_is_not_a_number_is_ignored(
    site: Site, tmp_path: Path, text: str, form: str
) -> None:
    assert len(BODY) == 1_280_000
    site.drops, site.headers = [250_000], {"Content-Range": form.format(text)}
    fetch(site, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_server_that_stays_busy_is_given_up(site: Site, tmp_path: Path) -> None:
    site.statuses = [500] * 9
    assert "HTTP 500" in fails(site, tmp_path)
    assert len(site.asked) == 3


def test_nobody_there(site: Site, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    assert "refused" in fails(site, tmp_path, url=url)


def test_what_failed_before_is_not_the_reason(site: Site, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    try:
        raise ValueError("something else")
    except ValueError:
        assert "refused (3 attempts)" in fails(site, tmp_path, url=url)


def test_a_silent_server_is_given_up(site: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(DataError, match="no answer in time"):
            hasty = RetryPolicy(timeout=0.1, attempts=2, pause=0.0)
            fetch(site, tmp_path / "file.bin", url=url, policy=hasty)


def test_a_slow_server_is_borne(site: Site, tmp_path: Path) -> None:
    site.pauses = 0.03
    hasty = RetryPolicy(timeout=0.25, attempts=1)
    fetch(site, tmp_path / "file.bin", policy=hasty)
    assert len(site.asked) == 1


def test_other_schemes_are_refused(site: Site, tmp_path: Path) -> None:
    assert "unknown url type" in fails(site, tmp_path, url="ftp://127.0.0.1/x")


def test_a_file_url_is_copied_with_the_same_checks(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(BODY)
    site = Site(url=original.as_uri())
    assert fetch(site, tmp_path / "file.bin", policy=RetryPolicy()).read_bytes() == BODY
    assert "expected 7" in fails(site, tmp_path / "a", size=7)
    assert "No such file" in fails(site, tmp_path / "b", url=(tmp_path / "none").as_uri())


def test_zoo_offline_forbids(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert "ZOO_OFFLINE" in fails(site, tmp_path)
    assert site.asked == []


def test_full_disk_while_writing(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").symlink_to("/dev/full")

    def keep_the_link(self: PartialFile, headers: object) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartialFile, "begin", keep_the_link)
        assert "disk is full" in fails(site, tmp_path)


def test_full_disk_is_foreseen(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 1000, 1000))
    assert "disk is full" in fails(site, tmp_path)


def test_ctrl_c_keeps_the_part(site: Site, tmp_path: Path) -> None:
    def interrupt(done: float, total: float, note: str = "") -> None:
        if done > 500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(site, tmp_path / "file.bin", progress=interrupt)
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert kept > 500_000
    fetch(site, tmp_path / "file.bin", policy=RetryPolicy())
    assert site.asked[1]["Range"] == f"bytes={kept}-"
    assert (tmp_path / "file.bin").read_bytes() == BODY


def _one_of_two(url: str, target: Path) -> None:
    download(url, target, quiet, Expected(size=len(BODY), sha256=SHA256), QUICK)


def test_two_processes_share_one_download(site: Site, tmp_path: Path) -> None:
    site.pauses = 0.02
    spawn = multiprocessing.get_context("spawn")
    target = tmp_path / "file.bin"
    both = [spawn.Process(target=_one_of_two, args=(site.url, target)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(site.asked) == 1
    assert target.read_bytes() == BODY


def test_a_killed_process_leaves_something_to_go_on_with(site: Site, tmp_path: Path) -> None:
    site.pauses = 0.05
    target = tmp_path / "file.bin"
    process = multiprocessing.get_context("spawn").Process(
        target=_one_of_two, args=(site.url, target)
    )
    process.start()
    part = PartialFile(tmp_path / "file.bin.part", site.url)
    while part.size < 200_000:
        time.sleep(0.005)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(30)
    assert not target.exists()
    fetch(site, target)
    assert int(site.asked[1]["Range"].removeprefix("bytes=").removesuffix("-")) >= 200_000
    assert target.read_bytes() == BODY


def test_reachable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert network_reachable(site.url)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert not network_reachable(site.url)
    monkeypatch.setenv("ZOO_OFFLINE", "0")
    assert network_reachable(site.url)


def test_a_server_that_does_not_answer_is_not_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not network_reachable(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.3)


def test_a_name_server_that_hangs_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up is still waiting when the answer comes."""
    asked, release, over = Event(), Event(), Event()

    def hang(*_: object, **__: object) -> list[Any]:
        asked.set()
        release.wait(30)
        over.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert not network_reachable("https://example.org/", timeout=0.2)
    assert asked.is_set()
    assert not over.is_set()
    release.set()
    assert over.wait(30)


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.org/", "http:///x"])
def test_no_address_is_not_reachable(url: str) -> None:
    assert not network_reachable(url, timeout=1.0)


def test_the_proxy_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    proxy = site.url.removesuffix("/file.bin").replace("//", "//me:secret@")
    monkeypatch.setenv("http_proxy", proxy)
    assert network_reachable("http://example.invalid/file.bin")
    fetch(site, tmp_path / "file.bin", url="http://example.invalid/file.bin")
    assert site.asked[0]["path"] == "http://example.invalid/file.bin"
    monkeypatch.setenv("no_proxy", "example.invalid")
    assert not network_reachable("http://example.invalid/file.bin", timeout=2.0)


def test_a_proxy_that_bars_the_host_means_no_network(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", site.url.removesuffix("/file.bin"))
    assert not network_reachable("https://example.invalid/file.bin", timeout=2.0)
