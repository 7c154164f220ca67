"""The values that everything else speaks of: frozen, typed, without behaviour of their own."""

from __future__ import annotations

from zoo_core.nouns.backend import Availability, Backend, Decoding, Device, Rung, Target
from zoo_core.nouns.card import ModelCard, PublishedResult, Repository, Source, WeightsOption
from zoo_core.nouns.contracts import (
    Arrays,
    Compiler,
    CompileRequest,
    DataPlan,
    DataRequest,
    Dataset,
    DataView,
    Decode,
    Decoder,
    Emitter,
    Evaluator,
    Exporter,
    ExportRequest,
    Prediction,
    Predictions,
    Profiler,
    Runtime,
    Session,
)
from zoo_core.nouns.graph import Graph, TensorSpec
from zoo_core.nouns.provider import Provider
from zoo_core.nouns.results import Metrics, Sample, ScoringProtocol, Shard
from zoo_core.nouns.stage import Progress, Stage, StageContext

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
    "Emitter",
    "Evaluator",
    "ExportRequest",
    "Exporter",
    "Graph",
    "Metrics",
    "ModelCard",
    "Prediction",
    "Predictions",
    "Profiler",
    "Progress",
    "Provider",
    "PublishedResult",
    "Repository",
    "Rung",
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
