"""VastAI cards: compile with vamc, run with vaststreamx or stored outputs, profile with vamp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Backend, Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zoo_core.api import (
        Availability,
        Compiler,
        CompileRequest,
        Decoder,
        Decoding,
        DiagnosticStep,
        OfflineBuilder,
        Profiler,
        Runtime,
        Target,
    )

ZOO_API = 1

OPTIONS = {
    "nms": "where boxes are suppressed: auto, device (thresholds become part of the build) or host",
    "sdk_python": "Python interpreter that has vaststreamx; searched by default",
    "compile_timeout": "time limit of vamc compile in seconds (14400)",
    "queue": "images in flight on each die (8)",
    "timeout": "time limit of one image in seconds (60)",
    "restarts": "how often the SDK process is restarted after a failure (20)",
    "instances": "instances of the model that vamp runs at once on a die (1)",
    "processes": "processes that vamp starts (1)",
    "iterations": "samples that vamp runs (vamp's default, 1024)",
    "shape": "raw input shape for vamp, such as [3,416,416] (that of the build)",
    "vamp_timeout": "time limit of vamp in seconds (900)",
    "outputs": "for --device files: folder that vamp --path_output wrote",
    "datalist": "for --device files: list that vamp --datalist read",
    "arithmetic": "how boxes are mapped to the image: exact, or vsx or npz as by the vendor",
}
"""Keys of `--option`, each with one line; see zoo_vastai.options for those of a card."""


@hookimpl
def zoo_compilers() -> Iterable[Provider[Compiler]]:
    """The compiler `vastai`."""
    yield Provider(
        name="vastai",
        summary="vamc compile: ONNX to the three files of a VastAI card, fp16 or int8",
        load=_compiler,
    )


@hookimpl
def zoo_emitters() -> Iterable[Provider[OfflineBuilder]]:
    """The offline builder `vastai`."""
    yield Provider(
        name="vastai",
        summary="build folder for a machine with the SDK: configuration, images, script",
        load=_offline_builder,
    )


@hookimpl
def zoo_runtimes() -> Iterable[Provider[Runtime]]:
    """The runtime `vastai`."""
    yield Provider(
        name="vastai",
        summary="vaststreamx in a separate process, or outputs stored by vamp",
        load=_runtime,
    )


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """The decoder `vastai-nms`."""
    yield Provider(
        name="vastai-nms",
        summary="ids, scores and boxes of the device's NMS operator",
        load=_decoder,
    )


@hookimpl
def zoo_profilers() -> Iterable[Provider[Profiler]]:
    """The profiler `vamp`."""
    yield Provider(
        name="vamp",
        summary="vamp: throughput, utilisation, model and queueing latency",
        load=_profiler,
    )


@hookimpl
def zoo_backends() -> Iterable[Backend]:
    """The backend `vastai`: dies by number, `emulator`, and `files` for stored outputs."""
    yield Backend(
        name="vastai",
        summary="VastAI cards through vamc, vaststreamx and vamp, or their emulator",
        compiler="vastai",
        runtime="vastai",
        precisions=("fp16", "int8"),
        probe=_probe,
        profiler="vamp",
        emitter="vastai",
        decoding=_decoding,
        needs_graph=_needs_graph,
        facts=_facts,
        diagnostics=_diagnostics,
        options=OPTIONS,
    )


def _compiler() -> Compiler:
    from zoo_vastai.compiler import VastaiCompiler

    return VastaiCompiler()


def _offline_builder() -> OfflineBuilder:
    from zoo_vastai.offline import VastaiOfflineBuilder

    return VastaiOfflineBuilder()


def _runtime() -> Runtime:
    from zoo_vastai.stream.runtime import VastaiRuntime

    return VastaiRuntime()


def _decoder() -> Decoder:
    from zoo_vastai.decoder import DeviceNmsDecoder

    return DeviceNmsDecoder()


def _profiler() -> Profiler:
    from zoo_vastai.profiler import VampProfiler

    return VampProfiler()


def _probe() -> Availability:
    from zoo_vastai.sdk.probe import probe

    return probe()


def _decoding(request: CompileRequest) -> Decoding | None:
    from zoo_vastai.compile.nms import decoding

    return decoding(request)


def _needs_graph(target: Target) -> bool:
    return target.devices != ("files",)


def _facts(device: str) -> Mapping[str, object]:
    from zoo_vastai.sdk.probe import facts

    return facts(device)


def _diagnostics() -> Sequence[DiagnosticStep]:
    from zoo_vastai.sdk.diagnostics import diagnostics

    return diagnostics()
