"""The plan of an export: pure, light, and refusing what cannot be done."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import Stage
from zoo_core.errors import RegistryError, UsageError, check_known, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import ExportRequest, ModelCard

FORMS = ("heads", "e2e")
WEIGHTS_FORMAT = "darknet"
_OPSET = 17
_OPSETS = range(11, 21)
_PACKAGE = "zoo_darknet"


class DarknetExporter:
    """From a .cfg and its .weights to ONNX."""

    formats: tuple[str, ...] = ("onnx",)
    suffixes: Mapping[str, str] = MappingProxyType({".weights": WEIGHTS_FORMAT})
    companions: Mapping[str, str] = MappingProxyType({"cfg": ".cfg"})

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """`export` and `verify`.

        Raises RegistryError for the card's parameters, UsageError for a request that cannot be
        met: weights of another format, no cfg, a source repository.
        """
        opset = _opset(card)
        _check(request)
        random = request.weights == "random"
        roles = ("cfg",) if random else ("cfg", "weights")
        files = {role: request.files[role] for role in roles}
        network: dict[str, Any] = {
            "size": list(request.size),
            "classes": request.classes,
            "seed": request.seed if random else None,
            "form": request.form,
        }
        export = Stage(
            name="export",
            run=f"{_PACKAGE}.export:export",
            params={**network, "opset": opset, "decoder": dict(card.decoder_params)},
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


def _opset(card: ModelCard) -> int:
    where = f"{card.origin}: models.{card.id}.exporter_params"
    check_known(card.exporter_params, ("opset",), where, RegistryError)
    opset = card.exporter_params.get("opset", _OPSET)
    if not isinstance(opset, int) or opset not in _OPSETS:
        step = f"take one of {_OPSETS.start} to {_OPSETS.stop - 1}"
        raise RegistryError(f"no opset {opset!r}", where=where, next=step)
    return opset


def _check(request: ExportRequest) -> None:
    if request.source != "builtin":
        raise UsageError(
            "darknet networks are built from their .cfg, not from a source repository",
            where=f"--source {request.source}",
            next="leave --source away",
        )
    if request.form not in FORMS:
        raise UsageError(f"no graph form '{request.form}'", next=did_you_mean(request.form, FORMS))
    if "cfg" not in request.files:
        raise UsageError("a darknet network needs its .cfg", next="give --cfg FILE")
    if request.weights != "random" and request.format != WEIGHTS_FORMAT:
        raise UsageError(
            f"weights of format '{request.format}' are none of a darknet network",
            next="give a .weights file",
        )
