"""The vendor's SDK on this machine: what is there, where its programs are, what its card says."""

from __future__ import annotations
