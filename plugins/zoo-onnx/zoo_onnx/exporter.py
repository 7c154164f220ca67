"""The plan of taking an ONNX file: pure, light, and refusing what cannot be done."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo_core.api import GivenSettings, Stage
from zoo_core.errors import UsageError, check_one_of
from zoo_core.toolkit.options import FORMS
from zoo_onnx.stated import stated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import ExportRequest, GivenSettings, ModelCard

FORMAT = "onnx"


class OnnxExporter:
    """From an ONNX file to one that computes the same, with what it takes and gives written down.

    A card may state in `exporter_params` the name of the image's `input`, the values of other
    `inputs` by name, the names of the `outputs` in their order, and the `form`: heads (raw, the
    default) or e2e (decoded).
    """

    formats: tuple[str, ...] = (FORMAT,)
    suffixes: Mapping[str, str] = MappingProxyType({".onnx": FORMAT})
    companions: Mapping[str, str] = MappingProxyType({})

    def parts(self, weights: Path) -> Mapping[str, Path]:
        """Files that hold values of the .onnx file; see `zoo_core.api.Exporter.parts`."""
        from zoo_onnx.file import parts

        return parts(weights)

    def settings(self, card: ModelCard, files: Mapping[str, Path]) -> GivenSettings:
        """What the .onnx file has fixed, and whether it is quantised; see `SettingsReader`."""
        from zoo_onnx.settings import settings

        return settings(files["weights"], stated(card), card)

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """`export` and `verify`.

        Raises RegistryError for the card's parameters, UsageError for a request that a file cannot
        meet: random weights, a source repository, boxes of a file that has raw heads.
        """
        found = stated(card)
        _check(request, found.form)
        export = Stage(
            name="export",
            run="zoo_onnx.export:export",
            params={
                "size": list(request.size),
                "channels": request.channels,
                "preprocess": [dict(step) for step in card.preprocess],
                "stated": found.to_data(),
            },
            inputs=request.files,
            outputs=("model.onnx", "graph.json"),
            versions=("onnx", "onnxruntime", "numpy"),
            isolated=True,
        )
        verify = Stage(
            name="verify",
            run="zoo_onnx.verify:verify",
            inputs={
                **request.files,
                "model": "export/model.onnx",
                "graph": "export/graph.json",
            },
            outputs=("verify.json",),
            versions=("onnx", "onnxruntime", "numpy"),
            isolated=True,
        )
        return [export, verify]


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
