"""How fast a network is, in MLPerf's terms: latency of single queries, then offline throughput."""

from __future__ import annotations
