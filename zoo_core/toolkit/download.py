"""Downloads that resume, are checked, and appear whole or not at all."""

from __future__ import annotations

from zoo_core.system.download import Expected, download, downloaded, offline

__all__ = ["Expected", "download", "downloaded", "offline"]
