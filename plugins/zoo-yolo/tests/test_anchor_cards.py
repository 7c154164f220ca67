"""Cards of networks with anchors: their figures, and that their parameters decode their outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zoo_yolo
from zoo_yolo.anchor_based import AnchorDecoder

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.registry import load_registry
from zoo_core.toolkit.detection import Candidates
from zoo_core.vision import Geometry, Preprocess

if TYPE_CHECKING:
    from zoo_core.api import ModelCard

FILE = Path(zoo_yolo.__file__).with_name("anchor_based.yaml")
FILES = [FILE, FILE.with_name("mmdet.yaml"), FILE.with_name("paddle.yaml")]
CARDS = [card for card in load_registry(FILES).models.values() if card.origin in map(str, FILES)]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_card_decodes_its_heads(card: ModelCard) -> None:
    decoder = AnchorDecoder(squares=card.decoder == "yolo-anchors")
    classes, (height, width) = len(card.labels), (128, 64)
    heads = {
        str(stride): np.zeros((3 * (5 + classes), height // stride, width // stride), np.float32)
        for stride in card.decoder_params["strides"]
    }

    decode = decoder.bind(card.decoder_params, classes, 0.2)
    found = Candidates.from_arrays(decode(heads, Geometry.identity((height, width))))

    assert len(found.boxes) == sum(head[:3].size for head in heads.values())
    assert Preprocess.from_data(card.preprocess).with_resize(size=card.size).size == card.size
    assert card.license == card.repository.license


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_an_export_of_its_repository_is_pinned(card: ModelCard) -> None:
    (option,) = card.weights
    if card.exporter == "onnx":
        assert option.format == "onnx"
        return
    assert card.exporter == "source-repo"
    assert "onnx" in card.exporters
    assert len(card.repository.commit or "") == 40
    assert {"run", "random", "requirements"} <= set(card.exporter_params)
    name = option.files["weights"].name
    assert (option.files["weights"].by_hand or "").endswith(f"/{name}")


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("yolov4-bubbliiiing", "vastai-fp16", [0.428, 0.648]),
        ("yolov3-ultralytics", "vastai-int8", [0.387, 0.548]),
        ("yolov5s-ultralytics", "source-fp32-416", [0.303, 0.447]),
        ("yolov7-e6e", "source-fp32-performance", [0.514, 0.663]),
        ("yolor-p6", "source-fp32", [0.426, 0.574]),
        ("yolor-w6", "source-fp32-320", [0.33, 0.456]),
    ],
)
def test_figures_are_those_of_the_vendors_pages(name: str, row: str, expected: list[float]) -> None:
    card = next(card for card in CARDS if card.id == name)
    result = next(result for result in card.published if result.id == row)
    assert [result.metrics["AP"], result.metrics["AP50"]] == expected


def test_figures_of_paddledetection_are_those_of_the_vendors_page() -> None:
    found = {card.id: card.published[0].metrics for card in CARDS if "ppdet" in card.id}
    assert found == {
        "yolov3-darknet53-ppdet": {"AP": 0.391},
        "yolov3-mobilenetv1-ppdet": {"AP": 0.294},
        "yolov3-mobilenetv1-ssld-ppdet": {"AP": 0.31},
        "yolov3-mobilenetv3-ppdet": {"AP": 0.314},
        "yolov3-resnet34-ppdet": {"AP": 0.362},
    }


def test_anchors_of_the_default_card_are_those_that_are_assumed() -> None:
    heads = tuple(TensorSpec(name=str(side), shape=(1, 255, side, side)) for side in (80, 40, 20))
    found = AnchorDecoder(squares=True).recognise(
        FileOutline(inputs=(), outputs=heads, size=(640, 640))
    )
    card = next(card for card in CARDS if card.id == "yolov5s-ultralytics")
    assert found is not None
    assert found.params == card.decoder_params
