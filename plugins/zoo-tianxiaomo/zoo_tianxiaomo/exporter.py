"""The plan of an export: pure, light, and refusing what cannot be done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo_core.api import GivenSettings, Stage
from zoo_core.errors import RegistryError, UsageError, check_one_of, did_you_mean
from zoo_core.toolkit.options import FORMS
from zoo_tianxiaomo.layout import ANCHORS, STRIDES
from zoo_tianxiaomo.params import (
    UNSCALED,
    Anchors,
    ExporterParams,
    ExportSpec,
    NetworkSpec,
    anchors,
    scales,
    strides,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import ExportRequest, ModelCard

GRAPH_OUTPUTS = ("model.onnx", "graph.json")
_VERSIONS = ("torch", "onnx", "numpy")
_PACKAGE = "zoo_tianxiaomo"
_SCALE = "scale_x_y"
_DECODER = "tianxiaomo-yolov4"
_SEEDS = 1 << 128
_SOURCE_REPO = "source-repo"
_WRAPPER = Path(__file__).with_name("wrapper.py")
_IMAGE = "data/dog.jpg"
_NEEDED = ("demo_pytorch2onnx.py", "models.py")


class TianxiaomoExporter:
    """From weights to ONNX, by our definition of the network or by the source's own script."""

    formats: tuple[str, ...] = ("onnx",)
    suffixes: Mapping[str, str] = MappingProxyType(
        {".pth": "torch", ".pt": "torch", ".weights": "darknet", ".safetensors": "safetensors"}
    )

    companions: Mapping[str, str] = MappingProxyType({})

    def settings(self, card: ModelCard, files: Mapping[str, Path]) -> GivenSettings:
        """Nothing; warns of a .cfg beside darknet weights, which says more than is taken."""
        weights = files.get("weights")
        if weights is None or weights.suffix.lower() != ".weights":
            return GivenSettings()
        beside = weights.with_suffix(".cfg")
        if not beside.is_file():
            return GivenSettings()
        what = f"{beside.name} beside the weights is not read: size, anchors and scale_x_y are"
        return GivenSettings(
            warnings=(f"{what} those of {card.id}; yolov4-darknet follows a .cfg",)
        )

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """`export` and `verify`; before them, if asked for, what runs the repository's script.

        Raises RegistryError for the card's parameters, UsageError for a request that cannot be
        met: another weights format, a size that is not a multiple of 32, the source's own script
        for a network or a decoding that it cannot make.
        """
        params = _params(card)
        spec = _spec(params, _anchors(card), request, self.suffixes)
        weights = {} if request.weights == "random" else {"weights": request.files["weights"]}
        if request.source == "builtin":
            made = [_builtin(spec, weights)]
        else:
            _check_source(params, spec, request)
            made = _by_script(card, request, spec, weights)
        return [*made, _verify(spec, weights)]


def _params(card: ModelCard) -> ExporterParams:
    """The card's; the factors of a decoded graph and of the decoder of raw heads are the same."""
    where = f"{card.origin}: models.{card.id}"
    given = dict(card.exporter_params)
    decoder = card.decoder_params.get(_SCALE)
    if decoder is not None:
        given.setdefault(_SCALE, decoder)
    params = ExporterParams.from_card(given, f"{where}.exporter_params")
    if decoder is None or params.scale_x_y == scales(decoder, f"{where}.decoder_params.{_SCALE}"):
        return params
    what = f"{_SCALE} is {given[_SCALE]} in exporter_params, {decoder} in decoder_params"
    raise RegistryError(what, where=where, next="give it in decoder_params only")


def _anchors(card: ModelCard) -> Anchors:
    """The decoder's; raises RegistryError for heads that the network does not have."""
    if card.decoder != _DECODER:
        return ANCHORS
    where = f"{card.origin}: models.{card.id}.decoder_params"
    steps = strides(card.decoder_params.get("strides", STRIDES), f"{where}.strides")
    if steps != STRIDES:
        what = f"are {list(steps)}, the network's are {list(STRIDES)}"
        raise RegistryError(what, where=f"{where}.strides", next="leave them out")
    found = anchors(card.decoder_params.get("anchors", ANCHORS), f"{where}.anchors")
    if [len(head) for head in found] != [len(head) for head in ANCHORS]:
        what = f"has {[len(head) for head in found]} anchors, the network three for each head"
        raise RegistryError(what, where=f"{where}.anchors", next="give three for each head")
    return found


def _spec(
    params: ExporterParams, own: Anchors, request: ExportRequest, suffixes: Mapping[str, str]
) -> ExportSpec:
    largest = STRIDES[-1]
    if any(side < largest or side % largest for side in request.size):
        height, width = request.size
        raise UsageError(
            f"the input {height} x {width} is not a multiple of {largest}",
            next=f"choose height and width from {largest}, {2 * largest}, {3 * largest} ...",
        )
    check_one_of("graph form", request.form, FORMS)
    return ExportSpec(
        network=_network(params, request, suffixes),
        form=request.form,
        size=request.size,
        opset=params.opset,
        scale_x_y=params.scale_x_y,
        anchors=own,
    )


def _network(
    params: ExporterParams, request: ExportRequest, suffixes: Mapping[str, str]
) -> NetworkSpec:
    random = request.weights == "random"
    known = sorted(set(suffixes.values()))
    if not random and request.format not in known:
        raise UsageError(
            f"weights of format '{request.format}' are none of this network",
            next=did_you_mean(request.format, known),
        )
    if random and not 0 <= request.seed < _SEEDS:
        raise UsageError(f"seed {request.seed} is out of range", where="--weights random:SEED")
    return NetworkSpec(
        format="random" if random else request.format,
        classes=request.classes,
        widths=params.widths,
        seed=request.seed if random else None,
    )


def _check_source(params: ExporterParams, spec: ExportSpec, request: ExportRequest) -> None:
    next_step = "leave --source away to use zoo's own definition"
    if request.weights == "sample" or params.widths is not None:
        what = "the source repository's network has fixed widths, these weights have others"
        raise UsageError(what, where=f"--source {request.source}", next=next_step)
    if request.form == "e2e" and (params.scale_x_y, spec.anchors) != (UNSCALED, ANCHORS):
        what = "the source repository decodes with scale_x_y 1 and its own anchors only"
        raise UsageError(what, where=f"--source {request.source}", next=next_step)
    folder = Path(request.source).expanduser()
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if request.source != "repo" and folder.is_dir() and missing:
        step = "give a checkout of Tianxiaomo/pytorch-YOLOv4, or 'repo'"
        raise UsageError(f"holds no {missing[0]}", where=f"--source {folder}", next=step)


def _builtin(spec: ExportSpec, weights: Mapping[str, str]) -> Stage:
    return Stage(
        name="export",
        run=f"{_PACKAGE}.export:export",
        params=spec.to_data(),
        inputs=weights,
        outputs=GRAPH_OUTPUTS,
        versions=_VERSIONS,
    )


def _by_script(
    card: ModelCard, request: ExportRequest, spec: ExportSpec, weights: Mapping[str, str]
) -> list[Stage]:
    """The script of the repository, run by exporter `source-repo` on checked weights."""
    if request.others is None:
        raise UsageError("the source repository's script needs the exporter source-repo")
    checkpoint = Stage(
        name="checkpoint",
        run=f"{_PACKAGE}.source:checkpoint",
        params={"network": spec.network.to_data()},
        inputs=weights,
        outputs=("weights.pth", "network.json"),
        versions=_VERSIONS,
    )
    height, width = spec.size
    params = {
        "requirements": "installed",
        "shims": ["imghdr", "torch-load", "onnx-export"],
        "files": {"zoo_export.py": _WRAPPER.read_text(encoding="utf-8")},
        "run": f"python zoo_export.py {spec.form} {{weights}} {_IMAGE} -1 "
        "{classes} {height} {width}",
        "opset": spec.opset,
        "onnx": {"form": spec.form},
        "output": f"yolov4_-1_3_{height}_{width}_dynamic.onnx",
    }
    handed = replace(card, exporter=_SOURCE_REPO, exporter_params=params)
    taken = replace(
        request, weights="given", format="torch", files={"weights": "checkpoint/weights.pth"}
    )
    made = list(request.others(_SOURCE_REPO).stages(handed, taken))
    names = [stage.name for stage in made]
    export = Stage(
        name="export",
        run=f"{_PACKAGE}.source:export",
        params=spec.to_data(),
        inputs={
            "network": "checkpoint/network.json",
            "made": "script/model.onnx",
            "script": "script/script.json",
        },
        outputs=GRAPH_OUTPUTS,
        versions=_VERSIONS,
    )
    return [checkpoint, *made[: names.index("script") + 1], export]


def _verify(spec: ExportSpec, weights: Mapping[str, str]) -> Stage:
    return Stage(
        name="verify",
        run=f"{_PACKAGE}.verify:verify",
        params={"network": spec.network.to_data(), "decoder": spec.decoder},
        inputs={"graph": "export/graph.json", "model": "export/model.onnx", **weights},
        outputs=("verify.json",),
        versions=("torch", "onnxruntime", "numpy"),
    )
