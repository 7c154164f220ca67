"""How fast a network is, in MLPerf's terms: latency of single queries, then offline throughput."""

from __future__ import annotations

from zoo_core.benchmark.measure import Workload, measure
from zoo_core.benchmark.result import Benchmark
from zoo_core.benchmark.series import Instruments
from zoo_core.benchmark.settings import SCENARIOS, BenchSettings

__all__ = ["SCENARIOS", "BenchSettings", "Benchmark", "Instruments", "Workload", "measure"]
