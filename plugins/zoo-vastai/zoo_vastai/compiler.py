"""The compiler: which stages turn an ONNX graph into the three files of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.api import Stage
from zoo_core.errors import UsageError, check_one_of
from zoo_vastai.card import CALIBRATORS, PRECISIONS, calibrate_mode, card_options
from zoo_vastai.compile.nms import device_nms, is_suppressing
from zoo_vastai.compile.notes import build_notes
from zoo_vastai.compile.preprocess import render_process_ops, render_vdsp
from zoo_vastai.extensions import EMULATOR_MODULE, check_emulator
from zoo_vastai.files.stage import adopt_stage
from zoo_vastai.formats.config import BUILD_FILE
from zoo_vastai.names import (
    ARTEFACT,
    CALIBRATION_FOLDER,
    CONFIG_FILE,
    EMULATOR,
    FILES,
    NAME,
    VDSP_FILE,
)
from zoo_vastai.options import options_of
from zoo_vastai.sdk.findings import sdk_version
from zoo_vastai.sdk.host import Host
from zoo_vastai.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import CompileRequest, Target

_INT8 = "int8"
_EMULATED_VERSIONS = ("onnx", "onnxruntime")
_EMULATOR_MODULES = (f"{EMULATOR_MODULE}.vamc",)


class VastaiCompiler:
    """Writes what vamc is to be given, runs it, and takes the three files that it leaves."""

    formats: tuple[str, ...] = ("onnx",)
    form: str = "heads"
    calibrators: Mapping[str, str] = CALIBRATORS

    def needs_calibration(self, precision: str) -> bool:
        """Only int8 does."""
        return precision == _INT8

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """`configure`, then `compile`; for the device `files`, `compile` alone takes those in.

        Raises UsageError for a precision, device, calibrator, option or preprocessing that cannot
        be had, RegistryError for a wrong map of the card, UnavailableError for an emulator that is
        not installed.
        """
        check_request(request)
        if request.target.devices == (FILES,):
            return [adopt_stage(request)]
        return [configure_stage(request), _compile(request)]


def check_request(request: CompileRequest) -> None:
    """Raises UsageError for what no stage could do."""
    target = request.target
    options_of(target)
    check_one_of(f"{NAME} precision", target.precision, PRECISIONS)
    for device in target.devices:
        if not is_whole(device) and target.devices not in ((EMULATOR,), (FILES,)):
            raise UsageError(
                f"'{device}' in --device {target.device} is not a die",
                next="give numbers with commas between, emulator, or files",
            )
    if target.batch < 1:
        raise UsageError(f"a batch of {target.batch}", next="give one of at least 1")


def configure_stage(request: CompileRequest) -> Stage:
    """The stage that leaves config.yaml, vdsp.json, build.json and, for int8, the images."""
    nms = device_nms(request)
    plain = card_options(request.card, request.target.precision)
    card = plain.variant("device" if nms else "host")
    preprocess = [dict(step) for step in request.preprocess]
    render_vdsp(preprocess, request.size)
    inputs = {"graph": request.graph}
    params: dict[str, Any] = {
        "model": request.card.id,
        "size": list(request.size),
        "batch": request.target.batch,
        "precision": request.target.precision,
        "preprocess": preprocess,
        "compile": dict(card.compile),
        "nms": nms.to_data() if nms else None,
        "extra_op": _extra_op(request) if nms or not is_suppressing(card.extra_op) else None,
        "decoder": dict(request.card.decoder_params) if nms else {},
    }
    outputs = [CONFIG_FILE, VDSP_FILE, BUILD_FILE]
    if request.target.precision == _INT8:
        if request.calibration is None:
            raise UsageError("int8 needs calibration images", next="give a folder: --calibration")
        render_process_ops(preprocess)
        params["calibrate_mode"] = calibrate_mode(card, request.calibrator)
        params["quantize"] = dict(card.quantize)
        inputs["images"] = request.calibration
        outputs.append(CALIBRATION_FOLDER)
    return Stage(
        name="configure",
        run="zoo_vastai.compile.configure:build",
        params=params,
        inputs=inputs,
        outputs=tuple(outputs),
    )


def build_inputs(request: CompileRequest) -> dict[str, str]:
    """What the stage `configure` left, and the graph, by argument."""
    inputs = {
        "config": f"configure/{CONFIG_FILE}",
        "vdsp": f"configure/{VDSP_FILE}",
        "build": f"configure/{BUILD_FILE}",
        "graph": request.graph,
    }
    if request.target.precision == _INT8:
        inputs["calibration"] = f"configure/{CALIBRATION_FOLDER}"
    return inputs


def _compile(request: CompileRequest) -> Stage:
    emulated = request.target.device == EMULATOR
    if emulated:
        check_emulator()
    return Stage(
        name="compile",
        run="zoo_vastai.compile.vamc:build",
        params={
            "emulated": emulated,
            "sdk": None if emulated else sdk_version(Host()),
            "timeout": options_of(request.target).compile_timeout,
            "notes": list(build_notes(request)),
        },
        inputs=build_inputs(request),
        outputs=ARTEFACT,
        locations=_interpreter(request.target),
        versions=_EMULATED_VERSIONS if emulated else (),
        sources=_EMULATOR_MODULES if emulated else (),
    )


def _interpreter(target: Target) -> dict[str, str]:
    name = "sdk_python"
    return {name: target.options[name]} if name in target.options else {}


def _extra_op(request: CompileRequest) -> dict[str, Any] | None:
    op = card_options(request.card, request.target.precision).extra_op
    return {"type": op.type, "params": dict(op.params)} if op else None
