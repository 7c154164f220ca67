"""What `zoo tune` is offered: the steps and the rank of the compiler that quantises."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from zoo_openvino.compiler import OpenVinoCompiler

from zoo_core.api import CompileRequest, RanksLayers, Target, Tunable
from zoo_core.errors import UnavailableError, UsageError
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import preprocess, protocol

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import Stage

others = Plugins.installed().compiler


def request(backend: str = "openvino", **options: str) -> CompileRequest:
    return CompileRequest(
        card=model_card(),
        target=Target(backend=backend, precision="int8", device="cpu", options=options),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json",
        calibrator="minmax",
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
        others=others,
    )


def rank(compiler: Any, asked: CompileRequest, before: list[Stage], folder: Path) -> Any:
    stages = [*before, *compiler.stages(asked), *compiler.rank_stages(asked)]
    paths = run_stages(stages, folder)
    return json.loads((paths["rank"] / "rank.json").read_text(encoding="utf-8"))


def test_steps_are_those_of_the_quantiser_and_valid_here() -> None:
    compiler: object = OpenVinoCompiler()
    assert isinstance(compiler, Tunable)
    asked = request()
    steps = compiler.tuning(asked.card, asked.target, others)
    quantiser: Any = others("onnxruntime")
    theirs = quantiser.tuning(asked.card, replace(asked.target, backend="onnxruntime"), others)
    assert list(steps) == list(theirs)
    for step in steps:
        assert OpenVinoCompiler().stages(request(**step.options))

    def missing(name: str) -> Any:
        raise UsageError(f"no compiler '{name}'")

    assert not compiler.tuning(asked.card, asked.target, missing)


def test_layers_are_ranked_as_by_the_quantiser(before: list[Stage], tmp_path: Path) -> None:
    compiler: object = OpenVinoCompiler()
    assert isinstance(compiler, RanksLayers)
    mine = rank(compiler, request(float_nodes="wide"), before, tmp_path / "mine")
    asked = request("onnxruntime", float_nodes="wide")
    assert mine == rank(others("onnxruntime"), asked, before, tmp_path / "theirs")
    assert "wide" not in {row["node"] for row in mine["layers"]}
    with pytest.raises(UnavailableError, match="which is not here"):
        compiler.rank_stages(replace(request(), others=None))
