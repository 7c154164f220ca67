"""The values that everything else speaks of: frozen, typed, without behaviour of their own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo_core.api.backend import Availability, Backend, Decoding, Device, DiagnosticStep, Target
    from zoo_core.api.card import ModelCard, PublishedResult, Repository, Source, WeightsOption
    from zoo_core.api.contracts import (
        Arrays,
        Compiler,
        CompileRequest,
        DataPlan,
        DataRequest,
        Dataset,
        DataView,
        Decode,
        Decoder,
        Evaluator,
        Exporter,
        ExportRequest,
        OfflineBuilder,
        Prediction,
        Predictions,
        Profiler,
        Runtime,
        Session,
    )
    from zoo_core.api.graph import Graph, TensorSpec
    from zoo_core.api.protocol import ScoringProtocol
    from zoo_core.api.provider import Provider
    from zoo_core.api.results import Metrics, Sample, Shard
    from zoo_core.api.stage import Progress, Stage, StageContext

_HOMES = {
    "backend": (
        "Availability",
        "Backend",
        "Decoding",
        "Device",
        "DiagnosticStep",
        "Target",
    ),
    "card": (
        "ModelCard",
        "PublishedResult",
        "Repository",
        "Source",
        "WeightsOption",
    ),
    "contracts": (
        "Arrays",
        "Compiler",
        "CompileRequest",
        "DataPlan",
        "DataRequest",
        "Dataset",
        "DataView",
        "Decode",
        "Decoder",
        "OfflineBuilder",
        "Evaluator",
        "Exporter",
        "ExportRequest",
        "Prediction",
        "Predictions",
        "Profiler",
        "Runtime",
        "Session",
    ),
    "graph": (
        "Graph",
        "TensorSpec",
    ),
    "protocol": ("ScoringProtocol",),
    "provider": ("Provider",),
    "results": (
        "Metrics",
        "Sample",
        "Shard",
    ),
    "stage": (
        "Progress",
        "Stage",
        "StageContext",
    ),
}
"""Module of this package -> the names that it defines."""

__all__ = [
    "Arrays",
    "Availability",
    "Backend",
    "CompileRequest",
    "Compiler",
    "DataPlan",
    "DataRequest",
    "DataView",
    "Dataset",
    "Decode",
    "Decoder",
    "Decoding",
    "Device",
    "DiagnosticStep",
    "Evaluator",
    "ExportRequest",
    "Exporter",
    "Graph",
    "Metrics",
    "ModelCard",
    "OfflineBuilder",
    "Prediction",
    "Predictions",
    "Profiler",
    "Progress",
    "Provider",
    "PublishedResult",
    "Repository",
    "Runtime",
    "Sample",
    "ScoringProtocol",
    "Session",
    "Shard",
    "Source",
    "Stage",
    "StageContext",
    "Target",
    "TensorSpec",
    "WeightsOption",
]


def __getattr__(name: str) -> object:
    """A name is imported when it is first asked for: a listing needs few of them."""
    for module, names in _HOMES.items():
        if name in names:
            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
