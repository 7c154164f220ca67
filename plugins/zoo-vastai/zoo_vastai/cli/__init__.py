"""The command line `zoo-vastai`: what is the vendor's alone."""

from __future__ import annotations
