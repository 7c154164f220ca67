"""`zoo bench`: a compiled artefact, measured, compared, taken apart, and its settings swept."""

from __future__ import annotations

from zoo_core.commands.bench.report import bench_report
from zoo_core.commands.bench.request import BenchRequest, settings_of

__all__ = ["BenchRequest", "bench_report", "settings_of"]
