"""OpenVINO: fp32, bf16 and fp16 of an ONNX graph, and int8 from the onnxruntime compiler's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Availability, Backend, Device, Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Compiler, Runtime

ZOO_API = 1

OPTIONS = {
    "threads": "threads of all streams together; by default one for each processor granted",
    "streams": "runs that go on at once; by default 1 for latency, one a thread for throughput",
    "cache": "auto, none or a folder: where compiled models are kept",
    "remainder": "auto, bf16 or fp32: what int8 networks compute in where it is not int8",
    "rewrites": "all or none: graph rewrites that keep what the network computes",
    "calibrator": "int8: as of the backend onnxruntime; --calibrator goes first",
    "percentile": "int8: share of activations that the calibrator percentile keeps, in percent",
    "sensitive": "int8: outputs or none: which convolutions stay float by rule",
    "float_nodes": "int8: names or globs of convolutions that stay float, with commas between",
    "reduce_range": "int8: true or false: 7-bit weights, for processors without VNNI",
    "equalise": "int8: none, free or all: channels between convolutions scaled to like ranges",
    "bias_correction": "int8: true or false: biases take back what int8 moves the mean by",
}
"""Keys of `--option` and of a card's `backends.openvino`, each with one line."""


@hookimpl
def zoo_compilers() -> Iterable[Provider[Compiler]]:
    """The compiler `openvino`."""
    yield Provider(
        name="openvino",
        summary="ONNX to OpenVINO's own format; int8 from the onnxruntime compiler's file",
        load=_compiler,
    )


@hookimpl
def zoo_runtimes() -> Iterable[Provider[Runtime]]:
    """The runtime `openvino`."""
    yield Provider(
        name="openvino", summary="OpenVINO's runtime, for its own files and ONNX", load=_runtime
    )


@hookimpl
def zoo_backends() -> Iterable[Backend]:
    """The backend `openvino`: the fastest one on x86 processors."""
    yield Backend(
        name="openvino",
        summary="OpenVINO on the CPU",
        compiler="openvino",
        runtime="openvino",
        precisions=("fp32", "bf16", "fp16", "int8"),
        probe=probe,
        check_device=check_device,
        options=OPTIONS,
    )


def probe() -> Availability:
    """Whether OpenVINO is there, found out without importing it.

    The device is the CPU; others that OpenVINO drives are looked for when they are asked for.
    """
    from zoo_core.toolkit.machine import is_installed, version

    if not is_installed("openvino"):
        reason = "not installed: openvino"
        device = Device(id="cpu", available=False, reason=reason)
        step = "pip install openvino"
        return Availability(ok=False, reason=reason, next_step=step, devices=(device,))
    found = version("openvino") or "unknown"
    return Availability(ok=True, version=found, devices=(Device(id="cpu", available=True),))


def check_device(name: str) -> None:
    """Raises UnavailableError for a device that OpenVINO does not find here (gpu, npu, auto)."""
    from zoo_openvino.engine import capabilities
    from zoo_openvino.options import known_device

    capabilities(known_device(name))


def _compiler() -> Compiler:
    from zoo_openvino.compiler import OpenVinoCompiler

    return OpenVinoCompiler()


def _runtime() -> Runtime:
    from zoo_openvino.runtime import OpenVinoRuntime

    return OpenVinoRuntime()
