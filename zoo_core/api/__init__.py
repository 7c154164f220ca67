"""What a plugin author implements and is called with: frozen values and small Protocols."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo_core.api.backend import ARTEFACT_FILE as ARTEFACT_FILE
    from zoo_core.api.backend import PRECISION_FILE as PRECISION_FILE
    from zoo_core.api.backend import Availability as Availability
    from zoo_core.api.backend import Backend as Backend
    from zoo_core.api.backend import Compiler as Compiler
    from zoo_core.api.backend import CompileRequest as CompileRequest
    from zoo_core.api.backend import Decoding as Decoding
    from zoo_core.api.backend import Device as Device
    from zoo_core.api.backend import DiagnosticStep as DiagnosticStep
    from zoo_core.api.backend import OfflineBuilder as OfflineBuilder
    from zoo_core.api.backend import PackageRequest as PackageRequest
    from zoo_core.api.backend import Portable as Portable
    from zoo_core.api.backend import Profiler as Profiler
    from zoo_core.api.backend import Runtime as Runtime
    from zoo_core.api.backend import Session as Session
    from zoo_core.api.backend import Target as Target
    from zoo_core.api.card import ModelCard as ModelCard
    from zoo_core.api.card import PublishedResult as PublishedResult
    from zoo_core.api.card import Repository as Repository
    from zoo_core.api.card import Source as Source
    from zoo_core.api.card import WeightsOption as WeightsOption
    from zoo_core.api.context import Providers as Providers
    from zoo_core.api.context import Sessions as Sessions
    from zoo_core.api.context import StageContext as StageContext
    from zoo_core.api.context import StageServices as StageServices
    from zoo_core.api.dataset import DataPlan as DataPlan
    from zoo_core.api.dataset import DataRequest as DataRequest
    from zoo_core.api.dataset import Dataset as Dataset
    from zoo_core.api.dataset import DataView as DataView
    from zoo_core.api.dataset import Sample as Sample
    from zoo_core.api.dataset import Shard as Shard
    from zoo_core.api.evaluation import Decode as Decode
    from zoo_core.api.evaluation import Decoder as Decoder
    from zoo_core.api.evaluation import Evaluator as Evaluator
    from zoo_core.api.evaluation import MatchesLabels as MatchesLabels
    from zoo_core.api.evaluation import Metrics as Metrics
    from zoo_core.api.evaluation import Prediction as Prediction
    from zoo_core.api.evaluation import Predictions as Predictions
    from zoo_core.api.evaluation import ReweightsImages as ReweightsImages
    from zoo_core.api.evaluation import ScoringProtocol as ScoringProtocol
    from zoo_core.api.evaluation import Substituted as Substituted
    from zoo_core.api.evaluation import SubstitutesParts as SubstitutesParts
    from zoo_core.api.export import Exporter as Exporter
    from zoo_core.api.export import ExportRequest as ExportRequest
    from zoo_core.api.export import GivenSettings as GivenSettings
    from zoo_core.api.export import PartedExporter as PartedExporter
    from zoo_core.api.export import SettingsReader as SettingsReader
    from zoo_core.api.graph import GRAPH_FILE as GRAPH_FILE
    from zoo_core.api.graph import Arrays as Arrays
    from zoo_core.api.graph import Graph as Graph
    from zoo_core.api.graph import TensorSpec as TensorSpec
    from zoo_core.api.provider import ProtocolOption as ProtocolOption
    from zoo_core.api.provider import Provider as Provider
    from zoo_core.api.recognition import AUTO as AUTO
    from zoo_core.api.recognition import FileOutline as FileOutline
    from zoo_core.api.recognition import RecognisesOutputs as RecognisesOutputs
    from zoo_core.api.recognition import Recognition as Recognition
    from zoo_core.api.repository import REPOSITORY as REPOSITORY
    from zoo_core.api.stage import Progress as Progress
    from zoo_core.api.stage import Stage as Stage
    from zoo_core.api.tuning import LAYERS_FILE as LAYERS_FILE
    from zoo_core.api.tuning import RANK_FILE as RANK_FILE
    from zoo_core.api.tuning import ComparesLayers as ComparesLayers
    from zoo_core.api.tuning import RanksLayers as RanksLayers
    from zoo_core.api.tuning import Tunable as Tunable
    from zoo_core.api.tuning import TuningStep as TuningStep

_MODULES = (
    "provider",
    "backend",
    "stage",
    "graph",
    "card",
    "dataset",
    "evaluation",
    "export",
    "context",
    "recognition",
    "repository",
    "tuning",
)
"""Modules of this package, those that a listing needs first."""


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: a listing needs few of them."""
    for module in () if name.islower() else _MODULES:  # in lower case it is a module
        members = vars(import_module(f"{__name__}.{module}"))
        if name in members:
            globals()[name] = members[name]
            return members[name]
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
