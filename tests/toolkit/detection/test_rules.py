from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection import (
    Candidates,
    DetectionRules,
    Detections,
    postprocess,
)

DATA = Path(__file__).parents[2] / "data" / "vision"
CASES = json.loads((DATA / "nms_cases.json").read_text(encoding="utf-8"))
MANY = 1_000_000


def rows(found: Detections) -> list[list[float]]:
    """As the original post-processing gives them: box, score twice, class."""
    major = found.take(np.argsort(found.labels, kind="stable"))
    columns = [major.boxes, major.scores[:, None], major.scores[:, None], major.labels[:, None]]
    return list(np.concatenate(columns, axis=1, dtype=np.float64).tolist())


def test_there_are_nine_golden_cases() -> None:
    assert len(CASES) == 9


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["tag"])
def test_golden_case(case: dict[str, Any]) -> None:
    boxes, confs = np.array(case["boxes"], np.float32), np.array(case["confs"], np.float32)
    candidates = Candidates.from_dense(boxes, confs, 0.0)
    rules = DetectionRules(case["conf_thresh"], case["nms_thresh"], max_detections=MANY)
    assert rows(postprocess(candidates, rules)) == case["result"]


@pytest.mark.parametrize(
    ("conf", "nms", "count"), [("0.4", "0.6", 224), ("0.6", "0.45", 54), ("0.05", "0.65", 540)]
)
def test_golden_post_processing_is_equal(conf: str, nms: str, count: int) -> None:
    stored = np.load(DATA / "yolov4_ruleB_96x96_n1.npz")
    wanted = np.load(DATA / f"yolov4_ruleB_96x96_n1_post_{conf}_{nms}.npz")["det"]
    candidates = Candidates.from_dense(stored["boxes"][0, :, 0], stored["confs"][0], 0.01)
    found = postprocess(candidates, DetectionRules(float(conf), float(nms), max_detections=MANY))
    assert rows(found) == wanted.tolist()
    assert len(found) == count


def two_labels(**other: Any) -> Candidates:
    boxes = np.array([[0, 0, 10, 10], [100.4, 0, 120, 30.6]], np.float32)
    scores = np.array([[0.5, 0.4, 0.0], [0.3, 0.3, 0.2]], np.float32)
    return replace(Candidates.from_dense(boxes, scores, 0.05, (20, 110)), **other)


def listed(found: Detections) -> list[tuple[int, float]]:
    scores = [round(score, 4) for score in found.scores.tolist()]
    return list(zip(found.labels.tolist(), scores, strict=True))


def test_best_and_multi() -> None:
    best = postprocess(two_labels(), DetectionRules(0.1, 0.5))
    assert [label for label, _ in listed(best)] == [0, 0]
    many = postprocess(two_labels(), DetectionRules(0.1, 0.5, box_labels="multi"))
    assert sorted(many.labels.tolist()) == [0, 0, 1, 1, 2]
    assert (np.diff(many.scores) <= 0).all()


def test_best_is_the_highest_of_all_labels_on_random_tables() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.uniform(0, 1, (30, 6)).round(1).astype(np.float32)
        boxes = np.arange(30, dtype=np.float32)[:, None] * 10 + np.array([0, 0, 5, 5], np.float32)
        found = postprocess(Candidates.from_dense(boxes, scores, 0.05), DetectionRules(0.7, 0.5))
        wanted = {
            (i, int(row.argmax())) for i, row in enumerate(scores) if row.max() > np.float32(0.7)
        }
        assert (
            set(zip((found.boxes[:, 0] // 10).tolist(), found.labels.tolist(), strict=True))
            == wanted
        )


def test_the_highest_scores_stay() -> None:
    found = postprocess(
        two_labels(), DetectionRules(0.1, 0.5, box_labels="multi", max_detections=2)
    )
    assert listed(found) == [(0, 0.5), (1, 0.4)]


def test_the_output_cut_comes_last_and_keeps_equal_scores() -> None:
    cut = DetectionRules(0.1, 0.5, box_labels="multi", min_output_score=0.3)
    assert [score for _, score in listed(postprocess(two_labels(), cut))] == [0.5, 0.4, 0.3, 0.3]


def test_clipping_and_rounding() -> None:
    rules = DetectionRules(0.1, 0.5, clip=True)
    assert postprocess(two_labels(), rules).boxes[1].tolist() == pytest.approx([100.4, 0, 110, 20])
    rounded = postprocess(two_labels(), replace(rules, clip=False, round_boxes=True))
    assert rounded.boxes[1].tolist() == [100, 0, 120, 31]
    assert rounded.boxes.dtype == np.float32
    with pytest.raises(UsageError, match="size is unknown"):
        postprocess(two_labels(size=None), rules)


def test_diou_spares_what_iou_drops() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 3, 10, 13]], np.float32)
    candidates = Candidates.from_dense(boxes, np.array([[0.9], [0.8]]), 0.1)
    assert len(postprocess(candidates, DetectionRules(0.1, 0.5))) == 1
    assert len(postprocess(candidates, DetectionRules(0.1, 0.5, nms_kind="diou"))) == 2


def test_without_nms_boxes_that_overlap_stay_and_no_threshold_is_read() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [5, 5, 5, 5], [5, 5, 5, 5]], np.float32)
    candidates = Candidates.from_dense(boxes, np.full((4, 1), 0.5, np.float32), 0.0)
    kept = postprocess(candidates, DetectionRules(0.1, nms_kind="none"))
    assert kept.boxes.tolist() == boxes.tolist()
    assert len(postprocess(candidates, DetectionRules(0.1, 0.5, "none"))) == 4
    assert len(postprocess(candidates, DetectionRules(0.1, 0.5))) == 2


def test_device_suppression_is_not_repeated_unless_the_threshold_is_lower() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 3, 10, 13]], np.float32)
    plain = Candidates.from_dense(boxes, np.array([[0.9], [0.8]]), 0.1)
    done = replace(plain, suppressed=(0.1, 0.3))
    for kind in ("iou", "diou"):
        assert len(postprocess(done, DetectionRules(0.1, 0.3, nms_kind=kind))) == 2
    assert len(postprocess(done, DetectionRules(0.1, 0.2))) == 1
    assert len(postprocess(plain, DetectionRules(0.1, 0.3))) == 1


def test_a_conf_below_the_floor_says_what_the_floor_is() -> None:
    with pytest.raises(UsageError, match=r"conf 0\.04 is below 0\.05"):
        postprocess(two_labels(), DetectionRules(0.04, 0.5))
    with pytest.raises(UsageError, match=r"below 0\.2"):
        postprocess(two_labels(suppressed=(0.2, 0.6)), DetectionRules(0.1, 0.5))
    assert len(postprocess(two_labels(), DetectionRules(0.05, 0.5))) == 2


def test_nothing_found() -> None:
    assert len(postprocess(Candidates.empty(0.0), DetectionRules(0.0, 0.5, clip=False))) == 0


def test_rules_from_values() -> None:
    values = {"conf": 0.001, "nms": 0.6, "nms_kind": "diou", "box_labels": "multi"}
    assert DetectionRules.from_values(values) == DetectionRules(0.001, 0.6, "diou", "multi")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nms_knd": "iou"}, "did you mean 'nms_kind'"),
        ({"nms_kind": "dious"}, "did you mean 'diou'"),
        ({"box_labels": "multiple"}, "did you mean 'multi'"),
        ({"conf": 1.5}, "conf must lie within"),
        ({"conf": "0.1"}, "conf must lie within"),
        ({"nms": -0.1}, "nms must lie within"),
        ({"nms": True}, "nms must lie within"),
        ({"beta_nms": -0.1}, "beta_nms must be a number of at least 0"),
        ({"beta_nms": float("inf")}, "beta_nms must be a number of at least 0"),
        ({"beta_nms": "0.6"}, "beta_nms must be a number of at least 0"),
        ({"max_detections": 0}, "max_detections"),
        ({"max_detections": 10.0}, "max_detections"),
        ({"clip": "yes"}, "clip must be"),
        ({"min_output_score": float("nan")}, "min_output_score"),
    ],
)
def test_rules_are_strict(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DetectionRules.from_values({"conf": 0.1, "nms": 0.5, **change})


def test_rules_need_conf_and_nms() -> None:
    with pytest.raises(UsageError, match="gives no 'nms'; give --nms FRACTION, or a --protocol"):
        DetectionRules.from_values({"conf": 0.1})


@pytest.mark.parametrize("suppressed", [None, (0.05, 0.5)])
def test_of_equal_scores_the_earlier_ones_fill_the_output(
    suppressed: tuple[float, float] | None,
) -> None:
    """Whether NMS is done here or was done by a device."""
    boxes = np.array([[60.0 * at, 0, 60 * at + 50, 50] for at in range(9)], np.float32)
    scores = np.full((9, 1), 0.5, np.float32)
    scores[7] = 0.6
    candidates = replace(Candidates.from_dense(boxes, scores, 0.05), suppressed=suppressed)

    found = postprocess(candidates, DetectionRules(0.25, 0.5, max_detections=4))

    assert found.boxes[:, 0].tolist() == [420, 0, 60, 120]
