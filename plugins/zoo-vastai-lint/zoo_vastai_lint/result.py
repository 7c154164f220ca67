"""What a check of one file finds, and its JSON form (schema zoo.vastai.lint/1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = "zoo.vastai.lint/1"

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    `error`: the tools refuse it, or do something else than it says. `warning`: most probably not
    what was meant. `info`: worth knowing; a file with nothing else is clean. `where` is the key.
    """

    rule: str
    severity: Severity
    where: str
    message: str
    next: str = ""

    def to_data(self) -> dict[str, str]:
        """The JSON form."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "where": self.where,
            "message": self.message,
            "next": self.next,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One file: what it is, whether it was understood, and whether it comes back equal."""

    path: str
    kind: str
    parsed: bool
    round_trip: bool
    findings: tuple[Finding, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether nothing worse than an info was found."""
        return all(finding.severity == "info" for finding in self.findings)

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "path": self.path,
            "kind": self.kind,
            "parsed": self.parsed,
            "round_trip": self.round_trip,
            "findings": [finding.to_data() for finding in self.findings],
        }


def document(reports: Sequence[FileReport]) -> dict[str, Any]:
    """The whole answer of a check."""
    return {"schema": SCHEMA, "files": [report.to_data() for report in reports]}
