"""The plan of an export: pure, light, and refusing what cannot be done."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import GivenSettings, Stage
from zoo_core.errors import RegistryError, UsageError, check_known, check_one_of
from zoo_core.toolkit.darknet_cfg import read_cfg
from zoo_core.toolkit.options import FORMS, opset
from zoo_darknet.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import ExportRequest, ModelCard

WEIGHTS_FORMAT = "darknet"
_PACKAGE = "zoo_darknet"


class DarknetExporter:
    """From a .cfg and its .weights to ONNX."""

    formats: tuple[str, ...] = ("onnx",)
    suffixes: Mapping[str, str] = MappingProxyType({".weights": WEIGHTS_FORMAT})
    companions: Mapping[str, str] = MappingProxyType({"cfg": ".cfg"})

    def settings(self, card: ModelCard, files: Mapping[str, Path]) -> GivenSettings:
        """What the .cfg says of size, channels, letterbox and NMS; see `settings_of`."""
        return settings_of(read_cfg(files["cfg"])) if "cfg" in files else GivenSettings()

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """`export` and `verify`.

        Raises RegistryError for the card's parameters, UsageError for a request that cannot be
        met: weights of another format, no cfg, a source repository.
        """
        where = f"{card.origin}: models.{card.id}.exporter_params"
        check_known(card.exporter_params, ("opset",), where, RegistryError)
        _check(request)
        random = request.weights == "random"
        roles = ("cfg",) if random else ("cfg", "weights")
        files = {role: request.files[role] for role in roles}
        network: dict[str, Any] = {
            "size": list(request.size),
            "classes": request.classes,
            "seed": request.seed if random else None,
            "form": request.form,
            "channels": request.channels,
        }
        export = Stage(
            name="export",
            run=f"{_PACKAGE}.export:export",
            params={
                **network,
                "opset": opset(card.exporter_params, where),
                "decoder": dict(card.decoder_params),
            },
            inputs=files,
            outputs=("model.onnx", "graph.json"),
            versions=("torch", "onnx", "numpy"),
        )
        verify = Stage(
            name="verify",
            run=f"{_PACKAGE}.verify:verify",
            params=network,
            inputs={"graph": "export/graph.json", "model": "export/model.onnx", **files},
            outputs=("verify.json",),
            versions=("torch", "onnxruntime", "numpy"),
        )
        return [export, verify]


def _check(request: ExportRequest) -> None:
    if request.source != "builtin":
        raise UsageError(
            "darknet networks are built from their .cfg, not from a source repository",
            where=f"--source {request.source}",
            next="leave --source away",
        )
    check_one_of("graph form", request.form, FORMS)
    if "cfg" not in request.files:
        raise UsageError("a darknet network needs its .cfg", next="give --cfg FILE")
    if request.weights != "random" and request.format != WEIGHTS_FORMAT:
        raise UsageError(
            f"weights of format '{request.format}' are none of a darknet network",
            next="give a .weights file",
        )
