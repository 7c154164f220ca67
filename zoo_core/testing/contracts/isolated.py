"""What all contracts share: tests never see or touch the cache folder of whoever runs them."""

from __future__ import annotations

import pytest


class Isolated:
    """A contract whose tests have a cache folder of their own."""

    @pytest.fixture(autouse=True)
    def _own_home(
        self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("zoo-home")))
