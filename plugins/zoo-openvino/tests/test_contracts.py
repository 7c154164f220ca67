from __future__ import annotations

import zoo_openvino

from zoo_core.testing import BackendContract, CompilerContract, PluginContract, RuntimeContract


class TestPlugin(PluginContract):
    plugin = zoo_openvino


class TestBackend(BackendContract):
    plugin, name = zoo_openvino, "openvino"


class TestCompiler(CompilerContract):
    plugin, name = zoo_openvino, "openvino"


class TestRuntime(RuntimeContract):
    plugin, name = zoo_openvino, "openvino"
