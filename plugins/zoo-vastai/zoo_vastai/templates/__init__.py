"""The texts that go with files for a machine with the SDK."""

from __future__ import annotations
