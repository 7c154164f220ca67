"""The verb that checks files which people wrote by hand: lint."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.toolkit.files import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_vastai_lint.result import FileReport


def lint(
    paths: Annotated[list[str], typer.Argument(help="Configurations, vdsp files, or folders.")],
    vdsp: Annotated[
        str | None,
        typer.Option("--vdsp", help="The vdsp file that every configuration is held against."),
    ] = None,
    json_wanted: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Check vamc configurations and vdsp files: keys, precision, thresholds, preprocessing.

    A configuration is also held against the vdsp files beside it. Exit code 1 where anything worse
    than an info is found, 6 where a path is missing.
    """
    from zoo_vastai_lint.result import document
    from zoo_vastai_lint.run import lint as check

    reports = check([Path(path) for path in paths], Path(vdsp) if vdsp else None)
    if json_wanted:
        sys.stdout.write(json.dumps(document(reports), indent=1) + "\n")
    else:
        for line in _lines(reports):
            typer.echo(shown(line))
    return 0 if all(report.clean for report in reports) else 1


def _lines(reports: Sequence[FileReport]) -> Iterator[str]:
    for report in reports:
        for finding in report.findings:
            place = f"{report.path}: {finding.where}: " if finding.where else f"{report.path}: "
            step = f"; {finding.next}" if finding.next else ""
            yield f"{finding.severity}: {place}{finding.message}{step} [{finding.rule}]"
    kinds = Counter(report.kind for report in reports)
    severities = Counter(finding.severity for report in reports for finding in report.findings)
    files = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    counts = ", ".join(f"{severities[name]} {name}" for name in ("error", "warning", "info"))
    same = sum(report.round_trip for report in reports)
    yield f"{len(reports)} files ({files}), {same} come back equal; {counts}"
