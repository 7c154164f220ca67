"""Files from elsewhere: downloads that resume, are checked, and appear whole or not at all."""

from __future__ import annotations

from zoo_core.system.sources.fetch import Patience, download
from zoo_core.system.sources.reach import network_reachable, offline

__all__ = ["Patience", "download", "network_reachable", "offline"]
