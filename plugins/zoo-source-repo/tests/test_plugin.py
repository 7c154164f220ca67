"""The plugin keeps zoo's contracts."""

from __future__ import annotations

import zoo_source_repo

from zoo_core.testing import PluginContract


class TestPlugin(PluginContract):
    plugin = zoo_source_repo
