"""One module per verb, for the command line and the Python API."""

from __future__ import annotations
