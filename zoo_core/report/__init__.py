"""What a run found out, as data, as Markdown and as lines for the terminal."""

from __future__ import annotations

from zoo_core.report.build import Outcome, build_report
from zoo_core.report.markdown import markdown
from zoo_core.report.terminal import terminal_lines

__all__ = ["Outcome", "build_report", "markdown", "terminal_lines"]
