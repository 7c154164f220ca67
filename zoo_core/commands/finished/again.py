"""A finished run planned once more, on the very inputs that it had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.commands.finished.find import read_manifest, request_of
from zoo_core.errors import DataError, UsageError
from zoo_core.planning.build import Goal
from zoo_core.system.hashing import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run


def plan_again(folder: Path, work: Workspace) -> Run:
    """The plan of a finished run; reads files and changes nothing.

    Raises UsageError for random weights, which have no accuracy, and DataError where weights,
    data, protocol or preprocessing are no longer those of the run.
    """
    manifest, request = read_manifest(folder), request_of(folder)
    if (request.weights or "").partition(":")[0] == "random":
        what, step = "has random weights, so no accuracy", "give a run of trained weights"
        raise UsageError(what, where=str(folder), next=step)
    run = work.plan(request, Goal.SCORE)
    if changed := list(_changed(manifest, run)):
        what = f"cannot be scored again: {', '.join(changed)} changed since"
        raise DataError(
            what, where=str(folder), next="run it again, or restore what it was made of"
        )
    return run


def _changed(manifest: Mapping[str, Any], run: Run) -> Iterator[str]:
    resolved = run.resolved
    files = _of(manifest, "weights", "files")
    if isinstance(files, dict):
        known = {role: _of(files, role, "sha256") for role in files}
        now = {role: source.sha256 for role, source in resolved.weights.files.items()}
        if known != now:
            yield "the weights"
    if resolved.data and _of(manifest, "dataset", "content") != resolved.data.content:
        yield "the images or annotations"
    if _of(manifest, "protocol", "hash") != resolved.protocol.hash:
        yield f"the values of protocol {resolved.protocol.name}"
    if _of(manifest, "preprocess") != digest(resolved.preprocess.to_data()):
        yield "the preprocessing in the model's card"


def _of(document: Mapping[str, Any], *keys: str) -> Any:
    """A value inside; None where a damaged document lacks it."""
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
