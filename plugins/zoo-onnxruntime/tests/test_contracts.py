from __future__ import annotations

import zoo_onnxruntime

from zoo_core.testing import BackendContract, CompilerContract, PluginContract, RuntimeContract


class TestPlugin(PluginContract):
    plugin = zoo_onnxruntime


class TestBackend(BackendContract):
    plugin, name = zoo_onnxruntime, "onnxruntime"


class TestCompiler(CompilerContract):
    plugin, name = zoo_onnxruntime, "onnxruntime"


class TestRuntime(RuntimeContract):
    plugin, name = zoo_onnxruntime, "onnxruntime"
