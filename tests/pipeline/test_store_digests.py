"""What is stored is believed only as long as it has the digest that it was stored with."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from zoo_core.commands.gc import clean
from zoo_core.pipeline import store as module
from zoo_core.pipeline.store import MANIFEST, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "ab" + "0" * 62
OUTPUTS = ("metrics.json", "images")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    fill(store, KEY)
    return store


def fill(store: Store, key: str) -> None:
    work = store.work(key, "score")
    (work / "metrics.json").write_text('{"AP": 0.2179}')
    (work / "images").mkdir()
    (work / "images" / "a.bin").write_bytes(b"12345")
    store.commit(key, work, OUTPUTS, {"name": "score", "parts": {"a": 1}})


def changed(path: Path, text: str) -> None:
    """Another content of the same size and time, as a damaged disk leaves it."""
    status = path.stat()
    assert status.st_size == len(text)
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "metrics.json": lambda path: changed(path / "metrics.json", '{"AP": 0.9179}'),
    "images": lambda path: changed(path / "images" / "a.bin", "12346"),
    "gone": lambda path: (path / "metrics.json").unlink(),
    "folder": lambda path: as_folder(path / "metrics.json"),
    "more": lambda path: (path / "images" / "b.bin").write_bytes(b""),
    "less": lambda path: (path / "images" / "a.bin").unlink(),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
@pytest.mark.parametrize("seen", [True, False])
def test_an_entry_that_differs_from_what_was_stored_is_no_entry(
    store: Store, damage: str, seen: bool
) -> None:
    """Also where this process has found it whole before."""
    entry = store.get(KEY) if seen else None
    DAMAGE[damage](store.folder(KEY) if entry is None else entry.path)

    assert store.get(KEY) is None
    assert store.damaged[KEY][0] == "score"
    fill(store, KEY)
    assert store.get(KEY) is not None


def test_large_files_are_digested_again_where_their_times_have_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMALL", 3)
    assert Store(store.root).get(KEY) is not None

    changed(store.folder(KEY) / "metrics.json", '{"AP": 0.9179}')

    assert Store(store.root).get(KEY) is None


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data["parts"].update(a=2),
        lambda data: data.update(name="export"),
        lambda data: data["outputs"].pop("images"),
        lambda data: data.pop("seal"),
        lambda data: data.update(key=KEY.replace("a", "b")),
    ],
)
def test_a_manifest_that_was_changed_is_no_manifest(
    store: Store, edit: Callable[[dict[str, object]], object]
) -> None:
    path = store.folder(KEY) / MANIFEST
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))

    assert store.get(KEY) is None
    assert store.damaged[KEY] == (KEY[:12], MANIFEST)


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "[]", "null", '{"outputs": 1}', "\0"])
def test_garbage_is_removed_whole(store: Store, text: str) -> None:
    (store.folder(KEY) / MANIFEST).write_text(text)

    assert store.get(KEY) is None
    assert clean(store, days=30, dry_run=False)["removed"][0]["key"] == KEY
    assert not store.folder(KEY).exists()


def test_what_a_killed_process_left_of_a_key_goes_when_it_is_made_again(store: Store) -> None:
    left, other = store.work(KEY, "score"), store.work("cd" + KEY[2:], "score")

    fill(store, KEY)

    assert not left.exists()
    assert other.exists()
