"""Segmentation by whole commands: the same verbs, reports and gates as for detection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
from zoo_segmentation.masks import read_mask, write_mask

import zoo_core
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Outcome, Zoo

PLUGINS = ("zoo_segmentation", "zoo_coco", "zoo_sample", "zoo_onnx", "zoo_onnxruntime")
CARD = "scenes-segmenter"
FEW = ("--limit", "8", "--calibration-images", "8", "--no-bench")


def report(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.stderr
    found: dict[str, Any] = done.json
    name = found["schema"].removeprefix("zoo.").partition("/")[0]
    schema = Path(zoo_core.__file__).parent / "schemas" / f"{name}.json"
    jsonschema.validate(found, json.loads(schema.read_text()))
    return found


def test_a_run_in_int8_scores_and_writes_masks(commands: Zoo, tmp_path: Path) -> None:
    gate = ("--min-metric", "mIoU=0.4")
    found = report(
        commands("run", CARD, *FEW, "--precision", "int8", *gate, "-o", "out", "--json", "-")
    )
    assert found["task"] == "semantic-segmentation"
    assert list(found["metrics"]) == ["mIoU", "pixel_accuracy", "mean_accuracy"]
    assert found["metrics"]["pixel_accuracy"] > 0.9
    assert found["per_class"]["background"]["IoU"] > 0.9
    assert found["assets"] == {"weights": "published", "data": "sample"}
    assert found["precision_report"]["int8_nodes"] > 0
    masks = sorted((tmp_path / "out" / "masks").iterdir())
    assert len(masks) == 8 and read_mask(masks[0]).shape == (416, 416)
    page = (tmp_path / "out" / "report.md").read_text()
    assert "Mean IoU" in page
    assert not [word for word in ("bbox", "AP50", "detection", "boxes") if word in page]


def test_own_images_and_masks(commands: Zoo, tmp_path: Path) -> None:
    """Any size; a palette's numbers; what is 255 does not count."""
    (tmp_path / "images").mkdir()
    for number, size in enumerate(((50, 90), (130, 70))):
        write_image(tmp_path / "images" / f"{number}.png", np.full((*size, 3), 120, np.uint8))
        mask = np.zeros(size, np.uint8)
        mask[:9] = 255
        write_mask(tmp_path / "masks" / f"{number}.png", mask)
    folders = ("--images", tmp_path / "images", "--annotations", tmp_path / "masks")
    found = report(commands("run", CARD, *folders, "--no-bench", "--json", "-"))
    assert found["metrics"]["pixel_accuracy"] > 0.5
    assert found["per_class"]["kite"] == {"IoU": None, "accuracy": None}
    assert any("14 of 15 classes are in no mask" in text for text in found["warnings"])


def test_predict_tells_the_shares(commands: Zoo, tmp_path: Path) -> None:
    write_image(tmp_path / "grey.png", np.full((40, 60, 3), 120, np.uint8))
    found = report(commands("predict", CARD, tmp_path / "grey.png", "-o", "seen", "--json", "-"))
    assert [row["found"] for row in found["images"]] == [None]
    assert "background" in found["lines"][0]
    assert len(list((tmp_path / "seen" / "pictures").glob("*.jpg"))) == 1


def test_options_of_detection_are_refused(commands: Zoo) -> None:
    done = commands("run", CARD, *FEW, "--conf", "0.5")
    assert done.code == 2
    assert (
        "--conf: scenes-segmenter is for semantic-segmentation, whose evaluator miou" in done.stderr
    )


def test_images_in_place_of_masks_are_told(commands: Zoo, tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "images" / "1.jpg", np.full((50, 90, 3), 120, np.uint8))
    write_mask(tmp_path / "masks" / "1.png", np.zeros((50, 90), np.uint8))
    folders = ("--images", tmp_path / "masks", "--annotations", tmp_path / "images")
    done = commands("eval", CARD, *folders)
    assert done.code == 6
    assert "holds no .png file; check --annotations, and that it is not swapped" in done.stderr
