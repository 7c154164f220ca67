"""Graph rewrites: each keeps what the network computes, and proves it on the graph at hand."""

from __future__ import annotations
