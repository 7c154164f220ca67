"""The plan of an export."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest
import zoo_darknet
from zoo_darknet.exporter import DarknetExporter

from zoo_core.api import ExportRequest, ModelCard, Stage
from zoo_core.errors import RegistryError, UsageError

REQUEST: dict[str, Any] = {
    "weights": "published",
    "format": "darknet",
    "files": {"weights": "weights/y.weights", "cfg": "weights/y.cfg"},
    "seed": 0,
    "size": (320, 416),
    "classes": 80,
    "source": "builtin",
    "form": "heads",
}


def card(**exporter_params: Any) -> ModelCard:
    facts: dict[str, Any] = dict.fromkeys(field.name for field in fields(ModelCard))
    facts |= {"id": "y", "origin": "registry.yaml", "decoder_params": {}}
    return ModelCard(**{**facts, "exporter_params": exporter_params})


def planned(**changes: Any) -> list[Stage]:
    return list(DarknetExporter().stages(card(), ExportRequest(**{**REQUEST, **changes})))


def test_stages() -> None:
    export, verify = planned()
    assert (export.name, export.outputs) == ("export", ("model.onnx", "graph.json"))
    assert export.inputs == REQUEST["files"]
    assert export.params["size"] == [320, 416]
    assert export.params["seed"] is None
    assert (verify.name, verify.outputs) == ("verify", ("verify.json",))
    assert verify.inputs["model"] == "export/model.onnx"
    assert json.loads(json.dumps([dict(export.params), dict(verify.params)]))
    assert planned() == planned()


def test_random_weights_need_the_cfg_only() -> None:
    export, verify = planned(weights="random", seed=7, format="")
    assert export.inputs == {"cfg": "weights/y.cfg"}
    assert export.params["seed"] == verify.params["seed"] == 7
    assert "weights" not in verify.inputs


def test_parameters_of_a_card() -> None:
    request = ExportRequest(**REQUEST)
    assert DarknetExporter().stages(card(opset=13), request)[0].params["opset"] == 13
    for params, what in (
        ({"opsett": 13}, "unknown 'opsett'; did you mean 'opset'"),
        ({"opset": 9}, "must be a whole number from 11 to 20, is 9"),
        ({"opset": "17"}, "must be a whole number from 11 to 20, is '17'"),
    ):
        with pytest.raises(RegistryError, match=what) as caught:
            DarknetExporter().stages(card(**params), request)
        assert caught.value.where.startswith("registry.yaml: models.y.exporter_params")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"source": "repo"}, "not from a source repository"),
        ({"form": "head"}, "unknown graph form 'head'; did you mean 'heads'"),
        ({"files": {"weights": "weights/y.weights"}}, "needs its .cfg; give --cfg"),
        ({"format": "torch"}, "weights of format 'torch' are none"),
    ],
)
def test_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        planned(**changes)


def test_providers_load() -> None:
    (exporter,) = zoo_darknet.zoo_exporters()
    (decoder,) = zoo_darknet.zoo_decoders()
    assert exporter.name == decoder.name == "darknet"
    assert exporter.load().formats == ("onnx",)
    assert exporter.load().companions == {"cfg": ".cfg"}
    assert decoder.load().task == "detection"


@pytest.mark.parametrize("module", ["zoo_darknet", "zoo_darknet.exporter"])
def test_planning_is_light(module: str) -> None:
    heavy = "{'torch', 'onnx', 'onnxruntime', 'cv2'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "[]"
