from __future__ import annotations

import zoo_vastai_lint

from zoo_core.plugins.manager import Plugins
from zoo_core.testing import PluginContract


class TestPlugin(PluginContract):
    plugin = zoo_vastai_lint

    def test_it_registers(self) -> None:
        """It has no hooks: zoo-vastai finds its parts by entry points of its own."""
        (found,) = Plugins([zoo_vastai_lint]).plugins

        assert found.failure is None
