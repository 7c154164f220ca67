"""A whole plugin in one light module: the shortest example of every hook, and a test double.

`ZOO_PLUGINS=zoo_core.testing.toy zoo run toy-detector --backend toy` finds red and blue squares
in four small images. The work is done in `toy_stages` (stages) and `toy_parts` (the rest).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import Availability, Backend, Device, Provider, Stage
from zoo_core.api.hooks import hookimpl
from zoo_core.errors import UsageError, check_known, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zoo_core.api import (
        Compiler,
        CompileRequest,
        Dataset,
        Decoder,
        Evaluator,
        Exporter,
        ExportRequest,
        ModelCard,
        OfflineBuilder,
        Runtime,
    )

ZOO_API = 1

_STAGES = "zoo_core.testing.toy_stages"
_OPTIONS = MappingProxyType({"clip": "largest activation that int8 holds; by default the one seen"})


@hookimpl
def zoo_exporters() -> Iterable[Provider[Exporter]]:
    """The exporter `toy`."""
    yield Provider(name="toy", summary="four numbers to a network of three nodes", load=ToyExporter)


@hookimpl
def zoo_compilers() -> Iterable[Provider[Compiler]]:
    """The compiler `toy`."""
    yield Provider(name="toy", summary="ONNX as it is, or with int8 convolutions", load=ToyCompiler)


@hookimpl
def zoo_runtimes() -> Iterable[Provider[Runtime]]:
    """The runtime `toy`."""
    yield Provider(name="toy", summary="ONNX's reference evaluator", load=_runtime)


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """The decoder `toy-grid`."""
    yield Provider(name="toy-grid", summary="a grid of scores, one box a cell", load=_decoder)


@hookimpl
def zoo_evaluators() -> Iterable[Provider[Evaluator]]:
    """The evaluator `toy-detection`."""
    yield Provider(name="toy-detection", summary="average precision at IoU .5", load=_evaluator)


@hookimpl
def zoo_datasets() -> Iterable[Provider[Dataset]]:
    """Four images that come with the plugin, and four that a stage draws."""
    yield Provider(name="toy-shapes", summary="four images of squares", load=_shapes)
    yield Provider(name="toy-drawn", summary="four more, drawn when needed", load=_drawn)


@hookimpl
def zoo_emitters() -> Iterable[Provider[OfflineBuilder]]:
    """The emitter `toy`."""
    yield Provider(name="toy", summary="the graph, and what to build of it", load=ToyOfflineBuilder)


@hookimpl
def zoo_backends() -> Iterable[Backend]:
    """The backend `toy`."""
    yield Backend(
        name="toy",
        summary="ONNX's reference evaluator, for trying zoo out",
        compiler="toy",
        runtime="toy",
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

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """`export` and `verify`; raises UsageError for what it cannot make."""
        check_known(card.exporter_params, ("stride",), f"{card.id}.exporter_params")
        stride = int(card.exporter_params.get("stride", 4))
        if request.form != "heads":
            raise UsageError(
                f"no form '{request.form}'", next=did_you_mean(request.form, ("heads",))
            )
        if any(side % stride for side in request.size):
            raise UsageError(f"the input must be a multiple of {stride}", where="--size")
        random = request.weights == "random"
        weights = {} if random else {"weights": request.files["weights"]}
        params = {
            "size": list(request.size),
            "classes": request.classes,
            "stride": stride,
            "seed": request.seed if random else None,
        }
        export = Stage(
            name="export",
            run=f"{_STAGES}:export",
            params=params,
            inputs=weights,
            outputs=("model.onnx", "graph.json"),
            versions=("onnx",),
        )
        verify = Stage(
            name="verify",
            run=f"{_STAGES}:verify",
            params=params,
            inputs={**weights, "graph": "export/graph.json"},
            outputs=("verify.json",),
            versions=("onnx",),
        )
        return [export, verify]


class ToyCompiler:
    """ONNX to ONNX."""

    formats: tuple[str, ...] = ("onnx",)
    form = "heads"
    calibrators: Mapping[str, str] = MappingProxyType({"minmax": "minmax", "max": "minmax"})

    def needs_calibration(self, precision: str) -> bool:
        """Only int8 does."""
        return precision == "int8"

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """One stage, `compile`."""
        check_known(request.target.options, _OPTIONS, "--option")
        inputs = {"graph": request.graph}
        params: dict[str, Any] = {"precision": request.target.precision}
        if request.calibration:
            inputs["calibration"] = request.calibration
            params |= {"preprocess": list(request.preprocess), **request.target.options}
        return [
            Stage(
                name="compile",
                run=f"{_STAGES}:build",
                params=params,
                inputs=inputs,
                outputs=("artefact.json", "precision.json", "model.onnx"),
                versions=("onnx", "numpy"),
            )
        ]


class ToyOfflineBuilder:
    """What another machine needs to build the artefact."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """One stage, `emit`."""
        check_known(request.target.options, _OPTIONS, "--option")
        return [
            Stage(
                name="emit",
                run=f"{_STAGES}:emit",
                params={"precision": request.target.precision, **request.target.options},
                inputs={"graph": request.graph},
                outputs=("files",),
            )
        ]


def _probe() -> Availability:
    absent = Device(id="gpu", available=False, reason="the toy has no GPU")
    if find_spec("onnx") is None:
        reason = "the package onnx is not installed"
        cpu = Device(id="cpu", available=False, reason=reason)
        step = "pip install onnx"
        return Availability(ok=False, reason=reason, next_step=step, devices=(cpu, absent))
    return Availability(ok=True, version="1", devices=(Device(id="cpu", available=True), absent))


def _runtime() -> Runtime:
    from zoo_core.testing.toy_parts import ToyRuntime

    return ToyRuntime()


def _decoder() -> Decoder:
    from zoo_core.testing.toy_parts import ToyDecoder

    return ToyDecoder()


def _evaluator() -> Evaluator:
    from zoo_core.testing.toy_parts import ToyEvaluator

    return ToyEvaluator()


def _shapes() -> Dataset:
    from zoo_core.testing.toy_data import ToyDataset

    return ToyDataset("toy-shapes")


def _drawn() -> Dataset:
    from zoo_core.testing.toy_data import ToyDataset

    return ToyDataset("toy-drawn", seed=1)
