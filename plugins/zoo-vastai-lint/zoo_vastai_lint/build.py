"""Rules on what is built: precision, calibration, checkpoint and paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_vastai_lint.known import FRONTENDS
from zoo_vastai_lint.result import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_vastai_lint.source import Source

_PRECISION = re.compile(r"(?<![a-z0-9])(fp16|int8)(?![a-z0-9])")
_PART = re.compile(r"[a-z]+[0-9]*")
_EVALUATION = frozenset(
    {"val", "val2014", "val2017", "valid", "validation", "test", "testing", "test2017"}
)
_CALIBRATION = ("calib", "quant", "train")
_PLACEHOLDER = re.compile(r"(^|/)path/to(/|$)")


def build_findings(source: Source) -> Iterator[Finding]:
    """Every rule of this module on a configuration."""
    yield from _name(source)
    yield from _calibration(source)
    yield from _sampler(source)
    yield from _checkpoint(source)
    yield from _paths(source)


def _name(source: Source) -> Iterator[Finding]:
    dtype = source.at("backend", "dtype")
    for where, text in (("name", source.at("name")), ("", source.path.stem)):
        precisions = set(_PRECISION.findall(str(text or "").lower().replace("_", " ")))
        if len(precisions) != 1 or dtype not in ("fp16", "int8") or dtype in precisions:
            continue
        other = precisions.pop()
        what = f"the {'name' if where else 'file name'} says {other}, backend.dtype is {dtype}"
        step = f"rename it, or set dtype {other}"
        yield Finding("name-dtype", "warning", where or "backend.dtype", what, step)


def _calibration(source: Source) -> Iterator[Finding]:
    dtype, dataset = source.at("backend", "dtype"), source.mapping("dataset")
    language = source.at("frontend", "type") == "huggingface"
    if dtype == "int8" and language:
        if not source.mapping("frontend", "quantize") and not dataset:
            what = "int8 needs frontend.quantize or a dataset"
            yield Finding("int8-calibration", "error", "frontend", what, "add quantize.type")
        return
    if dtype == "int8":
        if not dataset:
            what = "int8 is calibrated on images, and there is no dataset"
            yield Finding("int8-calibration", "error", "backend.dtype", what, "add dataset")
        elif source.at("dataset", "path") is None:
            what = "is missing: int8 is calibrated on the files of this folder"
            yield Finding("int8-calibration", "error", "dataset.path", what, "add path")
        if not source.mapping("backend", "quantize"):
            what = "int8 without quantize: how to calibrate is left to vamc's default"
            yield Finding("int8-calibration", "warning", "backend", what, "add quantize")
    elif dataset and dtype == "fp16":
        yield Finding("unused-dataset", "info", "dataset", "has no effect with fp16")


def _sampler(source: Source) -> Iterator[Finding]:
    if not source.mapping("dataset"):
        return
    suffix, count = (source.at("dataset", "sampler", key) for key in ("suffix", "get_data_num"))
    where, ops = "dataset.sampler.suffix", source.at("dataset", "process_ops")
    if not isinstance(suffix, str) or not suffix:
        what = "is missing: vamc decides which files of the folder count"
        yield Finding("sampler", "info", where, what, "name the ending, such as jpg")
    elif suffix.startswith("."):
        step = f"write {suffix[1:]}"
        yield Finding("sampler", "error", where, "has a dot: no file will match", step)
    elif suffix.lower() == "npz" and ops:
        what = "npz files hold tensors: process_ops do not apply to them"
        yield Finding("sampler", "warning", "dataset.process_ops", what, "remove them")
    elif suffix.lower() != "npz" and not ops and source.at("dataset", "type") != "huggingface":
        what = f"{suffix} files need process_ops to become tensors"
        yield Finding("sampler", "error", "dataset", what, "add process_ops")
    folder = source.at("dataset", "path")
    if isinstance(suffix, str) and isinstance(folder, str):
        yield from _folder(source, folder, suffix)
    if type(count) is int and count < 1:
        yield Finding("sampler", "error", "dataset.sampler.get_data_num", "must be above 0")


def _folder(source: Source, folder: str, suffix: str) -> Iterator[Finding]:
    """What a folder that lies there holds; one that does not lie there may be elsewhere."""
    place = _existing(source, folder)
    if place is None or not place.is_dir():
        return
    endings = {item.suffix.lstrip(".") for item in place.iterdir() if item.is_file()}
    if suffix not in endings:
        what = f"no file of {folder} ends in .{suffix}"
        there = ", ".join(sorted(ending for ending in endings if ending)) or "none with an ending"
        yield Finding("sampler", "error", "dataset.sampler.suffix", what, f"there are: {there}")


def _checkpoint(source: Source) -> Iterator[Finding]:
    kind, checkpoint = source.at("frontend", "type"), source.at("frontend", "checkpoint")
    if not isinstance(checkpoint, str):
        return
    ending = Path(checkpoint).suffix.lower()
    fitting = [name for name, endings in FRONTENDS.items() if ending in endings]
    where = "frontend.checkpoint"
    if kind is None and not fitting:
        what = f"no type is stated, and '{ending}' does not imply one"
        yield Finding("checkpoint-type", "warning", where, what, "add frontend.type")
    elif isinstance(kind, str) and FRONTENDS.get(kind):
        if fitting and kind not in fitting:
            what = f"type is {kind}, the file ends in {ending} as for {fitting[0]}"
            yield Finding("checkpoint-type", "error", where, what, f"set type {fitting[0]}")
        elif not fitting:
            what = f"type is {kind}, '{ending}' is not one of {', '.join(FRONTENDS[kind])}"
            yield Finding("checkpoint-type", "warning", where, what, "check the path")
    elif kind == "huggingface" and fitting:
        what = f"type is huggingface, which takes a folder, the file ends in {ending}"
        yield Finding("checkpoint-type", "error", where, what, f"set type {fitting[0]}")
    place = _existing(source, checkpoint)
    if place is not None and ending == ".onnx":
        yield from _inputs(source, place)


def _inputs(source: Source, graph: Path) -> Iterator[Finding]:
    """The graph's own inputs against `frontend.shape`, where the onnx package is there."""
    where, shape = "frontend.shape", source.mapping("frontend", "shape")
    try:
        import onnx
    except ImportError:
        what = "the graph's inputs are not checked: onnx is not installed"
        yield Finding("graph-inputs", "info", where, what, "pip install onnx")
        return
    try:
        model = onnx.load(str(graph), load_external_data=False)
    except Exception as error:  # protobuf raises its own kinds for what is no graph
        what = f"{graph.name} is not an ONNX graph: {type(error).__name__}"
        yield Finding("graph-inputs", "error", "frontend.checkpoint", what)
        return
    weights = {item.name for item in model.graph.initializer}
    inputs = {item.name: item for item in model.graph.input if item.name not in weights}
    for name in sorted(shape.keys() ^ inputs.keys()):
        what = f"the graph has no input '{name}'" if name in shape else f"lacks input '{name}'"
        step = f"its inputs: {', '.join(inputs)}"
        yield Finding("graph-inputs", "error", f"{where}.{name}", what, step)
    for name in sorted(shape.keys() & inputs.keys()):
        dims = [d.dim_value or d.dim_param for d in inputs[name].type.tensor_type.shape.dim]
        sides = shape[name]
        if _differs(sides, dims):
            what = f"is {sides}, the graph has {dims}"
            yield Finding("graph-inputs", "error", f"{where}.{name}", what, "use the graph's")


def _differs(sides: object, dims: list[int | str]) -> bool:
    if not isinstance(sides, list) or any(isinstance(side, list) for side in sides):
        return False
    if len(sides) != len(dims):
        return True
    return any(isinstance(d, int) and d and d != g for g, d in zip(sides, dims, strict=True))


def _paths(source: Source) -> Iterator[Finding]:
    keys = ("frontend.checkpoint", "dataset.path", "workspace.path")
    values = {key: source.at(*key.split(".")) for key in keys}
    for key, value in values.items():
        if isinstance(value, str) and _PLACEHOLDER.search(value):
            yield Finding("placeholder", "info", key, f"'{value}' is to be filled in")
    relative = [
        key
        for key, value in values.items()
        if isinstance(value, str)
        and not value.startswith(("/", "~"))
        and not _PLACEHOLDER.search(value)
    ]
    if relative:
        what = "counts from the folder in which vamc is started, not from this file"
        yield Finding("relative-path", "info", ", ".join(relative), what)
    folder = values["dataset.path"]
    if isinstance(folder, str) and source.at("backend", "dtype") == "int8":
        low = folder.lower()
        if not any(word in low for word in _CALIBRATION) and _EVALUATION & set(_PART.findall(low)):
            what = f"'{folder}' looks like an evaluation set: int8 is then scored on its own data"
            step = "calibrate on images of the training set"
            yield Finding("calibration-set", "warning", "dataset.path", what, step)


def _existing(source: Source, path: str) -> Path | None:
    """The path from the current folder, or else from the file's."""
    for place in (Path(path), source.path.parent / path):
        try:
            if place.exists():
                return place
        except OSError:
            return None
    return None
