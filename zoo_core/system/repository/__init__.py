"""Source repositories: cloned at a commit, or as they lie on this machine."""

from __future__ import annotations
