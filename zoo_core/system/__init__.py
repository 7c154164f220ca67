"""This machine: paths, files, digests, downloads, hardware."""

from __future__ import annotations
