"""VastAI cards: a compiler around vamc, runtimes on vaststreamx and stored outputs, an emulator."""

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
    "nms": "auto, device or host: where boxes are suppressed; the device has thresholds built in",
    "sdk_python": "the interpreter that has vaststreamx; by default the one that can be found",
    "compile_timeout": "seconds that vamc compile may take (14400)",
    "queue": "images in flight on each die (8)",
    "timeout": "seconds that one image may take before it counts as hung (60)",
    "restarts": "how often the process with the SDK is started again after it failed (20)",
    "instances": "of the model that vamp runs at once on the die (1)",
    "processes": "that vamp starts (1)",
    "iterations": "samples that vamp runs; by default its own, 1024",
    "shape": "of the raw input for vamp, such as [3,416,416]; by default what the build says",
    "vamp_timeout": "seconds that vamp may take (900)",
    "outputs": "for --device files: the folder that vamp --path_output wrote",
    "datalist": "for --device files: the list that vamp --datalist read",
    "arithmetic": "exact, vsx or npz: how boxes are mapped back; the last two are the vendor's",
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
    """The emitter `vastai`."""
    yield Provider(
        name="vastai",
        summary="configuration, calibration images and a script for a machine with the SDK",
        load=_emitter,
    )


@hookimpl
def zoo_runtimes() -> Iterable[Provider[Runtime]]:
    """The runtime `vastai`."""
    yield Provider(
        name="vastai",
        summary="vaststreamx in a process of its own, or outputs that vamp has stored",
        load=_runtime,
    )


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """The decoder `vastai-nms`."""
    yield Provider(
        name="vastai-nms",
        summary="ids, scores and boxes of the device's own NMS",
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


def _emitter() -> OfflineBuilder:
    from zoo_vastai.offline import VastaiEmitter

    return VastaiEmitter()


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
