"""The stage that clones a card's source repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.system.repository.clone import clone as clone_into

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def clone(context: StageContext) -> None:
    """Leaves the tree of `params["commit"]` from `params["url"]` in `repository`."""

    def note(text: str) -> None:
        with context.log.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")

    folder = context.out / "repository"
    folder.mkdir()
    context.progress(0, 1, "cloning")
    clone_into(context.params["url"], context.params["commit"], folder, note)
    context.progress(1, 1, "cloned")
