"""Published weights over a real HTTP server: fetched, checked, cached, never replaced."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo_core.system.paths import by_hand_file
from zoo_core.testing import toy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.testing.fixtures import Zoo

WEIGHTS = Path(toy.__file__).with_name("weights.toy")
SHA256 = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
CARD = """
schema: 1
models:
  toy-published:
    task: detection
    summary: the toy from a server
    source: {{name: zoo, url: "http://localhost", license: Apache-2.0}}
    license: Apache-2.0
    exporter: toy
    exporter_params: {{stride: 4}}
    decoder: toy-grid
    decoder_params: {{stride: 4}}
    evaluator: toy-detection
    dataset: toy-shapes
    sample_dataset: toy-drawn
    labels: [red, blue]
    size: [32, 32]
    preprocess:
      - {{op: decode, colour: rgb}}
      - {{op: resize, mode: stretch, size: [32, 32], interpolation: bilinear}}
      - {{op: scale, factor: 0.00392156862745098}}
      - {{op: to_tensor}}
    protocol: toy
    weights:
      - format: toy
        files: {{weights: {source}}}
    sample:
      format: toy
      files: {{weights: {{resource: "zoo_core.testing:weights.toy"}}}}
"""
RUN = ("run", "toy-published", "--backend", "toy", "--no-bench", "--json", "-")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server's address and the folder it serves."""
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copyfile(WEIGHTS, folder / "weights.toy")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.fixture
def published(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: tuple[str, Path]
) -> Zoo:
    """The command line with the card's weights on the server, and the network on."""
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    monkeypatch.delenv("ZOO_OFFLINE")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    write_card(tmp_path, f"{{url: {site[0]}/weights.toy, size: 20, sha256: {SHA256}}}")
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "card.yaml"))
    return zoo


def write_card(tmp_path: Path, source: str) -> None:
    (tmp_path / "card.yaml").write_text(CARD.format(source=source), encoding="utf-8")


def test_with_a_network_the_published_weights_are_taken_and_kept(
    published: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published(*RUN)
    assert first.code == 0, first.stderr
    assert first.json["assets"] == {"weights": "published", "data": "published"}

    monkeypatch.setenv("ZOO_OFFLINE", "1")
    again = published(*RUN)
    assert again.json["assets"]["weights"] == "published"
    assert all(stage["cached"] for stage in again.json["stages"])


def test_fetch_makes_a_later_run_possible_without_a_network(
    published: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published("fetch", "toy-published", "--backend", "toy").code == 0

    monkeypatch.setenv("ZOO_OFFLINE", "1")
    done = published(*RUN, "--assets", "published")
    assert done.code == 0, done.stderr
    assert next(s for s in done.json["stages"] if s["name"] == "weights")["cached"]


def test_without_a_network_the_sample_stands_in(
    published: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")

    assert published(*RUN).json["assets"] == {"weights": "sample", "data": "sample"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<html>no more</html>", "HTML"),
        (b"0123456789012345678x", "sha256"),
        (b"short", "5"),
        (None, "404"),
    ],
)
def test_a_failed_download_is_an_error_and_no_reason_for_the_sample(
    published: Zoo, site: tuple[str, Path], zoo_home: Path, content: bytes | None, text: str
) -> None:
    file = site[1] / "weights.toy"
    file.unlink()
    if content is not None:
        file.write_bytes(content)

    done = published(*RUN)

    assert done.code == 6
    told = json.loads(done.stdout)["error"]
    assert text in f"{told['where']} {told['what']} {told['next']}"
    assert not list((zoo_home / "store" / "entries").glob("*/*"))


def test_a_file_brought_by_hand_is_taken_for_what_it_is(
    published: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    wrong = tmp_path / "wrong.toy"
    wrong.write_bytes(b"x" * 20)

    refused = published("fetch", "toy-published", "--from-file", wrong)
    taken = published("fetch", "toy-published", "--from-file", WEIGHTS)
    done = published(*RUN)

    assert refused.code == 6
    assert taken.code == 0, taken.stderr
    assert done.json["assets"]["weights"] == "published"


@pytest.mark.parametrize("where", ["the drive", "ask the person who trained it."])
def test_weights_by_hand_alone_say_how_to_bring_them(
    published: Zoo, tmp_path: Path, where: str
) -> None:
    write_card(tmp_path, f'{{name: weights.toy, by_hand: "{where}"}}')

    refused = published(*RUN, "--assets", "published")
    taken = published("fetch", "toy-published", "--from-file", WEIGHTS)

    assert refused.code == 6
    assert refused.stderr.splitlines()[-1] == (
        "zoo: the weights of toy-published are not in the cache and cannot be downloaded "
        "automatically; give --weights FILE, or import weights.toy with "
        "`zoo fetch toy-published --from-file FILE` "
        f"(where to get it: {where.rstrip('.')})"
    )
    assert taken.code == 0, taken.stderr


@pytest.mark.parametrize(
    ("digest", "kind"),
    [
        ("", "given"),
        (f", sha256: {SHA256.upper()}", "published"),
        (f", md5: {hashlib.md5(WEIGHTS.read_bytes()).hexdigest()}", "published"),
        (f", md5: {'a' * 32}", "given"),
    ],
)
def test_what_a_person_brought_is_published_only_where_a_digest_says_so(
    published: Zoo, tmp_path: Path, digest: str, kind: str
) -> None:
    write_card(tmp_path, f'{{name: weights.toy, by_hand: "the drive"{digest}}}')
    target = by_hand_file("toy-published", "weights.toy")
    target.parent.mkdir(parents=True)
    shutil.copyfile(WEIGHTS, target)

    done = published(*RUN, "--assets", "published")

    assert done.code == 0, done.stderr
    assert done.json["assets"]["weights"] == kind
    told = {"given": "weights given by hand", "published": "published weights"}[kind]
    assert f"toy-published fp32 on toy/cpu, {told}" in done.stderr


@pytest.mark.parametrize(
    ("stated", "name", "content", "told"),
    [
        (", size: 20", "weights.toy", b"x" * 10, "has 10 bytes, but the card states 20"),
        (", md5: " + "a" * 32, "weights.toy", b"x" * 20, "is not one of toy-published's files"),
        ("", "weights.toy", b"PK\x03\x04" + b"x" * 99, "is a truncated zip archive"),
        ("", "weights.pth", b"x" * 20, "must end in .toy, like the files that toy-published needs"),
    ],
)
def test_a_file_by_hand_that_cannot_be_it_is_refused(
    published: Zoo, tmp_path: Path, stated: str, name: str, content: bytes, told: str
) -> None:
    write_card(tmp_path, f'{{name: weights.toy, by_hand: "the drive"{stated}}}')
    file = tmp_path / name
    file.write_bytes(content)

    done = published("fetch", "toy-published", "--from-file", file)

    assert done.code == 6
    assert f"{file}: {told}" in done.stderr
    assert not by_hand_file("toy-published", "weights.toy").exists()


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("", "; the card states neither digest nor size: the export checks the content"),
        (", size: 20", "; its size matches the card, which states no digest"),
        (f", md5: {hashlib.md5(WEIGHTS.read_bytes()).hexdigest().upper()}", ""),
        (f", sha256: {SHA256.upper()}", ""),
    ],
)
def test_a_file_by_hand_is_taken_with_a_word_on_what_was_checked(
    published: Zoo, tmp_path: Path, stated: str, told: str
) -> None:
    write_card(tmp_path, f'{{name: weights.toy, by_hand: "the drive"{stated}}}')

    done = published("fetch", "toy-published", "--from-file", WEIGHTS)

    assert done.code == 0, done.stderr
    assert done.stderr.rstrip().endswith(f"as weights.toy of toy-published{told}")


def test_a_file_brought_for_an_address_is_not_taken_for_another(
    published: Zoo, site: tuple[str, Path], tmp_path: Path
) -> None:
    """The card's digest has changed since the file was brought."""
    assert published("fetch", "toy-published", "--from-file", WEIGHTS).code == 0
    write_card(tmp_path, f"{{url: {site[0]}/weights.toy, size: 20, sha256: {'a' * 64}}}")

    assert published(*RUN).json["assets"]["weights"] == "given"


@pytest.mark.parametrize("digest", ["", f", sha256: {SHA256}"])
def test_published_figures_are_for_files_that_are_known(
    published: Zoo, tmp_path: Path, digest: str
) -> None:
    write_card(tmp_path, f'{{name: weights.toy, by_hand: "the drive"{digest}}}')
    row = (
        "{id: paper, protocol: toy, dataset: toy-shapes, size: [32, 32], weights: published, "
        "precision: fp32, device: any, metrics: {AP: 0.5}, provenance: a page}"
    )
    with (tmp_path / "card.yaml").open("a", encoding="utf-8") as card:
        card.write(f"    published: [{row}]\n")
    assert published("fetch", "toy-published", "--from-file", WEIGHTS).code == 0

    report = published(*RUN).json

    why = "weights published, here given by hand, and their sha256 is not in the card"
    told = [found["why"].startswith(why) for found in report["not_comparable"]]
    assert told == ([] if digest else [True])
    assert bool(report["comparison"]) == bool(digest)
