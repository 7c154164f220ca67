"""The plugin keeps zoo's contracts."""

from __future__ import annotations

import zoo_mobile

from zoo_core.testing import PluginContract


class TestPlugin(PluginContract):
    plugin = zoo_mobile
