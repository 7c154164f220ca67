"""ONNX Runtime and OpenVINO on the full-size network, all in one process and by turns."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Target
from zoo_core.system.machine import BF16_SETS, INT8_SETS, cpu_features

from .rows import absent, faster, reached
from .timing import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from .rows import Row
    from .timing import Timings
    from .workshop import Workshop

_ROUNDS = 11
_REST = 0.05
_FEW = ("--calibration-images", "4", "--calibrator", "minmax")
_SUBSET = 8

Contenders = dict[str, "Callable[[], Any]"]


def rows(workshop: Workshop, groups: frozenset[str]) -> Iterator[Row]:
    """The rows of the groups `ort` and `openvino`."""
    picture = np.random.default_rng(1).random((1, 3, 416, 416), dtype=np.float32)
    reasons: dict[str, str] = {}
    with ExitStack() as stack:
        contenders: Contenders = {"default": _default(workshop.graph, picture)}
        if "ort" in groups:
            _add_onnxruntime(workshop, picture, contenders, stack)
        if "openvino" in groups:
            _add_openvino(workshop, picture, contenders, stack, reasons)
        distance = _distance(contenders) if "ort" in groups else 0.0
        times = interleaved(contenders, _ROUNDS, rest=_REST, ahead=1)
    yield from _table(groups, times, reasons, distance)


def _table(
    groups: frozenset[str], times: Timings, reasons: Mapping[str, str], distance: float
) -> Iterator[Row]:
    if "ort" in groups:
        yield _row(times, reasons, "ort", "ort fp32", "default", 1.6)
        yield reached("ort", "ONNX Runtime fp32, heads against the export", distance, 105, "dB")
        yield _row(times, reasons, "ort", "ort int8", "default", 3.7)
        yield _row(times, reasons, "ort", "ort int8", "quantize_static", 3.9)
    if "openvino" in groups:
        yield _row(times, reasons, "openvino", "openvino int8", "default", 5.7)
        yield _row(times, reasons, "openvino", "openvino int8", "nncf", 1.25)
        yield _row(times, reasons, "openvino", "openvino bf16", "default", 3.8)
        yield _row(times, reasons, "openvino", "openvino fp32", "default", 1.9)


def _row(
    times: Timings, reasons: Mapping[str, str], group: str, fast: str, slow: str, least: float
) -> Row:
    what = f"{_NAMES[fast]} against {_NAMES[slow]}"
    for name in (fast, slow):
        if name not in times.seconds:
            return absent(group, what, f">= {least:g}x", reasons.get(name, "was not asked for"))
    lacking = _lacking(fast)
    if lacking:
        return absent(group, what, f">= {least:g}x", lacking)
    row = faster(group, what, times.ratio(slow, fast), least)
    medians = {f"{name}_ms": times.median(name) * 1e3 for name in (fast, slow)}
    told = f"{row.result}, {medians[f'{fast}_ms']:.0f} against {medians[f'{slow}_ms']:.0f} ms"
    return replace(row, result=told, figures={**row.figures, **medians, "raw_ms": times.to_data()})


_NAMES = {
    "default": "the default session",
    "quantize_static": "quantize_static",
    "nncf": "nncf.quantize",
    "ort fp32": "ONNX Runtime fp32",
    "ort int8": "ONNX Runtime int8",
    "openvino int8": "OpenVINO int8",
    "openvino bf16": "OpenVINO bf16",
    "openvino fp32": "OpenVINO fp32",
}


def _lacking(name: str) -> str:
    """Why the processor cannot be expected to reach the goal, if it cannot."""
    features = cpu_features()
    if name.endswith("int8") and not features & INT8_SETS:
        return "the processor has no VNNI"
    if name.endswith("bf16") and not features & BF16_SETS:
        return "the processor has no bfloat16"
    return ""


def _default(graph: Path, picture: Any) -> Callable[[], Any]:
    """ONNX Runtime as it comes: no option is set."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    return partial(session.run, None, {session.get_inputs()[0].name: picture})


def _add_onnxruntime(
    workshop: Workshop, picture: Any, contenders: Contenders, stack: ExitStack
) -> None:
    for precision in ("fp32", "int8"):
        contenders[f"ort {precision}"] = _opened(workshop, "onnxruntime", precision, picture, stack)
    static = workshop.folder / "quantize_static.onnx"
    if not static.exists():
        workshop.make("quantize_static", workshop.graph, static)
    contenders["quantize_static"] = _default(static, picture)


def _add_openvino(
    workshop: Workshop,
    picture: Any,
    contenders: Contenders,
    stack: ExitStack,
    reasons: dict[str, str],
) -> None:
    backend = workshop.plugins.backends().get("openvino")
    found = backend.availability() if backend else None
    reason = found.reason if found else "there is no backend 'openvino'"
    for precision in ("int8", "bf16", "fp32"):
        name = f"openvino {precision}"
        if found is not None and found.ok:
            contenders[name] = _opened(workshop, "openvino", precision, picture, stack)
        else:
            reasons[name] = reason
    if found is None or not found.ok:
        reasons["nncf"] = reason
    elif find_spec("nncf") is None:
        reasons["nncf"] = "nncf is not installed"
    else:
        contenders["nncf"] = _nncf(workshop.graph, picture)


def _opened(
    workshop: Workshop, backend: str, precision: str, picture: Any, stack: ExitStack
) -> Callable[[], Any]:
    """A session of zoo's, opened for latency."""
    calibrated = _FEW if precision == "int8" else ()
    arguments = ("--backend", backend, "--precision", precision, *calibrated)
    folder = workshop.built("compile", f"{backend}-{precision}", *arguments)
    known = workshop.plugins.backend(backend)
    device = next(device.id for device in known.availability().devices if device.available)
    target = Target(backend=backend, precision=precision, device=device)
    runtime = workshop.plugins.runtime(known.runtime)
    session = stack.enter_context(runtime.open(folder, target, "latency"))
    return partial(session.run, {session.inputs[0].name: picture})


def _nncf(graph: Path, picture: Any) -> Callable[[], Any]:
    """NNCF's own quantisation, run by the same engine with the same hint."""
    import openvino

    nncf: Any = import_module("nncf")

    random = np.random.default_rng(2)
    pictures = [random.random(picture.shape, dtype=np.float32) for _ in range(_SUBSET)]
    model = openvino.Core().read_model(str(graph))
    quantised = nncf.quantize(model, nncf.Dataset(pictures), subset_size=_SUBSET)
    properties = {"PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(quantised, "CPU", properties)
    request = compiled.create_infer_request()
    return partial(request.infer, {0: picture})


def _distance(contenders: Contenders) -> float:
    """Signal over difference of zoo's fp32 heads, in dB; the lowest of the heads."""
    reference = contenders["default"]()
    found = list(contenders["ort fp32"]().values())
    ratios = []
    for one, other in zip(reference, found, strict=True):
        wanted = one.astype(np.float64)
        noise = float(np.sum((wanted - other) ** 2))
        ratios.append(10 * math.log10(float(np.sum(wanted**2)) / noise) if noise else math.inf)
    return min(ratios)
