"""What the emulated vamc takes from a configuration, and what it refuses; other keys are silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.errors import ZooError
from zoo_core.toolkit.files import load_yaml, read_text
from zoo_vastai_emulator.process_ops import OPS
from zoo_vastai_emulator.refusal import RefusedError

EXTRA_OPS: Mapping[str, tuple[str, ...]] = {
    "softmax": (),
    "yolov4_nms": ("num_classes", "nms_threshold", "confidence_threshold", "anchor", "strides"),
    "yolov5_nms": ("num_classes", "nms_threshold", "confidence_threshold", "anchor", "strides"),
}
_CALIBRATE_MODES = ("percentile", "kl_divergence", "max", "mse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Calibration: `count` files of `folder` that end in `suffix`, through `process_ops`."""

    files: tuple[Path, ...]
    process_ops: tuple[Mapping[str, Any], ...]
    mode: str
    per_channel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A configuration, as far as the emulator needs it; `samples` is None for fp16."""

    name: str
    checkpoint: Path
    shapes: Mapping[str, tuple[int, ...]]
    dtype: str
    extra_ops: Mapping[str, Any] | None
    samples: Samples | None
    folder: Path


def read_request(path: Path) -> Request:
    """Read a configuration; its paths are relative to the current directory.

    Raises RefusedError for what vamc refuses.
    """
    if not path.is_file():
        raise RefusedError(f"config file {path} does not exist")
    try:
        data = load_yaml(read_text(path), str(path))
    except ZooError as error:
        raise RefusedError(f"config file {error}") from error
    name = _need(data, "name", "config", str)
    frontend = _need(data, "frontend", "config", Mapping)
    backend = _need(data, "backend", "config", Mapping)
    _one_of(_need(backend, "type", "backend", str), ("tvm_vacc",), "backend.type")
    dtype = _one_of(_need(backend, "dtype", "backend", str), ("fp16", "int8"), "backend.dtype")
    workspace = _need(data, "workspace", "config", Mapping)
    return Request(
        name=name,
        checkpoint=_checkpoint(frontend),
        shapes=_shapes(_need(frontend, "shape", "frontend", Mapping)),
        dtype=dtype,
        extra_ops=_extra_ops(data.get("graph")),
        samples=_samples(data.get("dataset"), backend) if dtype == "int8" else None,
        folder=Path(_need(workspace, "path", "workspace", str)) / name,
    )


def _checkpoint(frontend: Mapping[str, Any]) -> Path:
    path = Path(_need(frontend, "checkpoint", "frontend", str))
    kind = frontend.get("type") or path.suffix.lstrip(".")
    if kind != "onnx":
        raise RefusedError(f"frontend.type {kind!r}: the emulator compiles onnx only")
    if not path.is_file():
        raise RefusedError(f"frontend.checkpoint {path} does not exist in {Path.cwd()}")
    return path


def _shapes(shapes_by_input: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for name, shape in shapes_by_input.items():
        if not isinstance(shape, list) or not shape:
            raise RefusedError(f"frontend.shape {name}: not a list of numbers: {shape!r}")
        if any(isinstance(side, list) for side in shape):
            raise RefusedError(f"frontend.shape {name}: dynamic shapes are not emulated: {shape!r}")
        if any(not isinstance(side, int) or side < 1 for side in shape):
            raise RefusedError(f"frontend.shape {name}: not a list of positive numbers: {shape!r}")
        shapes[str(name)] = tuple(shape)
    if not shapes:
        raise RefusedError("frontend.shape is empty")
    return shapes


def _extra_ops(graph: object) -> Mapping[str, Any] | None:
    extra = graph.get("extra_ops") if isinstance(graph, Mapping) else None
    if not extra or not extra.get("type"):
        return None
    kind = _one_of(extra["type"], tuple(EXTRA_OPS), "graph.extra_ops.type")
    params = extra.get("params") or {}
    missing = [key for key in EXTRA_OPS[kind] if key not in params]
    if missing:
        raise RefusedError(f"graph.extra_ops {kind}: params lack {', '.join(missing)}")
    if kind != "softmax":
        _check_anchors(kind, params)
    return {"type": kind, "params": {key: params[key] for key in EXTRA_OPS[kind]}}


def _check_anchors(kind: str, params: Mapping[str, Any]) -> None:
    anchors, strides = params["anchor"], params["strides"]
    if len(anchors) % (2 * len(strides)) or not anchors:
        raise RefusedError(
            f"graph.extra_ops {kind}: {len(anchors)} anchor numbers for {len(strides)} strides"
        )


def _samples(dataset: object, backend: Mapping[str, Any]) -> Samples:
    if not isinstance(dataset, Mapping):
        raise RefusedError("backend.dtype int8 needs dataset, for calibration")
    folder = Path(_need(dataset, "path", "dataset", str))
    sampler = _need(dataset, "sampler", "dataset", Mapping)
    suffix = sampler.get("suffix")
    count = _need(sampler, "get_data_num", "dataset.sampler", int)
    if not folder.is_dir():
        raise RefusedError(f"dataset.path {folder} is not a directory in {Path.cwd()}")
    ending = f".{suffix}" if suffix else ""
    files = sorted(path for path in folder.iterdir() if path.name.endswith(ending))[:count]
    if not files:
        raise RefusedError(f"dataset.path {folder} holds no file that ends in {ending!r}")
    quantize = backend.get("quantize") or {}
    return Samples(
        files=tuple(files),
        process_ops=_process_ops(dataset.get("process_ops")),
        mode=_one_of(quantize.get("calibrate_mode", "max"), _CALIBRATE_MODES, "calibrate_mode"),
        per_channel=bool(quantize.get("quantize_per_channel", True)),
    )


def _process_ops(value: object) -> tuple[Mapping[str, Any], ...]:
    ops = value or []
    if not isinstance(ops, list) or not all(isinstance(op, Mapping) for op in ops):
        raise RefusedError("dataset.process_ops is not a list of operations")
    for op in ops:
        _one_of(op.get("type"), tuple(OPS), "dataset.process_ops type")
    return tuple(ops)


def _need(data: object, key: str, where: str, kind: Any) -> Any:
    value = data.get(key) if isinstance(data, Mapping) else None
    if value is None:
        raise RefusedError(f"{where}: the key {key!r} is missing")
    if not isinstance(value, kind):
        raise RefusedError(f"{where}.{key} has the wrong type: {value!r}")
    return value


def _one_of(value: object, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise RefusedError(f"{where} {value!r} is not supported; known: {', '.join(known)}")
    return str(value)
