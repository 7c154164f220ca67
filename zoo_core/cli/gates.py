"""Options of gates, and how a command ends that has them: JUnit XML, annotations, exit code."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli.json_output import check_target, write_file
from zoo_core.cli.output import say
from zoo_core.errors import UsageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_core.reporting.gates.rows import GateRow
    from zoo_core.reporting.report import StageRecord

MinMetric = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Gate: exit 3 if a metric is below VALUE, whatever its interval; repeatable.",
    ),
]
GateExpr = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="EXPR",
        help="Gate, repeatable: 'AP>=0.42', 'drop<=0.01', 'drop:AP50<=0.01' or 'yolo-99' (exit 3; "
        "decided by the 95% interval), 'p90<=20' or 'throughput>=100' (exit 4).",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="What drop and yolo-99 are measured against: a run folder, or "
        "MODEL:BACKEND:PRECISION; default: the fp32 run on these images.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="A gate that is not decided fails, too: exit 3 or 4.")
]
Junit = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write gates and stages as JUnit XML.")
]

_OPTION = "--junit"
_LARGEST = 1 << 20
"""Bytes of a summary that GitHub shows."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command with gates ends; raises DataError, before the work, for a file it cannot write.

    `verb` is the command's name.
    """

    verb: str
    strict: bool
    junit: str | None

    def __post_init__(self) -> None:
        if self.junit == "-":
            step = "stdout is for the report; name a file"
            raise UsageError("needs a file", where=_OPTION, next=step)
        check_target(self.junit, _OPTION)

    def keep_apart(self, json_to: str | None, folder: Path | None) -> None:
        """Raises UsageError, before the work, for a file that is another output of the command."""
        if not self.junit:
            return
        path = Path(self.junit).resolve()
        if json_to not in (None, "-") and path == Path(str(json_to)).resolve():
            step = "name another file"
            raise UsageError(f"{self.junit} is the file of --json, too", where=_OPTION, next=step)
        if folder and path.parent == folder.resolve() and path.suffix != ".xml":
            what = f"{self.junit} could be a file of the output folder"
            raise UsageError(
                what, where=_OPTION, next="end its name in .xml, or name another place"
            )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Around the work: the JUnit file tells of an error that ends it."""
        from zoo_core.reporting.gates.junit import junit

        try:
            yield
        except ZooError as error:
            if self.junit:
                when = time.strftime("%Y-%m-%dT%H:%M:%S")
                text = junit(f"zoo {self.verb}", when, (), error=error)
                with suppress(ZooError):  # report the first failure only
                    write_file(self.junit, text, _OPTION)
            raise

    def finish(
        self,
        rows: Sequence[GateRow],
        where: str,
        *,
        title: str = "",
        stages: Sequence[StageRecord] = (),
        lines: Sequence[str] = (),
        page: str = "",
    ) -> int:
        """Tell what the gates became, after the report; raises the error of the first that fails.

        `title` says what ran. The summary of a step of GitHub Actions is the Markdown `page`, or
        the lines as they are.
        """
        from zoo_core.reporting.gates.github import gate_annotations
        from zoo_core.reporting.gates.junit import junit
        from zoo_core.reporting.gates.rows import failure

        if self.junit:
            when = time.strftime("%Y-%m-%dT%H:%M:%S")
            suite = " ".join(filter(None, ("zoo", self.verb, title)))
            write_file(self.junit, junit(suite, when, rows, stages, strict=self.strict), _OPTION)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            for line in gate_annotations(rows, self.strict):
                say(line)
            told = [f"- **{row.line()}**" for row in rows if row.fails(self.strict)]
            head = [*told, ""] if told else []
            _summarise("\n".join([*head, page or "\n".join(["```", *lines, "```"])]))
        if missed := failure(rows, self.strict, where):
            raise missed
        return 0


def _summarise(text: str) -> None:
    """Add to the summary of the step, which lists what several commands say."""
    from zoo_core.system.terminal import shown

    name, data = os.environ.get("GITHUB_STEP_SUMMARY"), shown(f"{text}\n").encode()
    if not name:
        return
    path = Path(name)
    try:
        if path.exists() and path.stat().st_size + len(data) > _LARGEST:
            say(f"warning: the summary of this step is full, and lacks this report: {name}")
            return
        with path.open("ab") as stream:
            stream.write(data)
    except OSError as error:
        say(f"warning: the summary of this step cannot be written: {name}: {error.strerror}")
