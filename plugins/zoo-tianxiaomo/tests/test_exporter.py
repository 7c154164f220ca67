from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zoo_tianxiaomo import layout, network
from zoo_tianxiaomo.decoder import TianxiaomoDecoder
from zoo_tianxiaomo.exporter import TianxiaomoExporter
from zoo_tianxiaomo.params import ExportSpec

from zoo_core.api import ExportRequest, GivenSettings, ModelCard, Repository
from zoo_core.errors import RegistryError, UsageError
from zoo_core.testing import model_card

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zoo_core.api import Stage

    Plan = Callable[..., Sequence[Stage]]

COMMIT = "a65d219f9066bae4e12003bd7cdc04531860c672"


def _card(**changes: Any) -> ModelCard:
    repository = Repository(name="source", url="https://example.com/source", commit=COMMIT)
    return model_card(**{"repository": repository, "labels": ("thing",) * 80, **changes})


def test_layout_and_network_state_the_same_facts() -> None:
    assert layout.STRIDES == network.STRIDES
    assert layout.ANCHORS == network.ANCHORS
    heads = layout.Layout(form="heads", size=(416, 608), classes=80).outputs
    assert [spec.shape for spec in heads] == [
        ("batch", 255, 52, 76),
        ("batch", 255, 26, 38),
        ("batch", 255, 13, 19),
    ]
    boxes, confs = layout.Layout(form="e2e", size=(416, 416), classes=3).outputs
    assert boxes.shape == ("batch", 10_647, 1, 4)
    assert confs.shape == ("batch", 10_647, 3)


def test_stages_of_the_builtin_route(plan: Plan) -> None:
    export, verify = plan(_card(), file="yolov4.weights", form="e2e")
    assert (export.name, export.run) == ("export", "zoo_tianxiaomo.export:export")
    assert export.inputs == {"weights": "weights/yolov4.weights"}
    assert export.outputs == ("model.onnx", "graph.json")
    spec = ExportSpec.from_data(export.params)
    assert spec.to_data() == export.params
    assert (spec.network.format, spec.size, spec.opset) == ("darknet", (64, 96), 17)
    assert (verify.name, verify.outputs) == ("verify", ("verify.json",))
    assert verify.inputs == {
        "graph": "export/graph.json",
        "model": "export/model.onnx",
        "weights": "weights/yolov4.weights",
    }
    random = plan(_card())[0]
    assert random.inputs == {}
    assert random.params["network"]["seed"] == 3


def test_the_decoders_factors_are_the_graphs(plan: Plan) -> None:
    factors = [1.2, 1.1, 1.05]
    card = _card(decoder_params={"scale_x_y": factors})
    for form in ("e2e", "heads"):
        for stage in plan(card, form=form):
            assert stage.params["decoder"]["scale_x_y"] == factors
    both = _card(decoder_params={"scale_x_y": factors}, exporter_params={"scale_x_y": [1, 1, 1]})
    with pytest.raises(RegistryError, match=r"scale_x_y is \[1, 1, 1\] in exporter_params"):
        plan(both)


DOUBLED = [[[2 * side for side in pair] for pair in head] for head in layout.ANCHORS]


@pytest.mark.parametrize("form", ["heads", "e2e"])
def test_the_decoders_anchors_are_the_graphs(plan: Plan, form: str) -> None:
    card = _card(decoder="tianxiaomo-yolov4", decoder_params={"anchors": DOUBLED})
    for stage in plan(card, form=form):
        assert stage.params["decoder"] == {
            "anchors": DOUBLED,
            "strides": [8, 16, 32],
            "scale_x_y": [1, 1, 1],
        }
    own = _card(decoder="another", decoder_params={"anchors": "anything"})
    assert plan(own, form=form) == plan(_card(), form=form)
    if form == "e2e":
        with pytest.raises(UsageError, match="its own anchors only"):
            plan(card, form=form, source="repo")


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"strides": [8, 16, 64]}, "are [8, 16, 64], the network's are [8, 16, 32]"),
        ({"anchors": [[[1, 2]], [[3, 4]], [[5, 6]]]}, "has [1, 1, 1] anchors, the network three"),
        ({"anchors": [[1, 2]]}, "must be a list of [width, height] for each of 3 heads"),
    ],
)
def test_heads_that_the_network_does_not_have(
    plan: Plan, params: dict[str, Any], what: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        plan(_card(decoder="tianxiaomo-yolov4", decoder_params=params))
    assert what in caught.value.what
    assert "models.contract-model.decoder_params." in caught.value.where


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"opst": 17}, "unknown 'opst'"),
        ({"opset": 9}, "must be a whole number from 11 to 20, is 9"),
        ({"opset": True}, "must be a whole number from 11 to 20, is True"),
        ({"opset": "17"}, "must be a whole number from 11 to 20, is '17'"),
        ({"widths": [32, 64]}, "must be six channel counts"),
        ({"widths": [32, 64, 127, 256, 512, 1024]}, "even from the third on"),
        ({"widths": [0, 64, 128, 256, 512, 1024]}, "must be six channel counts"),
        ({"widths": 32}, "must be six channel counts"),
        ({"scale_x_y": 1.2}, "must be 3 positive numbers"),
        ({"scale_x_y": [1, 1]}, "must be 3 positive numbers"),
        ({"scale_x_y": [1, -1, 1]}, "must be 3 positive numbers"),
        ({"scale_x_y": [1, float("nan"), 1]}, "must be 3 positive numbers"),
    ],
)
def test_wrong_exporter_params(plan: Plan, params: dict[str, Any], what: str) -> None:
    with pytest.raises(RegistryError) as caught:
        plan(_card(exporter_params=params))
    assert what in caught.value.what
    assert caught.value.where.startswith("contract tests: models.contract-model.exporter_params")


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"anchor": []}, "unknown 'anchor'"),
        ({"anchors": [[12, 16], [19, 36], [40, 28]]}, "must be a list of [width, height]"),
        ({"anchors": [[[12, 16]], [[19, 36]]]}, "must be a list of [width, height]"),
        ({"anchors": [[[12, 16]], [[19, 36]], [[0, 28]]]}, "must be a list of [width, height]"),
        ({"strides": [8, 16]}, "must be 3 positive whole numbers"),
        ({"strides": [8, 16, 0]}, "must be 3 positive whole numbers"),
        ({"scale_x_y": [1, 1, "1"]}, "must be 3 positive numbers"),
    ],
)
def test_wrong_decoder_params(params: dict[str, Any], what: str) -> None:
    with pytest.raises(RegistryError) as caught:
        TianxiaomoDecoder().bind(params, 80, 0.001)
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("changes", "what", "next_step"),
    [
        ({"size": (400, 416)}, "the input 400 x 416 is not a multiple of 32", "32, 64, 96"),
        ({"size": (0, 416)}, "the input 0 x 416 is not a multiple of 32", "32, 64, 96"),
        ({"form": "head"}, "unknown graph form 'head'", "did you mean 'heads'?"),
        ({"format": "darknt"}, "weights of format 'darknt'", "did you mean 'darknet'?"),
        ({"weights": "random", "seed": -1}, "seed -1 is out of range", ""),
        ({"weights": "sample", "source": "repo"}, "fixed widths", "leave --source away"),
    ],
)
def test_requests_that_are_refused(changes: dict[str, Any], what: str, next_step: str) -> None:
    asked = {
        "weights": "given",
        "format": "torch",
        "files": {"weights": "weights/yolov4.pth"},
        "seed": 0,
        "size": (416, 416),
        "classes": 80,
        "source": "builtin",
        "form": "heads",
    }
    with pytest.raises(UsageError) as caught:
        TianxiaomoExporter().stages(_card(), ExportRequest(**{**asked, **changes}))
    assert what in caught.value.what
    assert next_step in caught.value.next


@pytest.mark.parametrize(
    ("card", "form", "what"),
    [
        (_card(exporter_params={"widths": [4, 8, 8, 16, 16, 32]}), "heads", "fixed widths"),
        (
            _card(exporter_params={"scale_x_y": [1.2, 1.1, 1.05]}),
            "e2e",
            "scale_x_y 1 and its own anchors",
        ),
        (
            _card(repository=Repository(name="source", url="https://example.com/source")),
            "heads",
            "source is not pinned",
        ),
    ],
)
def test_cards_whose_source_cannot_be_asked(
    plan: Plan, card: ModelCard, form: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        plan(card, file="yolov4.pth", source="repo", form=form)


def test_a_cfg_beside_the_weights_is_told(tmp_path: Path) -> None:
    read = TianxiaomoExporter().settings
    weights = tmp_path / "my.weights"
    assert read(_card(), {"weights": weights}) == GivenSettings()
    weights.with_suffix(".cfg").touch()
    (warning,) = read(_card(), {"weights": weights}).warnings
    assert warning.startswith("my.cfg beside the weights is not read")
    assert "yolov4-darknet" in warning
    assert read(_card(), {"weights": tmp_path / "my.pth"}) == GivenSettings()
