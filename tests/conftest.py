from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from zoo_core.plugins.manager import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTS = Path(__file__).parent / "data" / "dists"


class Installed(Protocol):
    def __call__(self, *names: str) -> Plugins: ...


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """Plugins.installed() where nothing but the named fake distributions is visible."""
    before = set(sys.modules)

    def find(*names: str) -> Plugins:
        for name in names:
            assert (DISTS / name).is_dir()
            monkeypatch.syspath_prepend(DISTS / name)
        visible = [entry for entry in sys.path if "site-packages" not in entry and entry]
        monkeypatch.setattr(sys, "path", visible)
        importlib.invalidate_caches()
        return Plugins.installed()

    yield find
    for name in set(sys.modules) - before:
        if hasattr(sys.modules[name], "__file__") and str(DISTS) in str(sys.modules[name].__file__):
            del sys.modules[name]
