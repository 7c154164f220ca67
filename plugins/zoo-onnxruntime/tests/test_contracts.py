from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zoo_onnxruntime

from zoo_core.testing import BackendContract, CompilerContract, PluginContract, RuntimeContract

if TYPE_CHECKING:
    from zoo_core.api import Session


class TestPlugin(PluginContract):
    plugin = zoo_onnxruntime


class TestBackend(BackendContract):
    plugin, name = zoo_onnxruntime, "onnxruntime"


class TestCompiler(CompilerContract):
    plugin, name = zoo_onnxruntime, "onnxruntime"


class TestRuntime(RuntimeContract):
    plugin, name = zoo_onnxruntime, "onnxruntime"
    threads = 4

    def model(self, session: Session) -> Any:
        return session._session  # type: ignore[attr-defined]
