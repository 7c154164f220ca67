"""For plugin authors: contracts to subclass, fixtures, a way to run stages, and a toy plugin.

    import zoo_x
    from zoo_core.testing import DecoderContract, PluginContract

    class TestPlugin(PluginContract):
        plugin = zoo_x

    class TestDecoder(DecoderContract):
        plugin, name = zoo_x, "x"

Fixtures come with `pytest_plugins = ["zoo_core.testing.fixtures"]`. Nothing is imported before it
is used, so that `zoo_core.testing.toy` works where pytest is not installed.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo_core.testing.contracts.backend import BackendContract
    from zoo_core.testing.contracts.compiler import CompilerContract
    from zoo_core.testing.contracts.dataset import DatasetContract
    from zoo_core.testing.contracts.decoder import DecoderContract, TaskDecoderContract
    from zoo_core.testing.contracts.evaluator import EvaluatorContract, TaskEvaluatorContract
    from zoo_core.testing.contracts.exporter import ExporterContract
    from zoo_core.testing.contracts.offline_builder import OfflineBuilderContract
    from zoo_core.testing.contracts.plugin import PluginContract
    from zoo_core.testing.contracts.profiler import ProfilerContract
    from zoo_core.testing.contracts.runtime import RuntimeContract
    from zoo_core.testing.examples import Box, ExportWeights, model_card
    from zoo_core.testing.stages import run_stages

__all__ = [
    "BackendContract",
    "Box",
    "CompilerContract",
    "DatasetContract",
    "DecoderContract",
    "EvaluatorContract",
    "ExportWeights",
    "ExporterContract",
    "OfflineBuilderContract",
    "PluginContract",
    "ProfilerContract",
    "RuntimeContract",
    "TaskDecoderContract",
    "TaskEvaluatorContract",
    "model_card",
    "run_stages",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name.endswith("Contract"):
        words = re.findall("[A-Z][a-z]*", name.removeprefix("Task").removesuffix("Contract"))
        module = f"{__name__}.contracts.{'_'.join(words).lower()}"
    else:
        module = f"{__name__}.{'stages' if name == 'run_stages' else 'examples'}"
    return getattr(import_module(module), name)
