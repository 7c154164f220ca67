"""Checks of configurations and vdsp files that people wrote by hand."""

from __future__ import annotations

from zoo_vastai.lint.result import SCHEMA, FileReport, Finding, document
from zoo_vastai.lint.run import lint

__all__ = ["SCHEMA", "FileReport", "Finding", "document", "lint"]
