"""What all contracts share: one provider of one plugin, and a cache folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from zoo_core.testing.contracts.checks import check_planning, plugins_of
from zoo_core.testing.isolation import Question

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from zoo_core.plugins.manager import Plugins


class Contract:
    """A contract for providers of one `kind`; its tests never touch the user's cache folder.

    `partners` are the plugins that the provider works with where `plugin` does not bring them.
    """

    kind: ClassVar[str]
    plugin: ModuleType
    name: str = ""
    partners: tuple[ModuleType, ...] = ()

    @pytest.fixture(autouse=True)
    def _own_home(
        self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("zoo-home")))

    def _plugins(self) -> Plugins:
        return plugins_of(self.plugin, self.partners)

    def _question(self, method: str = "", *calls: tuple[Any, ...]) -> Question:
        return Question(
            plugin=self.plugin.__name__,
            kind=self.kind,
            name=self.name,
            method=method,
            calls=calls,
        )

    def _check_planning(self, folder: Path, method: str, *calls: tuple[Any, ...]) -> None:
        """The method gives the same data in this process and another one, quietly and lightly."""
        bound = getattr(self._plugins().load(self.kind, self.name), method)
        check_planning(self._question(method, *calls), bound, folder)
