"""ONNX Runtime on the CPU: a compiler for fp32, fp16 and int8, and the runtime for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Availability, Backend, Device, Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Compiler, Runtime

ZOO_API = 1

OPTIONS = {
    "threads": "threads of one session; by default one for each processor granted",
    "rewrites": "all or none: graph rewrites that keep what the network computes",
    "calibrator": "auto, percentile, minmax, entropy or mse; --calibrator goes first",
    "percentile": "share of activations that the calibrator percentile keeps, in percent (99.99)",
    "sensitive": "outputs or none: which convolutions stay float by rule",
    "float_nodes": "names or globs of convolutions that stay float, with commas between",
    "reduce_range": "true or false: 7-bit weights, for processors without VNNI",
    "equalise": "none, free or all: channels between convolutions scaled to like ranges (none)",
    "bias_correction": "true or false: biases take back what int8 moves the mean by",
}
"""Keys of `--option` and of a card's `backends.onnxruntime`, each with one line."""

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")


@hookimpl
def zoo_compilers() -> Iterable[Provider[Compiler]]:
    """The compiler `onnxruntime`."""
    yield Provider(
        name="onnxruntime",
        summary="ONNX to a rewritten float graph, or to int8 with quantised convolutions",
        load=_compiler,
    )


@hookimpl
def zoo_runtimes() -> Iterable[Provider[Runtime]]:
    """The runtime `onnxruntime`."""
    yield Provider(
        name="onnxruntime", summary="ONNX Runtime's CPU execution provider", load=_runtime
    )


@hookimpl
def zoo_backends() -> Iterable[Backend]:
    """The backend `onnxruntime`: the default one, on any CPU."""
    yield Backend(
        name="onnxruntime",
        summary="ONNX Runtime on the CPU",
        compiler="onnxruntime",
        runtime="onnxruntime",
        precisions=("fp32", "fp16", "int8"),
        probe=probe,
        options=OPTIONS,
        default=True,
    )


def probe() -> Availability:
    """Whether the packages are there, found out without importing them; the device is the CPU."""
    from zoo_core.toolkit.machine import is_installed, version

    missing = [name for name in ("onnxruntime", "onnx") if not is_installed(name)]
    if missing:
        reason = f"not installed: {', '.join(missing)}"
        return Availability(
            ok=False,
            reason=reason,
            next_step=f"pip install {' '.join(missing)}",
            devices=(Device(id="cpu", available=False, reason=reason),),
        )
    found = next(filter(None, map(version, _DISTRIBUTIONS)), None)
    return Availability(ok=True, version=found, devices=(Device(id="cpu", available=True),))


def _compiler() -> Compiler:
    from zoo_onnxruntime.compiler import OnnxRuntimeCompiler

    return OnnxRuntimeCompiler()


def _runtime() -> Runtime:
    from zoo_onnxruntime.runtime import OnnxRuntimeRuntime

    return OnnxRuntimeRuntime()
