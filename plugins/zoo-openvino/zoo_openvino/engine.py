"""OpenVINO as this plugin uses it everywhere: reading, compiling, and errors in one line."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov

from zoo_core.errors import StageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import TensorSpec

CPU = "CPU"

_SAID = 300
_NO_OPERATOR = re.compile(r"No conversion rule found for operations: (.*)")
_WANTED = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a model is compiled.

    `computes` is fp32, bf16 or fp16, of all that is not int8; `hint` is latency or throughput.
    `cache` is the folder compiled models are kept in, "" for none. With `counting` the time of each
    operator is taken, which itself costs time.
    """

    device: str = CPU
    computes: str = "fp32"
    hint: str = "latency"
    threads: int | None = None
    streams: int = 1
    cache: str = ""
    counting: bool = False

    def properties(self) -> dict[str, Any]:
        """OpenVINO's properties; threads and streams are the CPU's alone."""
        found: dict[str, Any] = {
            "PERFORMANCE_HINT": self.hint.upper(),
            "INFERENCE_PRECISION_HINT": _WANTED[self.computes],
        }
        if self.cache:
            found["CACHE_DIR"] = self.cache
        if self.counting:
            found["PERF_COUNT"] = True
        if self.device == CPU:
            found["NUM_STREAMS"] = str(self.streams)
            if self.threads:
                found["INFERENCE_NUM_THREADS"] = self.threads
        return found


def tool() -> str:
    """The engine with its version."""
    return f"openvino {ov.__version__.partition('-')[0]}"


def read(path: Path) -> Any:
    """The `openvino.Model` in an ONNX or an OpenVINO file; raises StageError for what is none."""
    try:
        with stage_errors("OpenVINO cannot read the model", str(path), "use --backend onnxruntime"):
            return ov.Core().read_model(path)
    except StageError as error:
        if found := _NO_OPERATOR.search(error.what):
            what = f"OpenVINO has no operator {found[1]}"
            step = "use --backend onnxruntime, or export the network without it"
            raise StageError(what, where=error.where, next=step) from error
        raise


def fix_batch(model: Any, inputs: Sequence[TensorSpec], batch: int, where: str = "") -> None:
    """Give free dimensions of the inputs a size: the first one the batch's, in place.

    Raises StageError where the model cannot have it.
    """
    shapes = {
        spec.name: [batch if isinstance(size, str) else size for size in spec.shape]
        for spec in inputs
        if any(isinstance(size, str) for size in spec.shape)
    }
    if shapes:
        with stage_errors(f"the model cannot run batches of {batch}", where):
            model.reshape(shapes)


def compile_model(model: Any, setting: Setting, where: str = "") -> Any:
    """The `openvino.CompiledModel`; raises UnavailableError for a device that is not there."""
    core = _core_with(setting.device)
    with stage_errors("OpenVINO cannot compile the model", where):
        return core.compile_model(model, setting.device, setting.properties())


def capabilities(device: str = CPU) -> frozenset[str]:
    """What a device computes in, in OpenVINO's words (FP32, BF16, FP16, INT8 ...).

    Raises UnavailableError for a device that is not there.
    """
    core = _core_with(device)
    with stage_errors(f"OpenVINO tells nothing of {device}", ""):
        return frozenset(core.get_property(device, "OPTIMIZATION_CAPABILITIES"))


def computing(precision: str, remainder: str, able: frozenset[str]) -> str:
    """What is computed in where it is not int8: the precision asked for, if the device has it."""
    wanted = precision
    if precision == "int8":
        wanted = "bf16" if remainder == "auto" else remainder
    return wanted if wanted.upper() in able else "fp32"


@cache
def use_once() -> None:
    """Run one element through the bindings, before several threads do.

    On their first use they set up what passes arrays on, behind a guard of C++ that waits for the
    interpreter's lock while another thread holds that and waits for the guard: both, and with them
    the whole process, then wait for ever. Opening a session calls this in one thread.
    """
    source = ov.opset13.parameter([1], np.float32, name="x")
    source.output(0).set_names({"x"})
    model = ov.Model([ov.opset13.relu(source)], [source], "once")
    model.outputs[0].set_names({"y"})
    compiled = compile_model(model, Setting())
    infer(compiled, ["y"], {"x": np.zeros(1, np.float32)})


def infer(
    compiled: Any, names: Sequence[str], feeds: Mapping[str, NDArray[Any]], where: str = ""
) -> list[NDArray[Any]]:
    """The named outputs of one run of a compiled model."""
    return list(run(compiled.create_infer_request(), names, feeds, where).values())


def run(
    request: Any, names: Sequence[str], feeds: Mapping[str, NDArray[Any]], where: str = ""
) -> dict[str, NDArray[Any]]:
    """The named outputs of one run, as arrays of their own; raises StageError where it fails."""
    with stage_errors("OpenVINO failed", where):
        request.infer(
            {name: np.ascontiguousarray(a) for name, a in feeds.items()}, share_inputs=True
        )
        return {name: np.array(request.get_tensor(name).data, order="C") for name in names}


@contextmanager
def stage_errors(what: str, where: str, step: str = "") -> Iterator[None]:
    """Turns what OpenVINO raises into a StageError of one line; `step` is what to do next."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError) as error:
        raise StageError(f"{what}: {_said(error)}", where=where, next=step) from error


def _core_with(device: str) -> Any:
    """An `openvino.Core` that has the device; it loads the device's library."""
    core = ov.Core()
    wanted = device.partition(".")[0]
    devices = list(core.available_devices)
    if wanted != "AUTO" and not any(name.partition(".")[0] == wanted for name in devices):
        raise UnavailableError(
            f"OpenVINO finds no {device} here",
            next=f"use --device {' or '.join(name.lower() for name in devices)}",
        )
    return core


def _said(error: Exception) -> str:
    """The last line of OpenVINO's message, which is the cause; the others say where it was seen."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:_SAID] if lines else type(error).__name__
