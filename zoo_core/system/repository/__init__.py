"""Source repositories: cloned at a commit, or as they lie on this machine."""

from __future__ import annotations

import re

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def is_commit(text: str) -> bool:
    """Whether a text is a full commit id."""
    return _COMMIT.fullmatch(text) is not None
