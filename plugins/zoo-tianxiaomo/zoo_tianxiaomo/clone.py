"""The stage that clones the source repository at its pinned commit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.download import offline
from zoo_tianxiaomo.git import GitError, git
from zoo_tianxiaomo.tree import NEEDED

if TYPE_CHECKING:
    from zoo_core.api import StageContext

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NEXT = "check the network and the card's source, or give a checkout with --source DIR"


def clone(context: StageContext) -> None:
    """Leaves the tree of `params["commit"]` from `params["url"]` in `repository`.

    The url is https, file, or a path. Raises DataError when the commit cannot be had.
    """
    url, commit = context.params["url"], context.params["commit"]
    protocol = _protocol(url)
    if not _COMMIT.fullmatch(commit):
        raise UsageError(f"'{commit}' is not a full commit id", where=url)
    if protocol == "https" and offline():
        raise DataError("cannot be cloned: ZOO_OFFLINE is set", where=url, next=_NEXT)
    folder = context.out / "repository"
    folder.mkdir()
    context.progress(0, 2, "cloning")
    try:
        _fetch(url, commit, folder, protocol, context.log)
        context.progress(1, 2, "checking out")
        git(["checkout", "--quiet", "--detach", commit], folder)
        head = git(["rev-parse", "HEAD"], folder)[0].strip()
    except GitError as error:
        raise DataError(error.what, where=url, next=_NEXT) from error
    if head != commit:
        raise DataError(f"is at {head}, expected {commit}", where=url)
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{commit[:12]} holds no {missing[0]}", where=url)
    context.progress(2, 2, "cloned")


def _protocol(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme == "https":
        return "https"
    if scheme == "file" or (not scheme and Path(url).is_absolute()):
        return "file"
    what = "a repository's url must be https, file, or an absolute path"
    raise UsageError(what, where=url, next="give a checkout with --source DIR")


def _fetch(url: str, commit: str, folder: Path, protocol: str, log: Path) -> None:
    git(["init", "--quiet", "--template=", "."], folder)
    fetch = ["fetch", "--no-tags", "--no-recurse-submodules"]
    try:
        _, talk = git([*fetch, "--depth=1", "--", url, commit], folder, protocols=protocol)
    except GitError as error:
        # Some servers give no commit by its id; then the branches that may hold it are fetched.
        _note(log, f"{error.what}; fetching all branches")
        every = "+refs/heads/*:refs/remotes/origin/*"
        _, talk = git([*fetch, "--", url, every], folder, protocols=protocol)
    _note(log, talk.strip())


def _note(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"{text}\n")
