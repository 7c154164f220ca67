"""Masks, key points and oriented boxes where images count any number of times."""

from __future__ import annotations

import copy
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_coco.engine import (
    _matched_by_hotcoco,
    _matched_by_pycocotools,
    with_hotcoco,
    with_pycocotools,
)
from zoo_coco.matching import AREAS, Boxes, Matches, match
from zoo_coco.tasks.evaluators import CocoKeypoints, CocoOriented, CocoSegmentation

from zoo_core.api import ReweightsImages
from zoo_core.pipeline.resampling import halves

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("person", "car", "dog")
EVALUATORS: Any = {"segm": CocoSegmentation, "keypoints": CocoKeypoints, "obb": CocoOriented}
KINDS = list(EVALUATORS)
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def scenes(scene: Any, turned_scene: Any) -> Any:
    return {"segm": partial(scene, images=20), "keypoints": scene, "obb": turned_scene}


def needs_hotcoco(kind: str) -> None:
    if kind == "obb":
        pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")


def figures(kind: str, predictions: Any, truth: Path) -> Any:
    metrics = EVALUATORS[kind]().score(predictions, truth, CLASSES)
    classes = {
        f"{name}/{label}": figures[name]
        for label, figures in metrics.per_class.items()
        for name in ("AP", "box_AP")
    }
    values = {**metrics.values, **classes}
    return {name: np.nan if value is None else value for name, value in values.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_with_all_weights_one_they_are_the_evaluators(
    seed: int, kind: str, scenes: Any, tmp_path: Path
) -> None:
    needs_hotcoco(kind)
    data, predictions = scenes[kind](seed)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    evaluator = EVALUATORS[kind]()
    assert isinstance(evaluator, ReweightsImages)
    order = list(reversed(predictions))  # not that of the ids
    found = evaluator.reweighted(order, truth, CLASSES, np.ones((2, len(order))))
    wanted = figures(kind, predictions, truth)
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], [value, value], atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_zero_leave_images_out(kind: str, scenes: Any, tmp_path: Path) -> None:
    """As pycocotools scores the images that are left (hotcoco, of oriented boxes)."""
    needs_hotcoco(kind)
    data, predictions = scenes[kind](7)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    evaluator = EVALUATORS[kind]()
    weights = halves(len(predictions), 6, seed=1)
    found = evaluator.reweighted(predictions, truth, CLASSES, weights)
    known, rows = evaluator._told(predictions, truth, CLASSES)
    engine = with_hotcoco if kind == "obb" else with_pycocotools
    for at, weight in enumerate(weights):
        kept = (np.flatnonzero(weight) + 1).tolist()
        part = [row for row in rows if row["image_id"] in kept]
        official = engine(copy.deepcopy(known.data), copy.deepcopy(part), kept, kind)
        wanted = np.where(official.stats < 0, np.nan, official.stats)
        own = [found[name][at] for name in evaluator.names]
        np.testing.assert_allclose(own, wanted, atol=1e-12)
        ap = [found[f"AP/{name}"][at] for name in CLASSES]
        np.testing.assert_allclose(ap, np.where(official.ap < 0, np.nan, official.ap), atol=1e-12)
    assert len({value for value in found["AP"].tolist()}) > 1


@pytest.mark.parametrize("kind", ["segm", "keypoints"])
def test_both_engines_match_alike(kind: Any, scenes: Any, tmp_path: Path) -> None:
    pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")
    data, predictions = scenes[kind](11)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    evaluator = EVALUATORS[kind]()
    known, rows = evaluator._told(predictions, truth, CLASSES)
    images = list(known.numbers.values())
    pair = []
    for engine in (_matched_by_hotcoco, _matched_by_pycocotools):
        found = engine(copy.deepcopy(known.data), copy.deepcopy(rows), images, kind, None).evalImgs
        left = [each for each in found if each is not None]
        pair.append(Matches.of(left, evaluator.areas, len(known.data["annotations"])))
    for name in Matches.__slots__:
        np.testing.assert_array_equal(getattr(pair[0], name), getattr(pair[1], name), name)


def test_matches_of_boxes_are_those_of_the_engine(scene: Any, tmp_path: Path) -> None:
    """Our own greedy rule, and what COCOeval leaves of the same boxes."""
    data, predictions = scene(3, images=20)
    rows = [
        [p.sample.id, x, y, right - x, bottom - y, score, label + 1]
        for p in predictions
        for (x, y, right, bottom), score, label in zip(
            p.arrays["boxes"].astype(float).tolist(),
            p.arrays["scores"].astype(float).tolist(),
            p.arrays["labels"].tolist(),
            strict=True,
        )
    ]
    for row in data["annotations"]:
        row["category_id"] = row["category_id"] // 2 + 1
    for number, row in enumerate(data["categories"], start=1):
        row["id"] = number
    table = np.array(rows)
    found = _matched_by_pycocotools(data, table, list(range(1, 21)), "bbox", None).evalImgs
    ours = Matches.of([each for each in found if each], AREAS, len(data["annotations"]))
    table[:, [0, 6]] -= 1
    own = match(Boxes.of(data), table)
    for name in Matches.__slots__:
        np.testing.assert_array_equal(getattr(ours, name), getattr(own, name), name)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_found_is_zero_and_nothing_to_find_is_undefined(
    kind: str, scenes: Any, tmp_path: Path
) -> None:
    needs_hotcoco(kind)
    data, predictions = scenes[kind](2)
    truth, none = tmp_path / "truth.json", tmp_path / "none.json"
    truth.write_text(json.dumps(data))
    none.write_text(json.dumps({**data, "annotations": []}))
    evaluator, weights = EVALUATORS[kind](), np.ones((1, len(predictions)))
    empty = [
        type(p)(sample=p.sample, arrays={**p.arrays, **_nothing(p.arrays)}) for p in predictions
    ]
    assert evaluator.reweighted(empty, truth, CLASSES, weights)["AP"] == [0]
    assert np.isnan(evaluator.reweighted(predictions, none, CLASSES, weights)["AP"]).all()


def _nothing(arrays: Any) -> Any:
    lists = ("boxes", "scores", "labels", "keypoints", "oriented")
    own = {name: arrays[name][:0] for name in lists if name in arrays}
    if "counts" in arrays:
        own |= {"counts": arrays["counts"][:0], "ends": arrays["ends"][:0]}
    return own
