"""What is to be compiled, as a request, and the configuration that asks vamc for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.vision import Preprocess
from zoo_vastai.compile.preprocess import render_process_ops
from zoo_vastai.formats.config import (
    BackendPart,
    DatasetPart,
    Frontend,
    GraphPart,
    Sampler,
    VamcConfig,
    Workspace,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DTYPES = ("fp16", "int8")
CALIBRATE_MODES = ("max", "percentile", "kl_divergence", "mse")

_FRONTENDS: Mapping[str, str] = MappingProxyType({"torchscript": "pytorch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationImages:
    """The first `count` files of the folder `path` that end in `suffix` (no dot).

    Files in npz hold network inputs, and need no operations.
    """

    path: str
    suffix: str
    count: int
    mode: str
    per_channel: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One compilation. `size` is (height, width); `inputs` are the graph's names and shapes.

    `format` is the graph's, `compile` and `quantize` go to vamc as they are, the results come to
    lie in `workspace`/`name`.
    """

    name: str
    checkpoint: str
    inputs: Mapping[str, list[int]]
    dtype: str
    preprocess: Sequence[Mapping[str, Any]]
    size: tuple[int, int]
    workspace: str
    format: str = "onnx"
    calibration: CalibrationImages | None = None
    extra_ops: Mapping[str, Any] | None = None
    compile: Mapping[str, Any] = field(default_factory=dict)
    quantize: Mapping[str, Any] = field(default_factory=dict)


def render_config(build: Build) -> VamcConfig:
    """The configuration; raises `UsageError` for what vamc does not take."""
    _check(build)
    return VamcConfig(
        name=build.name,
        frontend=Frontend(
            checkpoint=build.checkpoint,
            shape={name: list(shape) for name, shape in build.inputs.items()},
            type=_FRONTENDS.get(build.format, build.format),
            dtype="fp32",
        ),
        graph=GraphPart(extra_ops=dict(build.extra_ops)) if build.extra_ops else None,
        dataset=_dataset(build, build.calibration) if build.calibration else None,
        backend=BackendPart(
            type="tvm_vacc",
            dtype=build.dtype,
            quantize=_quantize(build, build.calibration) if build.calibration else None,
            compile=dict(build.compile) or None,
        ),
        workspace=Workspace(path=build.workspace),
    )


def build_name(model: str, *, size: tuple[int, int], batch: int, variant: str, dtype: str) -> str:
    """A name that no two builds share which differ in model, size, batch, variant or dtype.

    It is read from the right: variant and dtype hold no underscore, so model may hold any. What
    does not suit a file name is replaced, and a digest of the original added.
    """
    return f"{_safe(model)}_{size[0]}x{size[1]}_b{batch}_{_safe(variant, '_')}_{_safe(dtype, '_')}"


def _safe(text: str, also: str = "") -> str:
    clean = re.sub(rf"[^A-Za-z0-9_.-]|^[.-]|[{also}~]", "-", text)
    if clean == text and text and not re.search(r"-[0-9a-f]{8}$", text):
        return clean
    return f"{clean}-{sha256(text.encode()).hexdigest()[:8]}"


def _check(build: Build) -> None:
    if build.dtype not in DTYPES:
        raise UsageError(f"vamc has no dtype '{build.dtype}'", next="choose fp16 or int8")
    if build.name in ("", ".", "..") or {"/", "\\"} & set(build.name):
        raise UsageError(f"'{build.name}' cannot name a folder", next="use build_name")
    if not build.inputs:
        raise UsageError("a build needs the names and shapes of the graph's inputs")
    if build.dtype == "int8" and build.calibration is None:
        raise UsageError("int8 needs calibration images", where=build.name)
    mode = build.calibration.mode if build.calibration else CALIBRATE_MODES[0]
    if mode not in CALIBRATE_MODES:
        raise UsageError(
            f"vamc has no calibrate_mode '{mode}'", next=f"known: {', '.join(CALIBRATE_MODES)}"
        )
    size = Preprocess.from_data(build.preprocess, where="preprocess").size
    if size != build.size:
        raise UsageError(
            f"the preprocessing gives {list(size)}, the network takes {list(build.size)}",
            where=build.name,
        )


def _dataset(build: Build, images: CalibrationImages) -> DatasetPart:
    tensors = images.suffix.lower() == "npz"
    return DatasetPart(
        type="tvm",
        path=images.path,
        sampler=Sampler(suffix=images.suffix, get_data_num=images.count),
        process_ops=None if tensors else tuple(render_process_ops(build.preprocess)),
    )


def _quantize(build: Build, images: CalibrationImages) -> dict[str, Any]:
    own = {"calibrate_mode": images.mode, "quantize_per_channel": images.per_channel}
    return {**own, **build.quantize}
