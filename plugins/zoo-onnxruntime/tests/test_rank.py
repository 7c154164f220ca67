"""The rank of layers, against whole builds that leave one convolution in int8."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import pytest
from zoo_onnxruntime.compiler import OnnxRuntimeCompiler

from zoo_core.api import CompileRequest, RanksLayers, Target, Tunable
from zoo_core.api.calibration import tensors
from zoo_core.errors import UsageError
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import preprocess, protocol
from zoo_core.toolkit.similarity import snr_db

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

IMAGES = 4
QUANTISED = ("stem", "down", "narrow", "wide", "left", "right")


def request(**options: str) -> CompileRequest:
    return CompileRequest(
        card=model_card(),
        target=Target(backend="onnxruntime", precision="int8", device="cpu", options=options),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json",
        calibrator="minmax",
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
    )


def ranked(before: Any, folder: Path, **options: str) -> tuple[dict[str, float], dict[str, Path]]:
    compiler, wanted = OnnxRuntimeCompiler(), request(**options)
    stages = [*before, *compiler.stages(wanted), *compiler.rank_stages(wanted)]
    paths = run_stages(stages, folder)
    data = json.loads((paths["rank"] / "rank.json").read_text(encoding="utf-8"))
    assert data["images"] == IMAGES
    ratios = [row["snr_db"] for row in data["layers"]]
    assert ratios == sorted(ratios)
    return {row["node"]: row["snr_db"] for row in data["layers"]}, paths


def outputs(path: Path, images: list[NDArray[Any]]) -> list[list[NDArray[Any]]]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options)
    return [session.run(None, {"input": image}) for image in images]


def test_each_layer_is_ranked_as_a_build_with_it_alone(before: Any, tmp_path: Path) -> None:
    found, paths = ranked(before, tmp_path / "all")
    assert set(found) == set(QUANTISED)  # the two heads stay in float
    listing = paths["calibration"] / "images.json"
    images = list(tensors(listing, preprocess((32, 32))))[:IMAGES]
    floats = outputs(paths["rewrite"] / "model.onnx", images)
    for name in QUANTISED:
        others = ",".join(each for each in QUANTISED if each != name)
        wanted = request(float_nodes=others)
        alone = run_stages([*before, *OnnxRuntimeCompiler().stages(wanted)], tmp_path / name)
        measured = outputs(alone["compile"] / "model.onnx", images)
        pairs = [
            (a, b)
            for one, other in zip(floats, measured, strict=True)
            for a, b in zip(one, other, strict=True)
        ]
        expected = np.mean([snr_db(a, b) for a, b in pairs])
        assert found[name] == pytest.approx(expected, abs=0.2), name


def test_layers_in_float_are_not_ranked(before: Any, tmp_path: Path) -> None:
    found, _ = ranked(before, tmp_path / "all", float_nodes="stem,wide")
    assert set(found) == set(QUANTISED) - {"stem", "wide"}
    equal, _ = ranked(before, tmp_path / "equal", equalise="all")
    assert set(equal) == set(QUANTISED)
    every, _ = ranked(before, tmp_path / "more", sensitive="none")
    assert set(every) == {*QUANTISED, "head0", "head1"}


def test_the_steps_are_options_that_the_backend_takes() -> None:
    compiler: object = OnnxRuntimeCompiler()
    assert isinstance(compiler, Tunable)
    assert isinstance(compiler, RanksLayers)
    wanted = request()
    steps = compiler.tuning(wanted.card, wanted.target, nobody)
    kinds = list(dict.fromkeys(step.kind for step in steps))
    assert kinds[:2] == ["calibrator", "range"]
    for step in steps:
        assert OnnxRuntimeCompiler().stages(request(**step.options))
    assert not compiler.tuning(wanted.card, replace(wanted.target, precision="fp32"), nobody)


def nobody(name: str) -> Any:
    raise AssertionError(name)


def test_only_int8_is_ranked() -> None:
    wanted = replace(request(), target=replace(request().target, precision="fp32"))
    with pytest.raises(UsageError):
        OnnxRuntimeCompiler().rank_stages(wanted)
