"""How fast a session is, in MLPerf's terms: latency of single queries, then offline throughput."""

from __future__ import annotations

from zoo_core.bench.measure import measure
from zoo_core.bench.result import Benchmark, Subject
from zoo_core.bench.series import Series, Warmup
from zoo_core.bench.settings import BenchSettings

__all__ = ["BenchSettings", "Benchmark", "Series", "Subject", "Warmup", "measure"]
