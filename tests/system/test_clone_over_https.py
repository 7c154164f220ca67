"""Clones over https, from a server of this machine with a certificate of its own."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from zoo_core.errors import DataError
from zoo_core.system.repository.clone import clone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if shutil.which("openssl") is None:
    pytest.skip("openssl is not installed: no certificate can be made", allow_module_level=True)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass
class Server:
    """`smart` serves git's own protocol, `plain` only files; `asked` are the paths and users."""

    smart: str
    plain: str
    locked: str
    commit: str
    later: str
    asked: list[tuple[str, str | None]] = field(default_factory=list)


class Smart(BaseHTTPRequestHandler):
    """Hands a request to `git http-backend`, as web servers do (CGI)."""

    root = ""
    asked: list[tuple[str, str | None]] = []
    locked = False

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        address = urlsplit(self.path)
        self.asked.append((address.path, self.headers.get("Authorization")))
        if self.locked:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": self.root,
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": address.path,
                "QUERY_STRING": address.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    def log_message(self, *_: Any) -> None:
        pass


class Plain(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def serve(handler: Any, context: ssl.SSLContext) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    root = tmp_path / "served"
    net = root / "net"
    net.mkdir(parents=True)
    git(net, "init", "--quiet", "--initial-branch=master")
    commits = []
    for text in ("first = True\n", "later = True\n"):
        (net / "models.py").write_text(text)
        git(net, "add", "--all")
        git(net, "commit", "--quiet", "--message", "source")
        commits.append(git(net, "rev-parse", "HEAD"))
    git(net, "update-server-info")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[tuple[str, str | None]] = []
    smart = type("_Smart", (Smart,), {"root": str(root), "asked": asked})
    locked = type("_Locked", (smart,), {"locked": True})

    def plain(*arguments: Any) -> Plain:
        return Plain(*arguments, directory=str(root))

    servers = [serve(handler, context) for handler in (smart, plain, locked)]
    places = [f"https://127.0.0.1:{each.server_port}" for each in servers]
    yield Server(
        smart=f"{places[0]}/net/.git",
        plain=f"{places[1]}/net/.git",
        locked=f"{places[2]}/net/.git",
        commit=commits[0],
        later=commits[1],
        asked=asked,
    )
    for each in servers:
        each.shutdown()
        each.server_close()


@pytest.mark.parametrize("kind", ["smart", "plain"])
def test_a_commit_that_no_branch_ends_in_is_cloned(
    server: Server, tmp_path: Path, kind: str
) -> None:
    """A server of files only knows no single commits: then all branches are fetched."""
    notes: list[str] = []
    folder = tmp_path / "clone"
    folder.mkdir()
    clone(getattr(server, kind), server.commit, folder, notes.append)
    assert (folder / "models.py").read_text() == "first = True\n"
    assert git(folder, "rev-parse", "HEAD") == server.commit
    depth = git(folder, "rev-list", "--all", "--count")
    every = [note for note in notes if note.endswith("fetching all branches")]
    assert (len(every), depth) == ((0, "1") if kind == "smart" else (1, "2"))
    if kind == "smart":
        assert {user for _, user in server.asked} == {None}


def test_a_commit_that_the_server_has_not_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    with pytest.raises(DataError, match="git checkout: ") as caught:
        clone(server.smart, "0" * 39 + "1", tmp_path / "clone", lambda _: None)
    assert caught.value.where == server.smart
    assert "--source DIR" in (caught.value.next or "")


@pytest.mark.parametrize("case", ["unknown certificate", "password"])
def test_a_server_that_cannot_be_trusted_or_asks_for_a_user_is_an_error(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """No one is asked, and nothing is sent: not what git's helpers would know either."""
    url, told = server.locked, "git fetch: .*(Authentication failed|could not read Username)"
    if case == "unknown certificate":
        monkeypatch.delenv("GIT_SSL_CAINFO")
        url, told = server.smart, "git fetch: .*certificate"
    (tmp_path / "clone").mkdir()
    with pytest.raises(DataError, match=told):
        clone(url, server.commit, tmp_path / "clone", lambda _: None)
    assert not (tmp_path / "clone" / "models.py").exists()
    assert (case == "password") == bool(server.asked)
    empty = (None, "Basic Og==")  # no name and no password
    assert all(user in empty for _, user in server.asked)
