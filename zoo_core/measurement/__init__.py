"""`zoo bench`: a compiled artefact, measured, compared, taken apart, and its settings swept."""

from __future__ import annotations

from zoo_core.measurement.report import SCHEMA, bench_report
from zoo_core.measurement.request import BenchRequest, settings_of

__all__ = ["SCHEMA", "BenchRequest", "bench_report", "settings_of"]
