from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zoo_vastai

from zoo_core.testing import BackendContract, CompilerContract, PluginContract
from zoo_core.testing.int8 import count_int8

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.int8 import Int8Count


class TestPlugin(PluginContract):
    plugin = zoo_vastai


class TestBackend(BackendContract):
    plugin, name = zoo_vastai, "vastai"


class TestCompiler(CompilerContract):
    plugin, name = zoo_vastai, "vastai"

    def int8_nodes(self, folder: Path, artefact: dict[str, Any]) -> Int8Count | None:
        """The emulator keeps its network as ONNX."""
        return count_int8(folder / "mod.params") if artefact["emulated"] else None
