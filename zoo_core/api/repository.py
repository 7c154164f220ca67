"""The stage that clones a card's source repository; several parts of a plan may ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api.stage import Stage
from zoo_core.errors import UsageError
from zoo_core.system.repository import is_commit

if TYPE_CHECKING:
    from zoo_core.api.card import ModelCard

CLONED = ("builtin", "repo")
"""Values of `--source` that mean the repository that the card names; others are folders.

A stage that runs the code of a folder says in its parameter `source` what is there, as
`zoo_core.toolkit.foreign.describe_tree` does; reports name the commit of that.
"""

SOURCE_STAGE = "source"
REPOSITORY = f"{SOURCE_STAGE}/repository"
"""The folder with the repository's tree, as a stage's input names it."""


def source_stage(card: ModelCard) -> Stage:
    """The stage that leaves the tree of the card's commit in `repository`.

    Equal stages of one plan run once. Raises UsageError for a card that states no full commit id: a
    stranger's code and files are taken at a commit that someone has looked at.
    """
    repository = card.repository
    if not repository.commit or not is_commit(repository.commit):
        stated = f"commit '{repository.commit}'" if repository.commit else "no commit"
        raise UsageError(
            f"{repository.name} is not pinned: the card states {stated}",
            where=f"{card.origin}: models.{card.id}.source",
            next="state the full id of a commit that you trust",
        )
    return Stage(
        name=SOURCE_STAGE,
        run="zoo_core.pipeline.stages.source:clone",
        params={"url": repository.url, "commit": repository.commit},
        outputs=("repository",),
    )
