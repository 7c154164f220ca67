"""The cards: their figures, their export, and where they differ from the repositories."""

from __future__ import annotations

import pytest

from zoo_core.commands.check import check
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.vision import Preprocess

FAMILIES = ("retinanet-mmdet", "retinanet-yhenon", "retinanet-torchvision", "yolof", "centernet")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(Plugins.installed().registry_files())


@pytest.mark.parametrize(
    ("model", "row", "expected"),
    [
        ("retinanet-mlcommons", "vastai-fp16", [0.385, 0.534, 0.416, 0.039, 0.128, 0.426]),
        ("retinanet-pytorch", "vastai-int8", [0.338, 0.498, 0.367, 0.18, 0.376, 0.446]),
        ("retinanet-mmdet", "vastai-fp16", [0.349, 0.52, 0.383, 0.183, 0.396, 0.468]),
        ("yolof-mmdet", "vastai-int8", [0.366, 0.565, 0.396, 0.188, 0.418, 0.496]),
        ("centernet-res18", "vastai-int8-measured", [0.212, 0.363, 0.215, 0.053, 0.219, 0.361]),
    ],
)
def test_figures_are_those_of_the_vendor(
    registry: Registry, model: str, row: str, expected: list[float]
) -> None:
    found = next(item for item in registry.model(model).published if item.id == row)
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl")
    assert [found.metrics[name] for name in names] == expected


def test_every_retinanet_of_mmdetection_on_the_vendors_page_has_a_card(registry: Registry) -> None:
    cards = [card for card in registry.models.values() if card.family == "retinanet-mmdet"]

    assert len(cards) == 17
    rows = {card.id: card.published[0].metrics["AP"] for card in cards}
    assert min(rows, key=rows.__getitem__).startswith("retinanet-mmdet-r18")
    assert max(rows.items(), key=lambda item: item[1]) == ("retinanet-mmdet-x101-64x4d-3x", 0.416)
    configs = [card.exporter_params["environment"]["CONFIG"] for card in cards]
    assert len(set(configs)) == 17


def test_the_cards_are_in_order_and_name_what_is_known(registry: Registry) -> None:
    findings = check(registry, Plugins.installed())
    own = [row for row in findings if "zoo_dense" in row["where"]]
    messages = " ".join(str(row["message"]) for row in own)

    assert not [row for row in own if row["severity"] == "error"]
    assert "vastai-fp16 and vastai-fp16-again" in messages
    assert "AP 0.251 and 0.212" in messages
    assert len(own) == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_card_says_how_its_repository_exports_it(registry: Registry, family: str) -> None:
    for card in (one for one in registry.models.values() if one.family == family):
        assert card.exporter == "source-repo"
        assert "onnx" in card.exporters
        assert len(card.repository.commit or "") == 40
        Preprocess.from_data(card.preprocess)
        assert all(file.by_hand for weights in card.weights for file in weights.files.values())


def test_networks_of_caffe_take_blue_first_and_no_deviation(registry: Registry) -> None:
    caffe = Preprocess.from_data(registry.model("retinanet-mmdet-r101-caffe-3x").preprocess)
    other = Preprocess.from_data(registry.model("retinanet-mmdet-r101-3x").preprocess)
    normal = [step for step in caffe.to_data() if step["op"] == "normalise"]

    assert normal == [{"op": "normalise", "mean": [103.53, 116.28, 123.675], "std": [1, 1, 1]}]
    assert caffe.to_data()[0]["colour"] == "bgr"
    assert other.to_data()[0]["colour"] == "rgb"


def test_mlperf_has_264_labels(registry: Registry) -> None:
    labels = registry.model("retinanet-mlcommons").labels
    assert len(labels) == len(set(labels)) == 264
    assert (labels[0], labels[-1]) == ("Airplane", "Zucchini")
