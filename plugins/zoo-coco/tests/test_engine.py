from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from zoo_coco.engine import chosen_engine, with_hotcoco, with_pycocotools
from zoo_coco.summary import one_line, summary_lines

hotcoco = pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")

Truth = dict[str, Any]
Rows = NDArray[np.float64]


def scene(
    seed: int, images: int, classes: int, crowd: float, grid: float | None
) -> tuple[Truth, Rows]:
    """Random truth and detections around it; `grid` rounds scores, so that many are equal."""
    rng = np.random.default_rng(seed)
    boxes: list[dict[str, Any]] = []
    rows: list[list[float]] = []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 12)):
            side = float(np.exp(rng.uniform(np.log(4), np.log(300))))
            box = [*rng.uniform(0, 300, 2), side, side * rng.uniform(0.3, 3)]
            category = int(rng.integers(0, classes))
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": image,
                    "category_id": category * 3 + 1,
                    "bbox": box,
                    "area": box[2] * box[3] * rng.uniform(0.4, 1),
                    "iscrowd": int(rng.random() < crowd),
                }
            )
            for _ in range(rng.integers(0, 5)):
                moved = np.array(box) + rng.normal(0, side * 0.08, 4)
                label = category if rng.random() < 0.8 else int(rng.integers(0, classes))
                rows.append([image, *moved, rng.random(), label * 3 + 1])
    table = np.array(rows, np.float64).reshape(-1, 7)
    table[:, 3:5] = np.maximum(table[:, 3:5], 1)
    if grid:
        table[:, 5] = np.round(table[:, 5] / grid) * grid
    truth = {
        "images": [{"id": n, "width": 640, "height": 480} for n in range(1, images + 1)],
        "annotations": boxes,
        "categories": [{"id": n * 3 + 1, "name": f"c{n}"} for n in range(classes)],
    }
    return truth, table


def same(truth: Truth, rows: Rows, images: list[int]) -> NDArray[np.float64]:
    fast, reference = with_hotcoco(truth, rows, images), with_pycocotools(truth, rows, images)
    np.testing.assert_array_equal(fast.stats, reference.stats)
    np.testing.assert_array_equal(fast.ap, reference.ap)
    np.testing.assert_array_equal(fast.ap50, reference.ap50)
    return fast.stats


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("classes", "crowd", "grid"), [(1, 0, None), (5, 0.2, 0.1), (20, 0.05, 0.25), (80, 0, 0.5)]
)
def test_both_engines_give_the_same_bits(
    seed: int, classes: int, crowd: float, grid: float | None
) -> None:
    """Ties, crowds, and categories without a box or without a detection among them."""
    truth, rows = scene(seed, 12, classes, crowd, grid)
    stats = same(truth, rows, list(range(1, 13)))
    assert 0 < stats[0] < 1


def test_more_detections_than_count() -> None:
    truth, rows = scene(3, 2, 1, 0, 0.1)
    many = np.concatenate([rows] * 20)
    assert (many[:, 0] == 1).sum() > 100
    same(truth, many, [1, 2])


def test_only_the_given_images_count() -> None:
    truth, rows = scene(4, 10, 5, 0.1, 0.1)
    some = same(truth, rows, [2, 3, 7])
    kept = {**truth, "annotations": [b for b in truth["annotations"] if b["image_id"] in (2, 3, 7)]}
    np.testing.assert_array_equal(some, same(kept, rows[np.isin(rows[:, 0], (2, 3, 7))], [2, 3, 7]))


def test_no_detection_scores_zero_where_there_is_truth() -> None:
    truth, _ = scene(5, 6, 3, 0, None)
    stats = same(truth, np.zeros((0, 7)), list(range(1, 7)))
    assert set(stats.tolist()) <= {0.0, -1.0}
    assert stats[0] == 0


def test_no_truth_is_undefined() -> None:
    truth, rows = scene(6, 4, 2, 0, None)
    stats = same({**truth, "annotations": []}, rows, [1, 2, 3, 4])
    assert set(stats.tolist()) == {-1.0}


def test_no_image_at_all() -> None:
    truth = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    assert set(same(truth, np.zeros((0, 7)), []).tolist()) == {-1.0}


def test_perfect_detections_score_one() -> None:
    truth, _ = scene(7, 6, 4, 0, None)
    boxes = truth["annotations"]
    rows = np.array([[b["image_id"], *b["bbox"], 0.9, b["category_id"]] for b in boxes])
    assert same(truth, rows, list(range(1, 7)))[0] == 1


def test_the_lines_are_pycocotools_own(capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, rows = scene(8, 5, 2, 0, None)
    known = COCO()
    known.dataset = truth
    known.createIndex()
    reference = COCOeval(known, known.loadRes(rows), "bbox")
    reference.evaluate()
    reference.accumulate()
    capsys.readouterr()
    reference.summarize()
    printed = [line.removeprefix(" ") for line in capsys.readouterr().out.splitlines()]
    assert list(summary_lines(with_hotcoco(truth, rows, [1, 2, 3, 4, 5]).stats.tolist())) == [
        *printed,
        one_line(reference.stats),
    ]


def test_the_engines_are_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    truth, rows = scene(9, 3, 2, 0.5, 0.1)
    same(truth, rows, [1, 2, 3])
    same({**truth, "annotations": []}, rows[:0], [1, 2])
    assert capfd.readouterr() == ("", "")


def test_the_one_line_is_as_the_vendor_prints_it() -> None:
    stats = [0.4334, 0.6571, 0.47, 0.212, 0.4936, 0.6231, 0.33, 0.5, 0.5, 0.3, 0.6, -1.0]
    assert one_line(stats) == (
        "{'bbox_mAP': 0.433, 'bbox_mAP_50': 0.657, 'bbox_mAP_75': 0.47, 'bbox_mAP_s': 0.212, "
        "'bbox_mAP_m': 0.494, 'bbox_mAP_l': 0.623, "
        "'bbox_mAP_copypaste': '0.433 0.657 0.470 0.212 0.494 0.623'}"
    )
    assert summary_lines(stats)[0] == (
        "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.433"
    )
    assert summary_lines(stats)[11].endswith("area= large | maxDets=100 ] = -1.000")


def test_the_fast_engine_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_engine() is with_hotcoco
    monkeypatch.setattr("zoo_coco.engine.find_spec", lambda _name: None)
    assert chosen_engine() is with_pycocotools
