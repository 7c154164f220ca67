"""Options of single verbs, as types."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonTo = Annotated[
    str | None, typer.Option("--json", metavar="FILE|-", help="Write the result as JSON.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MinMetric = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Gate: exit 3 where a metric is below."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder to write.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Tell nothing but errors.")]
