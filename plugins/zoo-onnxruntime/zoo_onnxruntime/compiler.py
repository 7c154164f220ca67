"""The compiler: which stages turn an ONNX graph into an artefact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.api import Stage
from zoo_core.api.tuning import LAYERS_FILE, RANK_FILE, TuningStep
from zoo_core.errors import UsageError, check_one_of
from zoo_core.toolkit.artefact import ARTEFACT_FILE, PRECISION_FILE
from zoo_core.toolkit.layers.rows import check_comparable
from zoo_core.toolkit.options import canonical_calibrator
from zoo_onnxruntime.files import (
    EQUALISED_FILE,
    MODEL_FILE,
    RANGES_FILE,
    REWRITES_FILE,
)
from zoo_onnxruntime.options import CALIBRATORS, read_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api import Compiler, CompileRequest, ModelCard, Target
    from zoo_onnxruntime.options import Options

_VERSIONS = ("onnxruntime", "onnx")
_ARTEFACT = (ARTEFACT_FILE, PRECISION_FILE, MODEL_FILE)
_GRAPH = "rewrite/graph.json"
_FLOAT = {"fp32": "zoo_onnxruntime.build_float:fp32", "fp16": "zoo_onnxruntime.build_float:fp16"}
_INT8 = "int8"


class OnnxRuntimeCompiler:
    """Makes a rewritten float graph, or quantises its convolutions."""

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
        """`rewrite`, then `calibrate` for int8, then `compile`.

        Raises UsageError for a precision, device, calibrator or option it does not know.
        """
        precision = request.target.precision
        check_one_of("precision", precision, (*_FLOAT, _INT8))
        check_one_of("device", request.target.device, ("cpu",))
        options = read_options(request.card, request.target)
        first = _rewrite(request, options)
        if precision in _FLOAT:
            return [first, _taken(request, _FLOAT[precision])]
        if request.quantised:
            return [first, _taken(request, "zoo_onnxruntime.build_float:int8")]
        if request.calibration is None:
            raise UsageError("int8 needs calibration images", next="give a folder: --calibration")
        before = [first] if options.equalise == "none" else [first, _equalise(request, options)]
        return [*before, _calibrate(request, options), _quantize(request, options)]

    def layer_stages(self, request: CompileRequest, artefact: str, images: int) -> Sequence[Stage]:
        """`layers`, for int8 that this compiler made; raises UsageError for anything else."""
        check_comparable(request)
        inputs = {
            "graph": _float_graph(read_options(request.card, request.target)),
            "exported": request.graph,
            "artefact": artefact,
            "images": str(request.calibration),
        }
        return [
            Stage(
                name="layers",
                run="zoo_onnxruntime.layers:build",
                params={"images": images, "preprocess": _plain(request)},
                inputs=inputs,
                outputs=(LAYERS_FILE,),
                versions=_VERSIONS,
                cost=images,
                isolated=True,
            )
        ]

    def rank_stages(self, request: CompileRequest) -> Sequence[Stage]:
        """`rank`, for int8 that this compiler makes; raises UsageError for anything else."""
        check_comparable(request)
        options = read_options(request.card, request.target)
        params = {"sensitive": options.sensitive, "float_nodes": list(options.float_nodes)}
        ranges = f"calibrate/{RANGES_FILE}"
        return [
            Stage(
                name="rank",
                run="zoo_onnxruntime.rank:build",
                params={**params, "preprocess": _plain(request)},
                inputs={
                    "graph": _float_graph(options),
                    "ranges": ranges,
                    "images": str(request.calibration),
                },
                outputs=(RANK_FILE,),
                versions=_VERSIONS,
                isolated=True,
            )
        ]

    def tuning(
        self, card: ModelCard, target: Target, others: Callable[[str], Compiler]
    ) -> Sequence[TuningStep]:
        """Calibrators, ranges, biases, equalisation; only the last step costs speed."""
        if target.precision != _INT8:
            return ()
        return [
            *(_calibrator(name, 99.99) for name in ("mse", "percentile", "minmax", "entropy")),
            *(_calibrator("percentile", share) for share in (99.9, 99.999)),
            *_FURTHER_STEPS,
        ]


_FURTHER_STEPS = (
    TuningStep(
        name="bias correction",
        kind="bias",
        summary="biases take back what int8 moves the mean of a channel by",
        options={"bias_correction": "true"},
    ),
    TuningStep(
        name="equalise free",
        kind="equalisation",
        summary="like ranges for the channels between convolutions",
        options={"equalise": "free"},
    ),
    TuningStep(
        name="equalise all",
        kind="equalisation",
        summary="the same, with a factor for each channel at some SiLUs, which costs a pass",
        options={"equalise": "all"},
    ),
)


def _calibrator(name: str, share: float) -> TuningStep:
    """A calibrator instead of `auto`; a share other than the usual one is a range."""
    shared = name == "percentile"
    return TuningStep(
        name=f"{name} {share:g}" if shared else name,
        kind="calibrator" if share == 99.99 else "range",
        summary=f"ranges keep {share:g} % of the activations" if shared else f"ranges by {name}",
        options={"calibrator": name, **({"percentile": f"{share:g}"} if shared else {})},
    )


def _taken(request: CompileRequest, run: str) -> Stage:
    """The last stage of what needs no calibration."""
    return Stage(
        name="compile",
        run=run,
        params={"preprocess": _plain(request)},
        inputs={"graph": _GRAPH, "exported": request.graph},
        outputs=_ARTEFACT,
        versions=_VERSIONS,
        isolated=True,
    )


def _rewrite(request: CompileRequest, options: Options) -> Stage:
    lowest = "lift" if request.target.precision == _INT8 else "none"
    return Stage(
        name="rewrite",
        run="zoo_onnxruntime.rewrite:build",
        params={"rewrites": lowest if options.rewrites == "none" else options.rewrites},
        inputs={"graph": request.graph},
        outputs=(MODEL_FILE, "graph.json", REWRITES_FILE),
        versions=_VERSIONS,
        isolated=True,
    )


def _float_graph(options: Options) -> str:
    """The graph that int8 is made of."""
    return _GRAPH if options.equalise == "none" else "equalise/graph.json"


def _equalise(request: CompileRequest, options: Options) -> Stage:
    return Stage(
        name="equalise",
        run="zoo_onnxruntime.equalise:build",
        params={"equalise": options.equalise, "preprocess": _plain(request)},
        inputs={"graph": _GRAPH, "images": str(request.calibration)},
        outputs=(MODEL_FILE, "graph.json", EQUALISED_FILE),
        versions=_VERSIONS,
        isolated=True,
    )


def _calibrate(request: CompileRequest, options: Options) -> Stage:
    calibrator = options.calibrator
    if request.calibrator is not None:
        calibrator = canonical_calibrator(request.calibrator, CALIBRATORS)
    return Stage(
        name="calibrate",
        run="zoo_onnxruntime.calibrate:build",
        params={
            "calibrator": calibrator,
            "percentile": options.percentile if calibrator == "percentile" else None,
            "preprocess": _plain(request),
        },
        inputs={"graph": _float_graph(options), "images": str(request.calibration)},
        outputs=(RANGES_FILE,),
        versions=_VERSIONS,
        isolated=True,
    )


def _quantize(request: CompileRequest, options: Options) -> Stage:
    return Stage(
        name="compile",
        run="zoo_onnxruntime.build_int8:build",
        params={
            "sensitive": options.sensitive,
            "float_nodes": list(options.float_nodes),
            "reduce_range": options.reduce_range,
            "bias_correction": options.bias_correction,
            "preprocess": _plain(request),
        },
        inputs={
            "graph": _float_graph(options),
            "exported": request.graph,
            "ranges": f"calibrate/{RANGES_FILE}",
            "images": str(request.calibration),
        },
        outputs=_ARTEFACT,
        versions=_VERSIONS,
        isolated=True,
    )


def _plain(request: CompileRequest) -> list[dict[str, Any]]:
    return [dict(step) for step in request.preprocess]
