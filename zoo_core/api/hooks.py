"""Every way to extend zoo. A plugin is a light module of functions marked `hookimpl`.

Provider hooks return an iterable of `Provider(name=..., summary=..., load=...)`. The module is
imported for every listing, so it must import nothing heavy; `load` does that.

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
    from collections.abc import Iterable
    from pathlib import Path

    from zoo_core.api import (
        Backend,
        Compiler,
        Dataset,
        Decoder,
        Evaluator,
        Exporter,
        OfflineBuilder,
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
    """How weights, or a source repository, become a graph."""


@hookspec
def zoo_compilers() -> Iterable[Provider[Compiler]]:  # type: ignore[empty-body]
    """How a graph becomes an artefact."""


@hookspec
def zoo_runtimes() -> Iterable[Provider[Runtime]]:  # type: ignore[empty-body]
    """How an artefact is opened and run."""


@hookspec
def zoo_decoders() -> Iterable[Provider[Decoder]]:  # type: ignore[empty-body]
    """How output tensors become candidates."""


@hookspec
def zoo_evaluators() -> Iterable[Provider[Evaluator]]:  # type: ignore[empty-body]
    """How predictions are settled by a protocol and scored against truth."""


@hookspec
def zoo_datasets() -> Iterable[Provider[Dataset]]:  # type: ignore[empty-body]
    """Where samples, truth and calibration images come from."""


@hookspec
def zoo_profilers() -> Iterable[Provider[Profiler]]:  # type: ignore[empty-body]
    """How a vendor's own tool measures an artefact."""


@hookspec
def zoo_emitters() -> Iterable[Provider[OfflineBuilder]]:  # type: ignore[empty-body]
    """How files are written that a machine with the vendor's tools compiles."""


@hookspec
def zoo_backends() -> Iterable[Backend]:  # type: ignore[empty-body]
    """Names for pairs of compiler and runtime, each with a probe."""


@hookspec
def zoo_registry_files() -> Iterable[Path]:  # type: ignore[empty-body]
    """Further registry files, in the format of registry.yaml."""


@hookspec(firstresult=True)
def zoo_run_stage(stage: Stage, context: StageContext) -> bool | None:
    """Run a stage elsewhere: the first to return True has run it; in this process by default."""


@hookspec
def zoo_stage_done(stage: Stage, key: str, seconds: float, cached: bool) -> None:
    """A stage has been committed or was found in the store; for listeners."""
