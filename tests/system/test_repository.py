"""Source repositories: cloned at a commit with nothing of them executed, or as they lie here."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError, UsageError
from zoo_core.system.repository import git, tree
from zoo_core.system.repository.clone import clone
from zoo_core.system.repository.tree import describe_tree, left_out

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "a65d219f9066bae4e12003bd7cdc04531860c672"


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _commit(folder: Path) -> str:
    _git(folder, "init", "--quiet", "--initial-branch=master")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "source")
    return _git(folder, "rev-parse", "HEAD")


def _clone(url: str, commit: str, folder: Path) -> Path:
    folder.mkdir()
    clone(url, commit, folder, lambda _text: None)
    return folder


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    folder = tmp_path / "net"
    (folder / "tool").mkdir(parents=True)
    (folder / "models.py").write_text("first = True\n")
    (folder / "tool" / "helpers.py").write_text("helper = True\n")
    return folder


@pytest.fixture
def hooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What hooks of the user's own git configuration would make."""
    mark, hook = tmp_path / "hooked", tmp_path / "hooks" / "post-checkout"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
    hook.chmod(0o755)
    (tmp_path / "gitconfig").write_text(f"[core]\nhooksPath = {hook.parent}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    return mark


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_clone_takes_the_pinned_commit_only(
    fake: Path, tmp_path: Path, hooked: Path, form: str
) -> None:
    commit = _commit(fake)
    (fake / "models.py").write_text("later = True\n")
    later = _commit(fake)
    hooked.unlink(missing_ok=True)
    out = _clone(form.format(fake), commit, tmp_path / "clone")
    assert (out / "models.py").read_text() == "first = True\n"
    assert (out / ".git" / "HEAD").read_text().strip() == commit != later
    assert not hooked.exists()


def test_clone_writes_links_as_files(fake: Path, tmp_path: Path) -> None:
    (fake / "link.py").symlink_to("/etc/passwd")
    link = _clone(str(fake), _commit(fake), tmp_path / "clone") / "link.py"
    assert not link.is_symlink()
    assert link.read_text() == "/etc/passwd"


@pytest.mark.parametrize(
    "case",
    [
        ("{fake}", "0" * 40, DataError, "git fetch|git checkout"),
        ("{fake}-gone", COMMIT, DataError, "git fetch: fatal: .*-gone' does not appear to be"),
        ("{fake}", "master", UsageError, "not a full commit id"),
        ("ext::sh -c touch% boom", COMMIT, UsageError, "must be https, file"),
        ("--upload-pack=touch boom", COMMIT, UsageError, "must be https, file"),
        ("git@example.com:a/b", COMMIT, UsageError, "must be https, file"),
        ("https://example.invalid/a/b", COMMIT, DataError, "ZOO_OFFLINE is set"),
    ],
)
def test_clones_that_are_refused(
    fake: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[str, str, type[Exception], str]
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    url, commit, kind, what = case
    _commit(fake)
    with pytest.raises(kind, match=what):
        _clone(url.format(fake=fake), commit, fake.parent / "clone")
    assert not list(fake.parent.rglob("boom"))


def test_what_links_lead_to_is_recorded_and_what_is_not_copied_is_not(fake: Path) -> None:
    other = fake.parent / "other"
    (other / "inner").mkdir(parents=True)
    (other / "inner" / "net.py").write_text("first")
    (fake / "linked").symlink_to(other)
    for name in ("loop", "linked/back"):
        (fake / name).symlink_to(fake)
    before = describe_tree(fake)["tree"]
    (fake / ".venv").mkdir()
    (fake / ".venv" / "lib.py").touch()
    assert describe_tree(fake)["tree"] == before

    (other / "inner" / "net.py").write_text("other")
    linked = describe_tree(fake)["tree"]
    (fake / ".flags").touch()
    assert len({before, linked, describe_tree(fake)["tree"]}) == 3

    copy = fake.parent / "copy"
    shutil.copytree(fake, copy, ignore=left_out)
    assert describe_tree(copy)["tree"] == describe_tree(fake)["tree"]
    assert not (copy / ".venv").exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "exit status 128"),
        ("odd\n\n", "odd"),
        (
            "remote: not found\nfatal: 'x' is no repository\nfatal: b\n\nPlease",
            "fatal: 'x' is no repo",
        ),
        (
            "fatal: could not read Username for 'https://example.com': terminal prompts disabled\n",
            "disabled (there is no such repository, or it is private)",
        ),
    ],
)
def test_the_reason_of_git_is_told(said: str, told: str) -> None:
    assert told in git._reason(said, 128)


def test_links_that_multiply_are_refused(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_MOST_FILES", 200)
    names = [f"d{number}" for number in range(9)]
    for name in names:
        (fake / name).mkdir()
        for other in names:
            (fake / name / f"to-{other}").symlink_to(fake / other)
    with pytest.raises(UsageError, match="holds more than 200 files and folders"):
        describe_tree(fake)


def test_a_folder_is_recorded_as_it_is(fake: Path) -> None:
    plain = describe_tree(fake)
    assert plain["commit"] is None
    commit = _commit(fake)
    committed = describe_tree(fake)
    assert committed == {"commit": commit, "note": "", "tree": plain["tree"]}
    _git(fake, "pack-refs", "--all")
    assert describe_tree(fake)["commit"] == commit
    _git(fake, "checkout", "--quiet", "--detach")
    assert describe_tree(fake)["commit"] == commit
    _git(fake, "worktree", "add", "--quiet", "-b", "side", "../side")
    assert describe_tree(fake.parent / "side")["commit"] == commit
    (fake / "tool" / "__pycache__").mkdir()
    (fake / "tool" / "__pycache__" / "helpers.pyc").write_bytes(b"x")
    assert describe_tree(fake)["tree"] == plain["tree"]
    (fake / "tool" / "net.yaml").write_text("changed: true\n")
    assert describe_tree(fake)["tree"] != plain["tree"]
    (fake / ".git" / "HEAD").write_text("ref: refs/heads/gone")
    assert describe_tree(fake)["note"] == "its HEAD cannot be read"


def test_folders_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        describe_tree(tmp_path / "nowhere")
    monkeypatch.setattr("zoo_core.system.repository.tree._MOST_FILES", 1)
    for name in "ab":
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match="more than 1 files"):
        describe_tree(tmp_path)
