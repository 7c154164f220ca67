"""A source repository cloned at one commit, with nothing of it executed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo_core.errors import DataError, UsageError
from zoo_core.system.download import offline
from zoo_core.system.repository import is_commit
from zoo_core.system.repository.git import GitError, git

if TYPE_CHECKING:
    from collections.abc import Callable

_NEXT = "check the network and the card's source, or give a checkout with --source DIR"


def clone(url: str, commit: str, folder: Path, note: Callable[[str], object]) -> None:
    """Fill an empty folder with the tree of a commit, and git's own folder.

    The url is https, file, or a path; `note` hears what git says. Raises UsageError for another
    url and for what is no full commit id, DataError when the commit cannot be had.
    """
    protocol = _protocol(url)
    if not is_commit(commit):
        raise UsageError(f"'{commit}' is not a full commit id", where=url)
    if protocol == "https" and offline():
        raise DataError("cannot be cloned: ZOO_OFFLINE is set", where=url, next=_NEXT)
    try:
        _fetch(url, commit, folder, protocol, note)
        git(["checkout", "--quiet", "--detach", commit], folder)
        head = git(["rev-parse", "HEAD"], folder)[0].strip()
    except GitError as error:
        raise DataError(error.what, where=url, next=_NEXT) from error
    if head != commit:
        raise DataError(f"is at {head}, expected {commit}", where=url)


def _protocol(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme == "https":
        return "https"
    if scheme == "file" or (not scheme and Path(url).is_absolute()):
        return "file"
    what = "a repository's url must be https, file, or an absolute path"
    raise UsageError(what, where=url, next="give a checkout with --source DIR")


def _fetch(
    url: str, commit: str, folder: Path, protocol: str, note: Callable[[str], object]
) -> None:
    git(["init", "--quiet", "--template=", "."], folder)
    fetch = ["fetch", "--no-tags", "--no-recurse-submodules"]
    try:
        _, talk = git([*fetch, "--depth=1", "--", url, commit], folder, protocols=protocol)
    except GitError as error:
        # Some servers give no commit by its id; then the branches that may hold it are fetched.
        note(f"{error.what}; fetching all branches")
        every = "+refs/heads/*:refs/remotes/origin/*"
        _, talk = git([*fetch, "--", url, every], folder, protocols=protocol)
    note(talk.strip())
