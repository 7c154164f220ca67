"""The core's own stages, which do not depend on model and backend."""

from __future__ import annotations
