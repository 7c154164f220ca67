"""The compiler: which stages turn an ONNX graph into an artefact."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.api import LAYERS_FILE, ComparesLayers, RanksLayers, Stage, Tunable
from zoo_core.errors import UnavailableError, UsageError, check_one_of, install_step
from zoo_core.toolkit.artefact import ARTEFACT_FILE, PRECISION_FILE
from zoo_core.toolkit.layers.rows import check_comparable
from zoo_openvino.files import MODEL_FILE, WEIGHTS_FILE
from zoo_openvino.options import CALIBRATORS, QUANTIZER_KEYS, known_device, read_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api import Compiler, CompileRequest, ModelCard, Target, TuningStep
    from zoo_openvino.options import Options

VERSIONS = ("openvino",)
"""Distributions whose version the artefacts depend on."""

QUANTIZER = "onnxruntime"
"""The compiler whose int8 file is read, looked up by name among the installed plugins."""

QUANTIZED = "quantize"
"""What the last stage of that compiler is called here; a stage's name is not in its key."""

_FILE_LAYERS = f"{QUANTIZED}-layers"
_PRECISIONS = ("fp32", "bf16", "fp16", "int8")
_INT8 = "int8"


class OpenVinoCompiler:
    """Makes OpenVINO's own format; int8 of the file that the onnxruntime compiler makes."""

    formats: tuple[str, ...] = ("onnx",)
    form: str = "heads"
    calibrators: Mapping[str, str] = CALIBRATORS
    takes_quantised = True
    float_option = "float_nodes"
    float_operators: tuple[str, ...] = ("Conv",)

    def needs_calibration(self, precision: str) -> bool:
        """Only int8 does."""
        return precision == _INT8

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """`compile`; before it, for int8, the stages of the onnxruntime compiler, unchanged.

        Those have the keys they have for that backend, so what one has made serves both.
        Raises UsageError for a precision, device, calibrator or option that is not known, and
        UnavailableError where int8 is wanted and zoo-onnxruntime is not installed.
        """
        precision = request.target.precision
        check_one_of("precision", precision, _PRECISIONS)
        known_device(request.target.device)
        options = read_options(request.card, request.target)
        if precision == _INT8:
            return _int8(request, options)
        params = {"preprocess": [dict(step) for step in request.preprocess]}
        run, inputs = "zoo_openvino.build_float:build", {"graph": request.graph}
        return [_compile(request, run, inputs, params)]

    def layer_stages(self, request: CompileRequest, artefact: str, images: int) -> Sequence[Stage]:
        """`quantize-layers` of the file that is read, then `layers` of what OpenVINO makes of it.

        Raises UsageError for what is not int8 from a float graph, UnavailableError as `stages`.
        """
        check_comparable(request)
        quantizer = _quantizer(request)
        if not isinstance(quantizer, ComparesLayers):
            raise UnavailableError(f"the compiler '{QUANTIZER}' here does not compare layers")
        options = read_options(request.card, request.target)
        wanted = _quantising(request, options)
        *_, file = quantizer.layer_stages(wanted, f"{QUANTIZED}/{ARTEFACT_FILE}", images)
        own = replace(
            file,
            name="layers",
            run="zoo_openvino.layers:build",
            params={
                **file.params,
                "device": request.target.device,
                "remainder": options.remainder,
            },
            inputs={
                "graph": file.inputs["graph"],
                "images": file.inputs["images"],
                "artefact": artefact,
                "file": f"{_FILE_LAYERS}/{LAYERS_FILE}",
            },
            versions=VERSIONS,
        )
        return [replace(file, name=_FILE_LAYERS), own]

    def rank_stages(self, request: CompileRequest) -> Sequence[Stage]:
        """`rank` of the compiler that quantises; raises as `layer_stages`."""
        check_comparable(request)
        quantizer = _quantizer(request)
        if not isinstance(quantizer, RanksLayers):
            raise UnavailableError(f"the compiler '{QUANTIZER}' here does not rank layers")
        options = read_options(request.card, request.target)
        return quantizer.rank_stages(_quantising(request, options))

    def tuning(
        self, card: ModelCard, target: Target, others: Callable[[str], Compiler]
    ) -> Sequence[TuningStep]:
        """The steps of the compiler that quantises; none where it is not installed."""
        with suppress(UsageError):
            quantizer = others(QUANTIZER)
            if isinstance(quantizer, Tunable):
                found = quantizer.tuning(card, replace(target, backend=QUANTIZER), others)
                return [step for step in found if step.options.keys() <= QUANTIZER_KEYS]
        return ()


def _quantising(request: CompileRequest, options: Options) -> CompileRequest:
    """The request of the compiler that quantises."""
    target = replace(
        request.target, backend=QUANTIZER, device="cpu", options=dict(options.quantizer)
    )
    return replace(request, target=target)


def _int8(request: CompileRequest, options: Options) -> list[Stage]:
    *before, last = _quantizer(request).stages(_quantising(request, options))
    inputs = {
        "artefact": f"{QUANTIZED}/{ARTEFACT_FILE}",
        "graph": request.graph,
        **({"images": request.calibration} if request.calibration else {}),
    }
    params = {
        "remainder": options.remainder,
        "rewrites": options.rewrites,
        "preprocess": [dict(step) for step in request.preprocess],
    }
    own = _compile(request, "zoo_openvino.build_int8:build", inputs, params)
    return [*before, replace(last, name=QUANTIZED), own]


def _compile(
    request: CompileRequest, run: str, inputs: Mapping[str, str], params: Mapping[str, Any]
) -> Stage:
    target = request.target
    return Stage(
        name="compile",
        run=run,
        params={"precision": target.precision, "device": target.device, **params},
        inputs=inputs,
        outputs=(ARTEFACT_FILE, PRECISION_FILE, MODEL_FILE, WEIGHTS_FILE),
        versions=VERSIONS,
        isolated=True,
    )


def _quantizer(request: CompileRequest) -> Compiler:
    """The compiler that quantises; raises UnavailableError where it is not installed."""
    if request.others is not None:
        with suppress(UsageError):
            return request.others(QUANTIZER)
    raise UnavailableError(
        f"int8 is read from what the compiler '{QUANTIZER}' makes, which is not here",
        next=install_step("zoo-onnxruntime"),
    )
