"""The hooks of zoo. A plugin is a small module of functions that are marked `hookimpl`.

A hook that provides objects returns an iterable of `Provider(name=..., summary=..., load=...)`
(`zoo_backends` returns `Backend`s). The module is imported for every listing, so it must not import
anything heavy; `load` does that.

    from zoo_core.api.hooks import hookimpl
    from zoo_core.api import Decoder, Provider

    ZOO_API = 1

    @hookimpl
    def zoo_decoders() -> Iterable[Provider[Decoder]]:
        yield Provider(name="yolox", summary="grid decode of YOLOX heads", load=_decoder)

    def _decoder() -> Decoder:
        from zoo_yolox.decoder import YoloxDecoder
        return YoloxDecoder()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zoo_core.api import (
        Backend,
        Compiler,
        Dataset,
        Decoder,
        Evaluator,
        Exporter,
        OfflineBuilder,
        PackageRequest,
        Profiler,
        Provider,
        Runtime,
        Stage,
        StageContext,
    )

hookspec = pluggy.HookspecMarker("zoo")
hookimpl = pluggy.HookimplMarker("zoo")


@hookspec
def zoo_exporters() -> Iterable[Provider[Exporter]]:  # type: ignore[empty-body]
    """Exporters: they make a graph from weights or from a source repository."""


@hookspec
def zoo_compilers() -> Iterable[Provider[Compiler]]:  # type: ignore[empty-body]
    """Compilers: they make an artefact from a graph."""


@hookspec
def zoo_runtimes() -> Iterable[Provider[Runtime]]:  # type: ignore[empty-body]
    """Runtimes: they load artefacts and run them."""


@hookspec
def zoo_decoders() -> Iterable[Provider[Decoder]]:  # type: ignore[empty-body]
    """Decoders: they turn output tensors into candidates."""


@hookspec
def zoo_evaluators() -> Iterable[Provider[Evaluator]]:  # type: ignore[empty-body]
    """Evaluators: they postprocess candidates and compute metrics against the ground truth."""


@hookspec
def zoo_datasets() -> Iterable[Provider[Dataset]]:  # type: ignore[empty-body]
    """Data sets: samples, ground truth and calibration images."""


@hookspec
def zoo_profilers() -> Iterable[Provider[Profiler]]:  # type: ignore[empty-body]
    """Profilers: they measure an artefact with the vendor's own tool."""


@hookspec
def zoo_emitters() -> Iterable[Provider[OfflineBuilder]]:  # type: ignore[empty-body]
    """Offline builders: they write a build folder for compilation on another machine."""


@hookspec
def zoo_backends() -> Iterable[Backend]:  # type: ignore[empty-body]
    """Backends: named pairs of a compiler and a runtime, each with a probe."""


@hookspec
def zoo_registry_files() -> Iterable[Path]:  # type: ignore[empty-body]
    """Paths of further registry files, in the format of registry.yaml."""


@hookspec(firstresult=True)
def zoo_run_stage(stage: Stage, context: StageContext) -> bool | None:
    """Run a stage elsewhere and return True; if no plugin does, zoo runs the stage itself."""


@hookspec
def zoo_stage_done(stage: Stage, key: str, seconds: float, cached: bool) -> None:
    """Called for each stage that has been stored, or (`cached`) that the store already had."""


@hookspec(firstresult=True)
def zoo_write_package(request: PackageRequest) -> Sequence[str] | None:
    """Write the files of `zoo package` into the request's folder; returns what its check says.

    Its verify.py runs without zoo: exit code 0 if the artefact gives the golden results. Raises
    UsageError for a decoder or an evaluator that cannot run without zoo, ZooError where the check
    fails.
    """
