"""Masks and key points: pycocotools' figures, from the same files, in the images' frame."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_coco.engine import with_hotcoco, with_pycocotools
from zoo_coco.frames import _turned, change
from zoo_coco.summary import keypoint_lines, summary_lines
from zoo_coco.tasks.evaluators import CocoKeypoints, CocoOriented, CocoSegmentation
from zoo_coco.tasks.shapes import keypoints_of, mask_of, oriented_of, run_lengths, turn_shapes

from zoo_core.api import Prediction, Sample
from zoo_core.errors import DataError, UnavailableError
from zoo_core.toolkit.detection import Detections, Instances
from zoo_core.toolkit.detection.masks import decode, encode
from zoo_core.toolkit.detection.oriented import oriented_iou, upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

mask = pytest.importorskip("pycocotools.mask")
SIZE = (120, 160)
CLASSES = ("person", "car", "dog")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools 2.0.11 decodes masks in a way that NumPy 2 warns of."""

TEST_DATA = os.environ.get("ZOO_TEST_DATA")


EVALUATORS: Any = {"segm": CocoSegmentation, "keypoints": CocoKeypoints}


def by_pycocotools(truth: Path, results: Path, kind: str) -> tuple[NDArray[np.float64], Any]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    known = COCO(str(truth))
    evaluation = COCOeval(known, known.loadRes(str(results)), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    return np.asarray(evaluation.stats), evaluation


@pytest.mark.parametrize("kind", ["segm", "keypoints"])
@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_pycocotools_on_the_written_files(
    scene: Any, seed: int, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, predictions = scene(seed)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    evaluator = EVALUATORS[kind]()
    found = evaluator.score(predictions, truth, CLASSES)
    (tmp_path / "out").mkdir()
    evaluator.write(predictions, CLASSES, tmp_path / "out", truth)
    _, evaluation = by_pycocotools(truth, tmp_path / "out" / "predictions.json", kind)
    capsys.readouterr()
    evaluation.summarize()
    printed = [line.removeprefix(" ") for line in capsys.readouterr().out.splitlines()]

    values = [-1 if value is None else value for value in found.values.values()]
    stats = evaluation.stats.tolist()
    assert values[: len(stats)] == stats and 0 < stats[0] < 1
    assert list(found.lines[1 : 1 + len(stats)]) == printed
    assert found.lines[0] == {"segm": "masks:", "keypoints": "key points:"}[kind]
    assert "boxes:" in found.lines
    boxes = tmp_path / "out" / "predictions-boxes.json"
    _, evaluation = by_pycocotools(truth, boxes, "bbox")
    evaluation.summarize()
    assert values[len(stats) :] == evaluation.stats.tolist()
    assert len(list((tmp_path / "out" / "txt").iterdir())) == len(predictions)


@pytest.mark.parametrize("kind", ["segm", "keypoints"])
@pytest.mark.parametrize("seed", range(10, 20))
def test_both_engines_give_the_same_bits(scene: Any, seed: int, kind: Any, tmp_path: Path) -> None:
    pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")
    data, predictions = scene(seed)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    ids = {label: label * 2 + 1 for label in range(3)}
    rows = [r for p in predictions for r in EVALUATORS[kind]()._rows(ids)(p)]
    for part in (rows, []):
        pair = [
            engine(copy.deepcopy(data), copy.deepcopy(part), list(range(1, 9)), kind)
            for engine in (with_hotcoco, with_pycocotools)
        ]
        for name in ("stats", "ap", "ap50"):
            np.testing.assert_array_equal(getattr(pair[0], name), getattr(pair[1], name))


def test_other_numbers_of_points_count_alike(scene: Any, tmp_path: Path) -> None:
    pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")
    data, predictions = scene(3)
    for row in data["annotations"]:
        row["keypoints"] = row["keypoints"][:15]
        row["num_keypoints"] = sum(seen > 0 for seen in row["keypoints"][2::3])
    few = [
        Prediction(sample=p.sample, arrays={**p.arrays, "keypoints": p.arrays["keypoints"][:, :5]})
        for p in predictions
    ]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    found = CocoKeypoints().score(few, truth, CLASSES)
    assert found.warnings[-1] == "COCO defines OKS for 17 points: of 5, each counts alike"
    rows = [r for p in few for r in CocoKeypoints()._rows({0: 1, 1: 3, 2: 5})(p)]
    sigmas = np.full(5, 0.2)
    reference = with_pycocotools(data, rows, list(range(1, 9)), "keypoints", sigmas)
    assert found.values["AP"] == reference.stats[0]
    with pytest.raises(DataError, match="are 15 values, not x, y and visibility of 17 points"):
        CocoKeypoints().score(predictions, truth, CLASSES)


def test_truth_without_points_is_told(scene: Any, tmp_path: Path) -> None:
    data, predictions = scene(4)
    for row in data["annotations"]:
        del row["keypoints"], row["num_keypoints"]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    found = CocoKeypoints().score(predictions, truth, CLASSES)
    assert found.values["AP"] is None and found.values["box_AP"] is not None
    assert "no annotation has a key point that counts" in found.warnings[-1]


def test_files_without_truth_have_cocos_ids(scene: Any, tmp_path: Path) -> None:
    _, predictions = scene(5)
    for evaluator in (CocoSegmentation(), CocoKeypoints()):
        folder = tmp_path / evaluator.task
        folder.mkdir()
        evaluator.write(predictions, CLASSES, folder)
        rows = json.loads((folder / "predictions.json").read_text())
        assert {row["category_id"] for row in rows} <= {1, 3, 18}
        assert not any("bbox" in row for row in rows)
    (tmp_path / "none").mkdir()
    evaluator.write([], CLASSES, tmp_path / "none")
    assert json.loads((tmp_path / "none" / "predictions.json").read_text()) == []


@pytest.mark.skipif(TEST_DATA is None, reason="ZOO_TEST_DATA is unset: no real annotations here")
def test_real_boxes_as_polygons(tmp_path: Path) -> None:
    """The boxes of 128 images of val2017; masks are ellipses in them, found a little off."""
    folder = next(Path(str(TEST_DATA)).glob("coco-val2017-128"))
    data = json.loads(next(folder.glob("*.json")).read_text())
    names = [row["name"] for row in data["categories"]]
    numbers = {row["id"]: n for n, row in enumerate(data["categories"])}
    rng = np.random.default_rng(0)
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(turns), np.sin(turns)], 1)
    by_image: dict[Any, list[Any]] = {row["id"]: [] for row in data["images"]}
    for row in data["annotations"]:
        x, y, wide, high = row["bbox"]
        centre, half = np.array([x + wide / 2, y + high / 2]), np.array([wide, high]) / 2
        row["segmentation"] = [(centre + ring * half).round(2).ravel().tolist()]
        row["iscrowd"] = 0
        moved = centre + half * rng.normal(0, 0.1, 2) + ring * half * rng.uniform(0.8, 1.1)
        by_image[row["image_id"]].append((row, moved.ravel().tolist(), float(rng.random())))
    predictions = []
    for image in data["images"]:
        size, rows = (image["height"], image["width"]), by_image[image["id"]]
        boxes = np.array([r["bbox"] for r, _, _ in rows], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        found = Detections(
            boxes,
            np.array([score for _, _, score in rows], np.float32),
            np.array([numbers[r["category_id"]] for r, _, _ in rows], np.int32),
        )
        masks = [
            encode(mask.decode(mask.frPyObjects([p], *size))[..., 0].astype(bool), size)
            for _, p, _ in rows
        ]
        sample = Sample(id=image["id"], name=image["file_name"], path=Path("x"), size=size)
        arrays = Instances.of(found, masks, size).to_arrays()
        predictions.append(Prediction(sample=sample, arrays=arrays))
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    told = CocoSegmentation().score(predictions, truth, names)
    (tmp_path / "out").mkdir()
    CocoSegmentation().write(predictions, names, tmp_path / "out", truth)
    _, evaluation = by_pycocotools(truth, tmp_path / "out" / "predictions.json", "segm")
    evaluation.summarize()
    values = [-1 if v is None else v for v in told.values.values()]
    assert values[:12] == evaluation.stats.tolist()
    assert 0.3 < values[0] < 0.9


@pytest.mark.parametrize("seed", range(4))
def test_oriented_boxes_are_scored_by_their_own_overlap(
    turned_scene: Any, seed: int, tmp_path: Path
) -> None:
    """As pycocotools does with the overlap of rectangles (OpenCV's) in place of upright boxes."""
    pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Turned(COCOeval):  # type: ignore[misc]
        def computeIoU(self, image: int, category: int) -> Any:
            true, found = self._gts[image, category], self._dts[image, category]
            order = np.argsort([-row["score"] for row in found], kind="mergesort")[:100]
            return np.array(
                [[self._share(found[n], row) for row in true] for n in order], np.float64
            )

        @staticmethod
        def _share(one: Any, row: Any) -> float:
            share = oriented_iou(one["obb"], row["obb"])
            if not row["iscrowd"] or share == 0:
                return share
            both = one["obb"][2] * one["obb"][3] + row["obb"][2] * row["obb"][3]
            return float(share * both / (1 + share) / (one["obb"][2] * one["obb"][3]))

    data, predictions = turned_scene(seed)
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps(data))
    found = CocoOriented().score(predictions, truth, CLASSES)
    (tmp_path / "out").mkdir()
    CocoOriented().write(predictions, CLASSES, tmp_path / "out", truth)
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    for row in data["annotations"]:
        row["obb"] = oriented_of(row, "")
    known, told = COCO(), COCO()
    known.dataset = data
    known.createIndex()
    rows = [
        {**row, "id": n, "area": row["obb"][2] * row["obb"][3], "iscrowd": 0}
        for n, row in enumerate(results, start=1)
    ]
    told.dataset = {**data, "annotations": rows}
    told.createIndex()
    evaluation = Turned(known, told, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    values = [-1 if value is None else value for value in found.values.values()]
    assert values[:12] == pytest.approx(evaluation.stats.tolist(), abs=1e-9)
    assert 0 < values[0] < 1

    image = np.full((*SIZE, 3), 90, np.uint8)
    arrays = next(p.arrays for p in predictions if len(p.arrays["scores"]))
    assert (CocoOriented().draw(image, arrays, CLASSES, 0.0) != image).any()
    assert np.array_equal(CocoOriented().draw(image, arrays, CLASSES, 1.0), image)


def test_oriented_boxes_need_hotcoco() -> None:
    with pytest.raises(UnavailableError, match="pycocotools does not score oriented boxes"):
        with_pycocotools({}, [], [], "obb")


@pytest.mark.parametrize("row", [{}, {"obb": [1, 2, 3]}, {"obb": [1, 2, -3, 4, 0]}])
def test_annotations_without_an_oriented_box_are_errors(row: Any) -> None:
    with pytest.raises(DataError, match="annotation 7 has no oriented box"):
        oriented_of({"id": 7, **row}, "truth.json")


def test_run_lengths_are_unpacked() -> None:
    rng = np.random.default_rng(0)
    for share in (0, 0.1, 0.5, 1):
        inside = rng.random((37, 41)) < share
        packed = mask.encode(np.asfortranarray(inside, np.uint8))["counts"].decode()
        assert run_lengths(packed) == encode(inside, (37, 41)).tolist()


TRIANGLE = [1.0, 1, 9, 1, 5, 8]


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (None, "is missing"),
        ([], "is missing"),
        ([[1, 2, 3, 4]], "a polygon of 4 values"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon of 7 values"),
        ([TRIANGLE, "x"], "a polygon of 'x'"),
        ([[1, 2, 3, 4, 5, 1e7]], "a polygon of 6 values"),
        ([[1, 2, 3, 4, 5, None]], "a polygon of 6 values"),
        ({"size": [20, 30], "counts": [600]}, r"size \[20, 30\] over 600 pixels"),
        ({"size": [30, 20], "counts": [599]}, "over 599 pixels"),
        ({"size": [30, 20], "counts": [-1, 601]}, "over [?] pixels"),
        ({"size": [30, 20], "counts": "o"}, "over 0 pixels"),
        ({"size": [30, 20], "counts": 5}, "over 0 pixels"),
        ({"size": [30, 20], "counts": "\x01\x02"}, "over 0 pixels"),
    ],
)
def test_masks_that_cannot_be_are_errors(shape: Any, told: str) -> None:
    with pytest.raises(DataError, match=f"segmentation of annotation 7 .*{told}"):
        mask_of({"id": 7, "segmentation": shape}, (30, 20), "truth.json")


@pytest.mark.parametrize(
    ("values", "told"),
    [([1, 2], "2 values, not"), ("x", "'x', not"), ([1, 2, None] * 17, "not all numbers, not x")],
)
def test_points_that_cannot_be_are_errors(values: Any, told: str) -> None:
    with pytest.raises(DataError, match=f"keypoints of annotation 7 are .*{told}"):
        keypoints_of({"id": 7, "keypoints": values}, 17, "truth.json")


STEPS = [["transpose"], ["flip x"], ["flip y"], ["transpose", "flip x"], ["flip x", "flip y"]]


@pytest.mark.parametrize("steps", STEPS)
def test_shapes_are_turned_with_their_boxes(steps: list[str]) -> None:
    """As the picture itself is turned: polygon, run lengths and box still say the same."""
    before = np.zeros((12, 20), bool)
    before[2:7, 3:15] = True
    before[7:9, 3:5] = True
    after = before.T if "transpose" in steps else before
    after = after[:, ::-1] if "flip x" in steps else after
    after = after[::-1] if "flip y" in steps else after
    corners = [3, 2, 15, 2, 15, 7, 5, 7, 5, 9, 3, 9]
    shapes = [[corners], {"size": [12, 20], "counts": encode(before, (12, 20)).tolist()}]
    for shape in shapes:
        row: dict[str, Any] = {"image_id": 1, "bbox": [3, 2, 12, 7], "segmentation": shape}
        row["keypoints"] = [3, 2, 2, 0, 0, 0]
        row["obb"] = [9, 5.5, 12, 7, 0.2]
        around = upright(np.array([row["obb"]]))[0]
        data = {"images": [{"id": 1}], "annotations": [row]}
        change(data, [[1, list(after.shape), steps]])
        turned = mask_of(row, after.shape, "")  # type: ignore[arg-type]
        if isinstance(turned, dict):
            found = decode(np.array(turned["counts"]), after.shape)  # type: ignore[arg-type]
        else:
            found = mask.decode(mask.merge(mask.frPyObjects(turned, *after.shape))).astype(bool)
        assert np.array_equal(found, after)
        x, y, wide, high = map(int, row["bbox"])
        assert after[y : y + high, x : x + wide].sum() == after.sum()
        wanted = _turned([*around[:2], *(around[2:] - around[:2])], after.shape, steps)
        left, top, right, bottom = upright(np.array([row["obb"]]))[0]
        assert np.allclose(wanted, [left, top, right - left, bottom - top])
        px, py, seen = row["keypoints"][:3]
        assert after[int(py), int(px)] and seen == 2 and row["keypoints"][3:] == [0, 0, 0]


def test_shapes_that_cannot_be_read_stay() -> None:
    row = {"segmentation": ["x"], "keypoints": "y"}
    turn_shapes(row, [4, 4], ["flip x"])
    assert row == {"segmentation": ["x"], "keypoints": "y"}


def test_pictures_show_masks_and_points(scene: Any) -> None:
    image = np.full((*SIZE, 3), 90, np.uint8)
    kept = image.copy()
    prediction = next(p for p in scene(6)[1] if len(p.arrays["scores"]) > 1)
    for evaluator in (CocoSegmentation(), CocoKeypoints()):
        drawn = evaluator.draw(image, prediction.arrays, CLASSES, 0.0)
        assert (drawn != image).any() and drawn.shape == image.shape
        assert np.array_equal(evaluator.draw(image, prediction.arrays, CLASSES, 1.0), image)
    assert np.array_equal(image, kept)


def test_lines_have_the_names_of_their_kind() -> None:
    assert summary_lines([0.5] * 12, "segm")[12].startswith("{'segm_mAP': 0.5, 'segm_mAP_50'")
    assert keypoint_lines([0.5] * 10)[9] == (
        "Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets= 20 ] = 0.500"
    )
