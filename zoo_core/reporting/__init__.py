"""What a run found out: as data, as JSON and Markdown, as lines for the terminal."""

from __future__ import annotations
