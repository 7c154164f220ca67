"""Source repositories for zoo: export by their own scripts, as a model card describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Exporter

ZOO_API = 1


@hookimpl
def zoo_exporters() -> Iterable[Provider[Exporter]]:
    """The exporter that runs a repository's own command."""
    yield Provider(
        name="source-repo",
        summary="a source repository's own export command, in an environment of its own",
        load=_exporter,
        needs_repository=True,
    )


def _exporter() -> Exporter:
    from zoo_source_repo.exporter import SourceRepoExporter

    return SourceRepoExporter()
