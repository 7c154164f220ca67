"""The plan of taking an ONNX file: pure, light, and refusing what cannot be done."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import Stage
from zoo_core.errors import RegistryError, UsageError, check_known, check_one_of
from zoo_core.toolkit.options import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import ExportRequest, ModelCard

FORMAT = "onnx"
_PARAMS = ("input", "outputs", "form")


class OnnxExporter:
    """From an ONNX file to the same file, with what it takes and gives written down.

    A card may state in `exporter_params` the name of the `input`, the names of the `outputs` in
    their order, and the `form`: heads (raw, the default) or e2e (decoded).
    """

    formats: tuple[str, ...] = (FORMAT,)
    suffixes: Mapping[str, str] = MappingProxyType({".onnx": FORMAT})
    companions: Mapping[str, str] = MappingProxyType({})

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """`export` and `verify`.

        Raises RegistryError for the card's parameters, UsageError for a request that a file cannot
        meet: random weights, a source repository, boxes of a file that has raw heads.
        """
        stated = _stated(card)
        _check(request, stated["form"])
        weights = request.files["weights"]
        export = Stage(
            name="export",
            run="zoo_onnx.export:export",
            params={"size": list(request.size), **stated},
            inputs={"weights": weights},
            outputs=("model.onnx", "graph.json"),
            versions=("onnx",),
        )
        verify = Stage(
            name="verify",
            run="zoo_onnx.verify:verify",
            inputs={
                "weights": weights,
                "model": "export/model.onnx",
                "graph": "export/graph.json",
            },
            outputs=("verify.json",),
            versions=("onnx", "onnxruntime", "numpy"),
        )
        return [export, verify]


def _stated(card: ModelCard) -> dict[str, Any]:
    where = f"{card.origin}: models.{card.id}.exporter_params"
    given = card.exporter_params
    check_known(given, _PARAMS, where, RegistryError)
    form, name, outputs = given.get("form", "heads"), given.get("input"), given.get("outputs", [])
    check_one_of("form", str(form), FORMS, where, RegistryError)
    if name is not None and not isinstance(name, str):
        raise RegistryError(f"'input' must be a name, is {name!r}", where=where)
    if not isinstance(outputs, list) or not all(isinstance(item, str) for item in outputs):
        raise RegistryError(f"'outputs' must be a list of names, is {outputs!r}", where=where)
    return {"form": form, "input": name, "outputs": outputs}


def _check(request: ExportRequest, form: str) -> None:
    if request.source != "builtin":
        what = "an ONNX file is taken as it is, not exported by a source repository"
        raise UsageError(what, where=f"--source {request.source}", next="leave --source away")
    if request.weights == "random" or "weights" not in request.files:
        what = "the weights of an ONNX file are inside it"
        raise UsageError(what, where="--weights", next="give --weights FILE.onnx")
    if request.format != FORMAT:
        raise UsageError(f"weights of format '{request.format}' are not an ONNX file")
    check_one_of("graph form", request.form, FORMS)
    if request.form == "e2e" and form == "heads":
        step = "the card's decoder makes the boxes; leave the form away"
        raise UsageError("the file gives raw heads, no decoded boxes", next=step)
