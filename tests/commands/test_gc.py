"""What may go is decided beside runs that are at work, and beside others that clean up."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from zoo_core.commands.gc import clean, clean_claims, clean_environments
from zoo_core.pipeline.store import LOG, MANIFEST, Store
from zoo_core.system.locks import held_or_none

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.pipeline.store import Entry

KEY = "ab" + "0" * 62
OTHER = "ab" + "1" * 62


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def at_work(store: Store, key: str) -> list[Path]:
    """The folders of a stage that runs, last changed two days ago."""
    old = time.time() - 2 * 24 * 3600
    folders = [store.work(key, "train"), store.resume_dir(key)]
    for path in folders:
        path.mkdir(parents=True, exist_ok=True)
        (path / LOG).write_text("epoch 3")
        os.utime(path / LOG, (old, old))
        os.utime(path, (old, old))
    return folders


@pytest.mark.parametrize("days", [0, 30])
def test_what_a_stage_uses_now_stays(store: Store, days: int) -> None:
    with store.lock(OTHER):
        dead = at_work(store, OTHER)
    with store.lock(KEY):
        alive = at_work(store, KEY)
        would = clean(store, days, dry_run=True)
        report = clean(store, days, dry_run=False)
    assert would == report
    assert [row["name"] for row in report["removed"]] == [path.name for path in dead]
    assert all((path / LOG).exists() for path in alive)
    assert not any(path.exists() for path in dead)
    clean(store, days, dry_run=False)
    assert not any(path.exists() for path in alive)


def test_entries_that_a_running_command_uses_stay(store: Store) -> None:
    for key in (KEY, OTHER):
        work = store.work(key, "make")
        (work / "a.txt").write_text("done")
        path = store.commit(key, work, ("a.txt",), {"name": "make"}).path
        os.utime(path / MANIFEST, (time.time() - 60,) * 2)
    running = Store(store.root)
    running.use()
    entry = running.get(KEY)
    assert entry is not None
    running.touch(entry)

    assert [row["key"] for row in clean(store, 0, dry_run=False)["removed"]] == [OTHER]
    assert store.get(KEY) is not None
    del running
    assert [row["key"] for row in clean(store, 0, dry_run=False)["removed"]] == [KEY]


def test_an_entry_that_another_process_removes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in (KEY, OTHER):
        work = store.work(key, "make")
        (work / "a.txt").write_text("done")
        store.commit(key, work, ("a.txt",), {"name": "make"})
    last_used = Store.last_used

    def too_late(self: Store, entry: Entry) -> float:
        if entry.key == KEY:
            shutil.rmtree(entry.path)
        return last_used(self, entry)

    monkeypatch.setattr(Store, "last_used", too_late)
    assert clean(store, 30, dry_run=False) == {"removed": [], "kept": 1, "bytes": 0}
    assert not (store.root / "entries" / KEY[:2] / KEY / MANIFEST).exists()


def test_claims_of_commands_that_were_killed_go_and_others_stay(tmp_path: Path) -> None:
    for name in ("dead.lock", "dead.lock.owner"):
        (tmp_path / name).write_text("{}")
    with held_or_none(tmp_path / "alive.lock") as mine:
        clean_claims(tmp_path)
        assert mine
        assert {path.name for path in tmp_path.iterdir()} == {"alive.lock", "alive.lock.owner"}
    clean_claims(tmp_path / "nowhere")


def test_environments_go_as_a_whole_unless_they_are_used(tmp_path: Path) -> None:
    assert clean_environments(tmp_path / "none", 0, dry_run=False) == []
    for name in ("old", "new", "running"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "environment.json").write_text("{}")
        (tmp_path / name / "bin" / "python").write_text("x" * 98)
    shutil.copyfile("/bin/sleep", tmp_path / "running" / "bin" / "python")
    (tmp_path / "running" / "bin" / "python").chmod(0o755)
    for name in ("old", "running"):
        os.utime(tmp_path / name / "environment.json", (0, 0))
    running = subprocess.Popen([tmp_path / "running" / "bin" / "python", "60"])
    try:
        (row,) = clean_environments(tmp_path, 30, dry_run=True)
        assert (row["files"], row["removed"], row["removed_bytes"]) == (6, 2, 100)
        assert clean_environments(tmp_path, 30, dry_run=False) == [row]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "running"]
        clean_environments(tmp_path, 0, dry_run=False)
        assert [path.name for path in tmp_path.iterdir()] == ["running"]
    finally:
        running.kill()
        running.wait()
