"""How fast a network is, in MLPerf's terms: latency of single queries, then offline throughput."""

from __future__ import annotations

from zoo_core.bench.measure import Workload, measure
from zoo_core.bench.result import Benchmark
from zoo_core.bench.series import Instruments
from zoo_core.bench.settings import SCENARIOS, BenchSettings

__all__ = ["SCENARIOS", "BenchSettings", "Benchmark", "Instruments", "Workload", "measure"]
