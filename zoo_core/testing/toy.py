"""A whole plugin in one light module: the shortest example of every hook, and a test double.

`ZOO_PLUGINS=zoo_core.testing.toy zoo run toy-detector --backend toy` finds red and blue squares
in four small images. The work is done in `toy_parts`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import Availability, Backend, Device, Provider, Stage
from zoo_core.api.hooks import hookimpl
from zoo_core.errors import UsageError, check_known
from zoo_core.toolkit.options import DETECTION_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zoo_core import api

ZOO_API = 1
_OPTIONS = MappingProxyType({"clip": "largest activation that int8 holds; by default the one seen"})


@hookimpl
def zoo_exporters() -> Iterable[Provider[api.Exporter]]:
    """The exporter `toy`."""
    yield Provider(name="toy", summary="four numbers to a network of three nodes", load=ToyExporter)


@hookimpl
def zoo_compilers() -> Iterable[Provider[api.Compiler]]:
    """The compiler `toy`."""
    yield Provider(name="toy", summary="ONNX as it is, or with int8 convolutions", load=ToyCompiler)


@hookimpl
def zoo_runtimes() -> Iterable[Provider[api.Runtime]]:
    """The runtime `toy`."""
    yield Provider(name="toy", summary="ONNX's reference evaluator", load=_part("ToyRuntime"))


@hookimpl
def zoo_decoders() -> Iterable[Provider[api.Decoder]]:
    """The decoder `toy-grid`."""
    yield Provider(name="toy-grid", summary="a grid of scores", load=_part("ToyDecoder"))


@hookimpl
def zoo_evaluators() -> Iterable[Provider[api.Evaluator]]:
    """The evaluator `toy-detection`."""
    summary = "F1 of exact squares"
    yield Provider(
        name="toy-detection", summary=summary, load=_part("ToyEvaluator"), options=DETECTION_OPTIONS
    )


@hookimpl
def zoo_datasets() -> Iterable[Provider[api.Dataset]]:
    """Four images that come with the plugin, and four that a stage draws."""
    for name, summary, seed in (
        ("toy-shapes", "four images of squares", None),
        ("toy-drawn", "four more, drawn when needed", 1),
    ):
        yield Provider(name=name, summary=summary, load=_part("ToyDataset", name, seed))


@hookimpl
def zoo_emitters() -> Iterable[Provider[api.OfflineBuilder]]:
    """The emitter `toy`."""
    yield Provider(name="toy", summary="the graph, and what to build of it", load=ToyOfflineBuilder)


@hookimpl
def zoo_profilers() -> Iterable[Provider[api.Profiler]]:
    """The profiler `toy`."""
    yield Provider(name="toy", summary="one run by the clock", load=_part("ToyProfiler"))


@hookimpl
def zoo_backends() -> Iterable[Backend]:
    """The backend `toy`."""
    yield Backend(
        name="toy",
        summary="ONNX's reference evaluator, for trying zoo out",
        compiler="toy",
        runtime="toy",
        profiler="toy",
        emitter="toy",
        precisions=("fp32", "int8"),
        probe=_probe,
        options=_OPTIONS,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """One card, `toy-detector`."""
    yield Path(__file__).with_name("toy.yaml")


class ToyExporter:
    """From a 20-byte file, or a seed, to ONNX."""

    formats: tuple[str, ...] = ("onnx",)
    suffixes: Mapping[str, str] = MappingProxyType({".toy": "toy"})
    companions: Mapping[str, str] = MappingProxyType({})

    def stages(self, card: api.ModelCard, request: api.ExportRequest) -> Sequence[Stage]:
        """`export` and `verify`; raises UsageError for what it cannot make."""
        check_known(card.exporter_params, ("stride",), f"{card.id}.exporter_params")
        check_known([request.form], ("heads",), "--form")
        stride = int(card.exporter_params.get("stride", 4))
        if any(side % stride for side in request.size):
            raise UsageError(f"the input must be a multiple of {stride}", where="--size")
        params = {"size": list(request.size), "classes": request.classes, "stride": stride}
        weights = {"weights": request.files["weights"]} if request.files else {}
        params["seed"] = None if weights else request.seed
        graph = {**weights, "graph": "export/graph.json"}
        return [
            _stage("export", "export", params, weights, "model.onnx", "graph.json"),
            _stage("verify", "verify", params, graph, "verify.json"),
        ]


class ToyCompiler:
    """ONNX to ONNX."""

    formats: tuple[str, ...] = ("onnx",)
    form = "heads"
    calibrators: Mapping[str, str] = MappingProxyType({"minmax": "minmax", "max": "minmax"})

    def needs_calibration(self, precision: str) -> bool:
        """Only int8 does."""
        return precision == "int8"

    def stages(self, request: api.CompileRequest) -> Sequence[Stage]:
        """One stage, `compile`."""
        params, inputs = _to_build(request)
        if request.calibration:
            inputs["calibration"] = request.calibration
            params["preprocess"] = list(request.preprocess)
        files = ("artefact.json", "precision.json", "model.onnx")
        return [_stage("compile", "build", params, inputs, *files)]


class ToyOfflineBuilder:
    """Files for a build of the artefact on another machine."""

    def stages(self, request: api.CompileRequest) -> Sequence[Stage]:
        """One stage, `emit`."""
        return [_stage("emit", "emit", *_to_build(request), "files")]


def _to_build(request: api.CompileRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters and inputs of a build; raises UsageError for an unknown option."""
    check_known(request.target.options, _OPTIONS, "--option")
    params = {"precision": request.target.precision, **request.target.options}
    return params, {"graph": request.graph}


def _stage(
    name: str, function: str, params: Mapping[str, Any], inputs: Mapping[str, str], *outputs: str
) -> Stage:
    run, tools = f"zoo_core.testing.toy_parts:{function}", ("onnx", "numpy")
    return Stage(name=name, run=run, params=params, inputs=inputs, outputs=outputs, versions=tools)


def _part(name: str, *arguments: Any) -> Callable[[], Any]:
    """A function that imports a class of `toy_parts` and makes one."""
    return lambda: getattr(import_module("zoo_core.testing.toy_parts"), name)(*arguments)


def _probe() -> Availability:
    ok = find_spec("onnx") is not None
    reason, step = ("", "") if ok else ("the package onnx is not installed", "pip install onnx")
    cpu = Device(id="cpu", available=ok, reason=reason)
    gpu = Device(id="gpu", available=False, reason="the toy has no GPU")
    return Availability(ok=ok, version="1", reason=reason, next_step=step, devices=(cpu, gpu))
