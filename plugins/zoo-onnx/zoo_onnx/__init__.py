"""Any ONNX file as a model of zoo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Exporter

ZOO_API = 1


@hookimpl
def zoo_exporters() -> Iterable[Provider[Exporter]]:
    """The exporter that takes a finished file."""
    yield Provider(
        name="onnx",
        summary="any .onnx file, checked against its card",
        load=_exporter,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The card `any-onnx`, for files without a card of their own."""
    yield Path(__file__).with_name("any.yaml")


def _exporter() -> Exporter:
    from zoo_onnx.exporter import OnnxExporter

    return OnnxExporter()
