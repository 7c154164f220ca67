"""A registry file's text as plain values, remembered as long as the file stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.system.file_cache import cached_values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def read_yaml(paths: Sequence[Path]) -> list[Any]:
    """The documents; raises RegistryError with file and line.

    One is parsed only where the file has changed, or holds what JSON cannot say.
    """
    try:
        texts = cached_values("yaml", paths, _as_json)
    except DataError:  # no such file, or nothing can be remembered
        texts = [""] * len(paths)
    return [
        json.loads(text) if text else _parse(path) for path, text in zip(paths, texts, strict=True)
    ]


def _as_json(path: Path) -> str:
    """The document as JSON; "" where that is not the same."""
    document = _parse(path)
    try:
        text = json.dumps(document)
    except (TypeError, ValueError):
        return ""
    return text if json.loads(text) == document else ""


def _parse(path: Path) -> Any:
    from zoo_core.registry.strict import parse

    return parse(path)
