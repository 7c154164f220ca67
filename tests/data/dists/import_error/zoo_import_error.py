"""A plugin whose import fails."""

from __future__ import annotations

import a_library_that_is_not_here  # type: ignore[import-not-found]  # noqa: F401
