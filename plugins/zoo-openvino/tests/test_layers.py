"""Layers of OpenVINO's int8 network beside the float one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import pytest
from zoo_openvino.compiler import OpenVinoCompiler
from zoo_openvino.runtime import OpenVinoRuntime

from zoo_core.api import ComparesLayers, CompileRequest, Target
from zoo_core.api.calibration import tensors
from zoo_core.errors import UnavailableError, UsageError
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import model_card, run_stages
from zoo_core.testing.examples import preprocess, protocol
from zoo_core.toolkit.similarity import snr_db

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import Stage

IMAGES = 2
HEADS = ("head0", "head1")


def request(precision: str = "int8", **options: str) -> CompileRequest:
    return CompileRequest(
        card=model_card(),
        target=Target(backend="openvino", precision=precision, device="cpu", options=options),
        graph="export/graph.json",
        format="onnx",
        form="heads",
        calibration="calibration/images.json" if precision == "int8" else None,
        calibrator="minmax" if precision == "int8" else None,
        preprocess=preprocess((32, 32)),
        protocol=protocol(),
        size=(32, 32),
        others=Plugins.installed().compiler,
    )


def test_outputs_are_as_far_off_as_those_of_the_artefact(
    before: list[Stage], tmp_path: Path
) -> None:
    compiler, asked = OpenVinoCompiler(), request(remainder="fp32", float_nodes="wide")
    stages = compiler.stages(asked)
    more = compiler.layer_stages(asked, "compile/artefact.json", IMAGES)
    assert [stage.name for stage in more] == ["quantize-layers", "layers"]
    paths = run_stages([*before, *stages, *more], tmp_path / "run")
    data = json.loads((paths["layers"] / "layers.json").read_text(encoding="utf-8"))
    assert data["images"] == IMAGES
    rows: dict[str, dict[str, Any]] = {row["tensor"]: row for row in data["layers"]}
    images = list(tensors(paths["calibration"] / "images.json", preprocess((32, 32))))[:IMAGES]
    session = ort.InferenceSession(paths["export"] / "model.onnx")
    expected = [session.run(HEADS, {"input": image}) for image in images]
    with OpenVinoRuntime().open(paths["compile"], asked.target) as opened:
        found = [opened.run({"input": image}) for image in images]
    for number, name in enumerate(HEADS):
        a = np.stack([arrays[number] for arrays in expected])
        b = np.stack([arrays[name] for arrays in found])
        assert rows[name]["snr_db"] == pytest.approx(snr_db(a, b), abs=2.0)
        assert 15 < rows[name]["snr_db"] < 60
    earlier = json.loads((paths["quantize-layers"] / "layers.json").read_text(encoding="utf-8"))
    own = {row["tensor"]: row["own_snr_db"] for row in earlier["layers"]}
    assert {name: row["own_snr_db"] for name, row in rows.items()} == own
    assert rows["wide"]["own_snr_db"] is None
    assert rows["down"]["precision"] == "int8"


def test_what_has_no_layers_to_compare() -> None:
    compiler = OpenVinoCompiler()
    assert isinstance(compiler, ComparesLayers)
    with pytest.raises(UsageError, match="the run is bf16"):
        compiler.layer_stages(request("bf16"), "compile/artefact.json", 1)
    with pytest.raises(UnavailableError, match="'onnxruntime'"):
        compiler.layer_stages(replace(request(), others=None), "compile/artefact.json", 1)
