"""Git, run so that nothing a repository says is executed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from zoo_core.errors import UnavailableError, ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SAFE = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.symlinks=false"),
    *("-c", "submodule.recurse=false"),
    *("-c", "fetch.recurseSubmodules=false"),
    *("-c", "transfer.fsckObjects=true"),
    *("-c", "advice.detachedHead=false"),
    *("-c", "gc.auto=0"),
)

_PASSWORD = ("Authentication failed", "could not read Username", "could not read Password")

_PLACES = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "INDEX_FILE", "PREFIX", "COMMON_DIR", "NAMESPACE", "SHALLOW_FILE"),
        *("OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "GRAFT_FILE"),
        *("CONFIG", "CONFIG_PARAMETERS", "CONFIG_COUNT"),
    )
)


class GitError(ZooError):
    """Git ended with an error; `what` is its first line that tells one."""


def git(
    arguments: Sequence[str], folder: Path, *, protocols: str = "", limit: float = 600
) -> tuple[str, str]:
    """Run git in a folder; returns what it wrote to stdout and to stderr.

    No hook, submodule, symbolic link, credential prompt or LFS download; only transports in
    `protocols` (colon-separated). Raises GitError when it fails or takes more than `limit`
    seconds, UnavailableError where there is no git.
    """
    environment = {
        **_without_git_variables(),
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except FileNotFoundError:
        next_step = "install git, or give a folder with --source DIR"
        raise UnavailableError("git is not installed", next=next_step) from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} took more than {limit:.0f} s") from None
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {_reason(done.stderr, done.returncode)}")
    return done.stdout, done.stderr


def _reason(said: str, status: int) -> str:
    """The first line that names an error: the last ones are advice, such as on access rights."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    line = (told or lines[-1:] or [f"exit status {status}"])[0]
    if any(sign in line for sign in _PASSWORD):  # hosts say so of what they do not have, too
        line += " (there is no such repository, or it is private)"
    return line


def _without_git_variables() -> dict[str, str]:
    # Set where zoo is run from a hook, they would turn every command to another repository.
    return {name: value for name, value in os.environ.items() if name not in _PLACES}
