"""File formats that are not zoo's own: darknet's, and archives."""

from __future__ import annotations
