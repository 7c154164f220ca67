"""From a request to a plan: resolves weights, data and protocol, and builds the stages."""

from __future__ import annotations
