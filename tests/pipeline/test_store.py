from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock, Timeout

from zoo_core.errors import DataError, StageError
from zoo_core.pipeline.store import LOG, MANIFEST, Store, folder_bytes
from zoo_core.system.files import disk_errors, is_disk_error
from zoo_core.system.hashing import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "ab" + "0" * 62
OTHER = "ab" + "1" * 62


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def make_entry(store: Store, key: str = KEY, text: str = "done") -> Path:
    """A folder that is ready to be committed."""
    work = store.work(key, "make")
    (work / "a.txt").write_text(text)
    (work / "b").mkdir()
    (work / "b" / "c.bin").write_bytes(b"12345")
    return work


OUTPUTS = ("a.txt", "b")


def test_what_is_committed_is_found(store: Store) -> None:
    assert store.get(KEY) is None
    entry = store.commit(KEY, make_entry(store), OUTPUTS, {"name": "make"})
    stored = Store(store.root).get(KEY)
    assert stored is not None
    assert (stored.path, stored.manifest) == (entry.path, entry.manifest)
    assert (stored.path / "a.txt").read_text() == "done"
    assert (stored.path / "b" / "c.bin").read_bytes() == b"12345"
    assert stored.manifest["name"] == "make"
    assert stored.manifest["key"] == KEY
    inner = hashlib.sha256(b"12345").hexdigest()
    assert stored.manifest["outputs"] == {
        "a.txt": {"bytes": 4, "sha256": hashlib.sha256(b"done").hexdigest()},
        "b": {"bytes": 5, "files": 1, "sha256": digest([["c.bin", inner]])},
    }


def test_a_missing_output(store: Store) -> None:
    with pytest.raises(StageError, match=r"'c\.txt' is missing"):
        store.commit(KEY, make_entry(store), ("a.txt", "b", "c.txt"), {})
    assert store.get(KEY) is None


def test_an_output_that_was_not_declared(store: Store) -> None:
    with pytest.raises(StageError, match=r"undeclared output a\.txt"):
        store.commit(KEY, make_entry(store), ("b",), {})
    assert store.get(KEY) is None


def test_the_log_may_always_be_there(store: Store) -> None:
    work = make_entry(store)
    (work / LOG).write_text("what the tool said")
    assert (store.commit(KEY, work, OUTPUTS, {}).path / LOG).exists()


def test_work_in_progress_is_no_entry(store: Store) -> None:
    work = make_entry(store)
    (work / MANIFEST).write_text(json.dumps({"key": KEY, "outputs": {}}))
    assert store.get(KEY) is None
    assert list(store.entries()) == []


@pytest.mark.parametrize(
    "manifest", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b'{"outputs": 3}', b'"text"']
)
def test_a_manifest_that_is_not_whole_is_no_entry(store: Store, manifest: bytes) -> None:
    entry = store.commit(KEY, make_entry(store), OUTPUTS, {})
    (entry.path / MANIFEST).write_bytes(manifest)
    assert store.get(KEY) is None
    again = store.commit(KEY, make_entry(store, text="anew"), OUTPUTS, {})
    assert (again.path / "a.txt").read_text() == "anew"
    assert store.get(KEY) is not None


def test_an_entry_that_has_lost_a_file_is_no_entry(store: Store) -> None:
    entry = store.commit(KEY, make_entry(store), OUTPUTS, {})
    (entry.path / "a.txt").unlink()
    assert store.get(KEY) is None


def test_an_entry_whose_file_was_cut_is_no_entry(store: Store) -> None:
    path = store.commit(KEY, make_entry(store), OUTPUTS, {"name": "make"}).path / "a.txt"
    path.write_bytes(path.read_bytes()[:-1])
    assert store.get(KEY) is None


def test_what_is_used_since_a_process_began_is_known(store: Store) -> None:
    assert store.used_since() == math.inf
    before = time.time()
    user = Store(store.root)
    user.use()
    user.use()
    assert before - 1 < store.used_since() <= time.time()
    assert len(list((store.root / "users").iterdir())) == 1
    del user
    assert store.used_since() == math.inf
    assert list((store.root / "users").iterdir()) == []


def test_a_user_that_was_killed_is_forgotten(store: Store) -> None:
    (store.root / "users").mkdir(parents=True)
    (store.root / "users" / "dead.lock").touch()
    assert store.used_since() == math.inf
    assert list((store.root / "users").iterdir()) == []


def test_entries_and_removal(store: Store) -> None:
    for key in (KEY, OTHER):
        store.commit(key, make_entry(store, key), OUTPUTS, {})
    assert [entry.key for entry in store.entries()] == [KEY, OTHER]
    assert store.remove(KEY) > 9
    assert [entry.key for entry in store.entries()] == [OTHER]
    assert store.remove(KEY) == 0
    assert list((store.root / "work").iterdir()) == []


def test_failed_work_is_kept_aside(store: Store) -> None:
    kept = store.keep_failed(make_entry(store))
    assert (kept / "a.txt").read_text() == "done"
    assert kept.parent == store.root / "failed"
    assert list((store.root / "work").iterdir()) == []


def test_leftovers_are_what_is_old(store: Store) -> None:
    failed = store.keep_failed(make_entry(store))
    killed = make_entry(store)
    assert store.leftovers() == []
    old = time.time() - 2 * 24 * 3600
    for path in (killed / "a.txt", killed / "b" / "c.bin", killed / "b", killed):
        assert store.leftovers() == []
        os.utime(path, (old, old))
    assert store.leftovers() == [killed]
    assert sorted(store.leftovers(-1)) == sorted([failed, killed])


def test_a_log_that_grows_keeps_its_folder_young(store: Store) -> None:
    work = store.work(KEY, "make")
    (work / LOG).write_text("epoch 3")
    old = time.time() - 2 * 24 * 3600
    os.utime(work, (old, old))
    assert store.leftovers() == []


def test_a_leftover_is_unused_while_nobody_makes_its_key(store: Store) -> None:
    paths = [make_entry(store), store.keep_failed(make_entry(store)), store.resume_dir(KEY)]
    other = store.work(OTHER, "name-with-dashes")
    for path in paths:
        with store.unused(path) as free:
            assert free
        with store.lock(KEY), store.unused(path) as free, store.unused(other) as other_free:
            assert (free, other_free) == (False, True)


def test_nobody_begins_to_make_a_key_while_its_leftover_goes(store: Store) -> None:
    with store.lock(KEY):
        work = make_entry(store)
    with (
        store.unused(work),
        pytest.raises(Timeout),
        FileLock(store.root / "locks" / f"{KEY}.lock", timeout=0),
    ):
        pass


def test_leftovers_that_another_process_takes_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entry(store)
    glob = Path.glob

    def vanishing(self: Path, pattern: str) -> Iterator[Path]:
        for path in list(glob(self, pattern)):
            shutil.rmtree(path)
            yield path

    monkeypatch.setattr(Path, "glob", vanishing)
    assert store.leftovers(-1) == []


def test_use_is_remembered(store: Store) -> None:
    entry = store.commit(KEY, make_entry(store), OUTPUTS, {})
    os.utime(entry.path / MANIFEST, (1000, 1000))
    assert store.last_used(entry) == 1000
    store.touch(entry)
    assert store.last_used(entry) > 1_000_000


def test_folder_bytes(store: Store) -> None:
    assert folder_bytes(make_entry(store)) == 9
    assert folder_bytes(store.root / "nothing") == 0


def test_a_file_that_goes_while_bytes_are_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make_entry(store)
    look = Path.stat

    def last_look(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        status = look(self, follow_symlinks=follow_symlinks)
        if self.name == "a.txt":
            self.unlink()
        return status

    monkeypatch.setattr(Path, "stat", last_look)
    assert folder_bytes(work) == 9
    assert folder_bytes(work) == 5


PROCESS = """
import sys, time
from pathlib import Path
from zoo_core.pipeline.store import Store
root, key, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store = Store(root)

def hang(*_, **__):
    print("hanging", flush=True)
    time.sleep(60)

if how == "remove":
    import shutil
    shutil.rmtree = hang
    store.remove(key)
with store.lock(key):
    if store.get(key):
        print("found", flush=True)
        sys.exit()
    work = store.work(key, "make")
    (work / "a.txt").write_text("half")
    if how == "before":
        hang()
    time.sleep(0.3)
    (work / "a.txt").write_text("done")
    (work / "b").mkdir()
    if how == "commit":
        Path.rename = hang
    store.commit(key, work, ("a.txt", "b"), {})
    print("made", flush=True)
"""


def process(store: Store, how: str = "make") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(store.root), KEY, how],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def kill_when_hanging(store: Store, how: str) -> None:
    with process(store, how) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "hanging\n"
        running.send_signal(signal.SIGKILL)
        assert running.wait(30) == -signal.SIGKILL


def test_of_processes_that_race_for_a_key_one_makes_it(store: Store) -> None:
    running = [process(store) for _ in range(3)]
    lines = sorted(one.communicate(timeout=60)[0].strip() for one in running)
    assert lines == ["found", "found", "made"]
    assert [one.returncode for one in running] == [0, 0, 0]
    assert list((store.root / "work").iterdir()) == []


@pytest.mark.parametrize("how", ["before", "commit"])
def test_a_killed_writer_leaves_nothing_that_looks_finished(store: Store, how: str) -> None:
    kill_when_hanging(store, how)
    assert store.get(KEY) is None
    assert list(store.entries()) == []
    assert len(store.leftovers(-1)) == 1


def test_after_a_killed_writer_the_next_one_is_free(store: Store) -> None:
    kill_when_hanging(store, "before")
    with process(store) as running:
        lines, _ = running.communicate(timeout=30)
    assert lines == "made\n"
    entry = store.get(KEY)
    assert entry is not None
    assert (entry.path / "a.txt").read_text() == "done"


def test_a_removal_that_is_killed_leaves_no_half_entry(store: Store) -> None:
    store.commit(KEY, make_entry(store), OUTPUTS, {})
    kill_when_hanging(store, "remove")
    assert store.get(KEY) is None
    assert not list((store.root / "entries").glob("*/*"))


def test_a_full_disk_at_the_last_step_is_one_clear_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make_entry(store)

    def full(_self: Path, _text: str, **_kind: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(DataError, match="the disk is full") as caught, disk_errors(store.root):
            store.commit(KEY, work, OUTPUTS, {})
    assert "ZOO_HOME" in caught.value.next
    assert store.get(KEY) is None
    store.commit(KEY, work, OUTPUTS, {})
    assert store.get(KEY) is not None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full(store: Store) -> None:
    with pytest.raises(DataError, match="the disk is full"), disk_errors(store.root):
        Path("/dev/full").write_text("something")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "cannot be written"),
        (errno.EROFS, "cannot be written"),
        (errno.EPERM, "cannot be written"),
    ],
)
def test_what_disks_refuse_is_told(number: int, says: str) -> None:
    error = OSError(number, os.strerror(number), "/some/file")
    assert is_disk_error(error)
    with pytest.raises(DataError, match=says) as caught, disk_errors(Path("/store")):
        raise error
    assert caught.value.exit_code == 6


def test_other_errors_are_left_alone() -> None:
    error = OSError(errno.ENOENT, "no such file")
    assert not is_disk_error(error)
    assert not is_disk_error(ValueError())
    with pytest.raises(FileNotFoundError), disk_errors(Path("/store")):
        raise error
