"""From a request to a plan: which assets, which protocol, which stages."""

from __future__ import annotations
