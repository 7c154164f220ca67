from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zoo_openvino

from zoo_core.testing import BackendContract, CompilerContract, PluginContract, RuntimeContract

if TYPE_CHECKING:
    from zoo_core.api import Session


class TestPlugin(PluginContract):
    plugin = zoo_openvino


class TestBackend(BackendContract):
    plugin, name = zoo_openvino, "openvino"


class TestCompiler(CompilerContract):
    plugin, name = zoo_openvino, "openvino"


class TestRuntime(RuntimeContract):
    plugin, name = zoo_openvino, "openvino"
    threads = 4

    def model(self, session: Session) -> Any:
        return session._compiled  # type: ignore[attr-defined]
