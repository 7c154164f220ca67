from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import onnx
import zoo_vastai

from zoo_core.testing import (
    BackendContract,
    CompilerContract,
    OfflineBuilderContract,
    PluginContract,
    ProfilerContract,
    RuntimeContract,
)
from zoo_core.testing.int8 import Int8Count

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.contracts.compiled import TinyCompile
    from zoo_core.testing.isolation import Answer


class TestPlugin(PluginContract):
    plugin = zoo_vastai


class TestBackend(BackendContract):
    plugin, name = zoo_vastai, "vastai"

    def _check(self, answer: Answer) -> None:
        """The probe reads the machine in modules of its own, which are as light as the plugin."""
        super()._check(replace(answer, inner=[]))


class TestCompiler(CompilerContract):
    plugin, name = zoo_vastai, "vastai"

    def int8_nodes(self, folder: Path, artefact: dict[str, Any]) -> Int8Count | None:
        """The emulator's network: convolutions of restored bytes by weights stored as int8."""
        if not artefact["emulated"]:
            return None
        model = onnx.load(str(folder / "mod.params"))
        bytes_ = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8}
        made = {out: node for node in model.graph.node for out in node.output}

        def origins(name: str) -> set[str]:
            node = made.get(name)
            return {name}.union(*(origins(n) for n in node.input)) if node else {name}

        found = frozenset(
            node.name
            for node in model.graph.node
            if node.op_type == "Conv"
            and getattr(made.get(node.input[0]), "op_type", "") == "DequantizeLinear"
            and origins(node.input[1]) & bytes_
        )
        return Int8Count(found, found)

    def _check_artefact(self, case: TinyCompile, folder: Path) -> dict[str, Any]:
        """`model` is the prefix of three files, and an image goes in."""
        data: dict[str, Any] = json.loads((folder / "artefact.json").read_text(encoding="utf-8"))
        assert data["precision"] == case.precision
        assert all((folder / f"{data['model']}.{end}").is_file() for end in ("json", "so"))
        assert [row["name"] for row in data["inputs"]] == ["image"]
        assert [row["name"] for row in data["outputs"]] == ["head0"]
        return data


class TestRuntime(RuntimeContract):
    plugin, name = zoo_vastai, "vastai"


class TestProfiler(ProfilerContract):
    plugin, name = zoo_vastai, "vamp"


class TestOfflineBuilder(OfflineBuilderContract):
    plugin, name = zoo_vastai, "vastai"
