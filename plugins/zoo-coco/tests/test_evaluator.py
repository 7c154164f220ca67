from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_coco.evaluator import CocoDetection
from zoo_coco.summary import NAMES

from zoo_core.api import Prediction, Sample
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.coco import COCO_NAMES, DARKNET_SPELLING
from zoo_core.toolkit.detection.detections import Candidates, Detections
from zoo_core.toolkit.detection_txt import read_detections

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = ["car", "person", "helmet"]
TRUTH = [
    (1, 1, (2, 2, 10, 12)),
    (1, 3, (14, 4, 8, 8)),
    (2, 1, (0, 0, 30, 20)),
]


def found(*rows: tuple[int, float, float, float, float, float]) -> dict[str, NDArray[Any]]:
    """Rows of label index, score, x1, y1, x2, y2."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(
        boxes=table[:, 2:].astype(np.float32),
        scores=table[:, 1].astype(np.float32),
        labels=table[:, 0].astype(np.int32),
    ).to_arrays()


def listed(*items: tuple[int | str, str, dict[str, NDArray[Any]]]) -> list[Prediction]:
    return [
        Prediction(
            sample=Sample(id=number, name=name, path=Path(name), size=(20, 30)), arrays=arrays
        )
        for number, name, arrays in items
    ]


PERFECT = [
    (1, "a.jpg", found((1, 0.9, 2, 2, 12, 14), (0, 0.8, 14, 4, 22, 12))),
    (2, "b.jpg", found((1, 0.7, 0, 0, 30, 20))),
]


@pytest.fixture
def truth(tmp_path: Path, write_truth: Any) -> Path:
    path: Path = write_truth(
        tmp_path / "truth.json", [(1, "a.jpg"), (2, "b.jpg"), (3, "c.jpg")], TRUTH
    )
    return path


def test_perfect_predictions_score_one(truth: Path) -> None:
    metrics = CocoDetection().score(listed(*PERFECT), truth, LABELS)
    assert tuple(metrics.values) == NAMES
    assert [metrics.values[name] for name in ("AP", "APs", "AR100")] == pytest.approx([1, 1, 1])
    assert metrics.values["APl"] is None, "no large box in the truth: undefined, not 0"
    assert list(metrics.per_class) == ["person", "car"]
    for row in metrics.per_class.values():
        assert row == pytest.approx({"AP": 1.0, "AP50": 1.0})
    assert len(metrics.lines) == 13
    assert metrics.lines[12].startswith("{'bbox_mAP': 1.0, 'bbox_mAP_50': 1.0,")


def test_nothing_found_scores_zero(truth: Path) -> None:
    metrics = CocoDetection().score(
        listed((1, "a.jpg", found()), (2, "b.jpg", found())), truth, LABELS
    )
    assert metrics.values["AP"] == metrics.values["AR100"] == 0
    assert metrics.values["APl"] is None
    assert metrics.per_class["car"] == {"AP": 0.0, "AP50": 0.0}


def test_images_without_truth_are_undefined(truth: Path) -> None:
    metrics = CocoDetection().score(listed((3, "c.jpg", PERFECT[0][2])), truth, LABELS)
    assert set(metrics.values.values()) == {None}


def test_a_false_alarm_on_an_image_without_boxes_counts(truth: Path) -> None:
    alarm = (3, "c.jpg", found((1, 0.95, 1, 1, 9, 9)))
    with_alarm = CocoDetection().score(listed(*PERFECT, alarm), truth, LABELS)
    assert with_alarm.values["AP"] is not None
    assert with_alarm.values["AP"] < 0.95


def test_only_predicted_images_are_evaluated(truth: Path) -> None:
    metrics = CocoDetection().score(listed(PERFECT[0]), truth, LABELS)
    assert metrics.values["AP"] == pytest.approx(1), "the box of image 2 is no miss"


def test_labels_the_truth_lacks_are_ignored(truth: Path) -> None:
    noisy = found((1, 0.9, 2, 2, 12, 14), (0, 0.8, 14, 4, 22, 12), (2, 0.99, 2, 2, 12, 14))
    metrics = CocoDetection().score(listed((1, "a.jpg", noisy)), truth, LABELS)
    assert metrics.values["AP"] == pytest.approx(1)


def test_categories_no_label_finds_are_missed(truth: Path) -> None:
    metrics = CocoDetection().score(listed(*PERFECT), truth, ["cat", "person"])
    assert metrics.per_class["car"]["AP"] == 0
    assert metrics.values["AP50"] == pytest.approx(0.5)


def test_no_label_in_common_is_another_data_set(truth: Path) -> None:
    with pytest.raises(DataError, match="none of its 2 categories"):
        CocoDetection().score(listed(*PERFECT), truth, ["helmet", "vest"])


def test_unlisted_images_are_another_data_set(truth: Path) -> None:
    with pytest.raises(DataError, match="1 of 1 predicted images are not in it"):
        CocoDetection().score(listed((77, "z.jpg", found())), truth, LABELS)


def test_what_matches_is_told_before_and_with_the_figures(truth: Path) -> None:
    labels = ["cat", "person"]
    classes = {"person": True, "car": True}
    said = CocoDetection().match(labels, classes)
    assert [text.partition(":")[0] for text in said] == [
        "1 of the truth's 2 categories matches none of the model's labels and count as 0 where "
        "they have boxes",
        "1 of the model's 2 labels matches no category of the truth",
    ]
    metrics = CocoDetection().score(listed(*PERFECT), truth, labels)
    alone = "over the 1 of 2 categories that have boxes and match a label, AP is 1.0000 and AP50"
    assert metrics.warnings[:2] == said
    assert metrics.warnings[2].startswith(alone)
    assert len(metrics.warnings) == 3
    assert CocoDetection().match(LABELS[:2], classes) == ()
    assert CocoDetection().score(listed(*PERFECT), truth, LABELS[:2]).warnings == ()


def test_odd_boxes_of_the_predicted_images_are_told(tmp_path: Path, write_truth: Any) -> None:
    images = [(1, "a.jpg"), (2, "b.jpg"), (3, "c.jpg")]
    boxes = [*TRUTH, TRUTH[0], (1, 3, (5, 5, 0, 3)), (3, 1, (1, 1, 2, 0)), (77, 1, (1, 1, 2, 2))]
    path = write_truth(tmp_path / "t.json", images, boxes)
    metrics = CocoDetection().score(listed(*PERFECT), path, LABELS[:2])
    assert [text[:36] for text in metrics.warnings] == [
        "1 boxes of the annotation file are l",
        "1 of 5 boxes have no width or no hei",
        "1 of 5 boxes equal another one of th",
    ]


def dropped(count: int, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {**arrays, "dropped": np.array([count])}


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            found(),
            found(),
            ["no detection in any of the 2 images: no score is above the protocol's"],
        ),
        (
            dropped(3, found()),
            dropped(4, found()),
            ["no detection in any of the 2 images: 7 boxes had coordinates that are not finite"],
        ),
        (
            PERFECT[0][2],
            dropped(4, found()),
            ["4 boxes had coordinates that are not finite, in 1 of 2 images, and are left out"],
        ),
        (
            found((1, 0.9, 20, 2, 29, 4)),
            dropped(1, found()),
            [
                "1 boxes had coordinates that are not finite, in 1 of 2 images, and are left out",
                "none of the 1 detections fits a box of its class",
            ],
        ),
        (PERFECT[0][2], found(), []),
    ],
)
def test_why_nothing_is_found_is_told(
    truth: Path, first: Any, second: Any, told: list[str]
) -> None:
    predictions = listed((1, "a.jpg", first), (2, "b.jpg", second))
    warnings = CocoDetection().score(predictions, truth, LABELS[:2]).warnings
    assert len(warnings) == len(told)
    assert all(text.startswith(start) for text, start in zip(warnings, told, strict=True))
    assert all("decoder_params" in text for text in warnings)


def test_boxes_that_are_not_finite_are_counted(truth: Path) -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, np.inf, 9], [np.nan] * 4, [np.inf] * 4])
    scores = np.array([[0.9, 0.2], [0.8, 0.7], [0.3, 0.05], [0.05, 0.05]])
    arrays = Candidates.from_dense(boxes, scores, 0.1, (20, 60)).to_arrays()
    settled = CocoDetection().postprocess(arrays, VALUES)
    assert len(settled["scores"]) == 1
    assert settled["dropped"].tolist() == [2], "boxes, not pairs, and only those with a score"


def test_text_ids_of_categories_are_written_as_they_are(tmp_path: Path) -> None:
    data = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": "b1", "bbox": [2, 2, 10, 12]},
            {"image_id": 1, "category_id": 7, "bbox": [14, 4, 8, 8]},
        ],
        "categories": [{"id": "b1", "name": "person"}, {"id": "7", "name": "car"}],
    }
    path = tmp_path / "t.json"
    path.write_text(json.dumps(data))
    metrics = CocoDetection().score(listed(PERFECT[0]), path, LABELS[:2])
    assert metrics.values["AP"] == pytest.approx(1)
    assert {name: row["AP"] for name, row in metrics.per_class.items()} == pytest.approx(
        {"person": 1, "car": 1}
    )
    CocoDetection().write(listed(PERFECT[0]), LABELS, tmp_path, path)
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert [row["category_id"] for row in rows] == ["b1", "7"]


def test_string_ids_score_the_same(tmp_path: Path, write_truth: Any) -> None:
    boxes = [(f"img{image}", category, box) for image, category, box in TRUTH]
    path = write_truth(tmp_path / "t.json", [("img2", "b.jpg"), ("img1", "a.jpg")], boxes)
    items = [(f"img{number}", name, arrays) for number, name, arrays in PERFECT]
    metrics = CocoDetection().score(listed(*items), path, LABELS)
    assert metrics.values["AP"] == pytest.approx(1)
    CocoDetection().write(listed(*items), LABELS, tmp_path)
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert {row["image_id"] for row in rows} == {"img1", "img2"}


def test_files_hold_what_was_found(tmp_path: Path, truth: Path) -> None:
    twice = (2, "b/a.jpg", found((0, 0.25, 0.5, 1, 10.125, 3)))
    nothing = (3, "c.jpg", found())
    CocoDetection().write(
        listed(PERFECT[0], twice, nothing), ["tvmonitor", "person", "hot dog"], tmp_path
    )
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert rows[0]["image_id"] == 1
    assert rows[0]["category_id"] == 1
    assert rows[0]["bbox"] == [2, 2, 10, 12]
    assert rows[-1] == {
        "image_id": 2,
        "category_id": 72,
        "bbox": [0.5, 1.0, 9.625, 2.0],
        "score": 0.25,
    }
    names = sorted(path.name for path in (tmp_path / "txt").iterdir())
    assert names == ["a.jpg.txt", "b__a.jpg.txt", "c.txt"]
    text = (tmp_path / "txt" / "b__a.jpg.txt").read_text()
    assert text == "tv 0.25 0.5 1.0 10.125 3.0\n"
    assert (tmp_path / "txt" / "c.txt").read_bytes() == b""


def test_no_detection_at_all_is_an_empty_list(tmp_path: Path) -> None:
    CocoDetection().write(listed((1, "a.jpg", found())), LABELS, tmp_path)
    assert json.loads((tmp_path / "predictions.json").read_text()) == []


def test_ids_are_the_truths_where_it_is_given(tmp_path: Path, truth: Path) -> None:
    CocoDetection().write(listed(*PERFECT), LABELS, tmp_path, truth)
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert [row["category_id"] for row in rows] == [1, 3, 1]
    (tmp_path / "alone").mkdir()
    CocoDetection().write(listed(*PERFECT), LABELS, tmp_path / "alone")
    rows = json.loads((tmp_path / "alone" / "predictions.json").read_text())
    assert [row["category_id"] for row in rows] == [2, 1, 2]


VALUES = {"conf": 0.1, "nms": 0.5, "nms_kind": "iou", "box_labels": "best", "max_detections": 2}


def test_the_protocol_is_checked() -> None:
    CocoDetection().check(VALUES)
    with pytest.raises(UsageError, match="confidence"):
        CocoDetection().check({**VALUES, "confidence": 0.1})
    with pytest.raises(UsageError, match="nms"):
        CocoDetection().check({**VALUES, "nms": 1.5})


def test_the_floor_lets_through_all_that_settling_keeps() -> None:
    floor = CocoDetection().floor(VALUES)
    assert 0 <= floor <= 0.1


def test_candidates_are_settled_by_the_protocol() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [40, 0, 50, 10]])
    scores = np.array([[0.9, 0.2], [0.8, 0.1], [0.3, 0.7], [0.05, 0.2]])
    arrays = Candidates.from_dense(boxes, scores, 0.01, (20, 60)).to_arrays()
    settled = Detections.from_arrays(CocoDetection().postprocess(arrays, VALUES))
    assert settled.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(settled.scores, np.array([0.9, 0.7], np.float32))


def test_drawing_leaves_the_image_as_it_was() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    arrays = found((1, 0.9, 5, 20, 50, 55))
    drawn = CocoDetection().draw(image, arrays, LABELS, 0.25)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert drawn.any()
    assert not image.any()
    assert not CocoDetection().draw(image, arrays, LABELS, 0.95).any()


def real_predictions(instances: dict[str, Any], seed: int) -> list[Prediction]:
    """True boxes moved, relabelled, doubled or dropped, with scores of which many are equal."""
    rng = np.random.default_rng(seed)
    index = {row["id"]: place for place, row in enumerate(instances["categories"])}
    items = []
    for image in sorted(instances["images"], key=lambda row: row["id"]):
        rows = []
        for box in instances["annotations"]:
            if box["image_id"] != image["id"]:
                continue
            x, y, w, h = box["bbox"]
            for _ in range(rng.integers(0, 3)):
                dx, dy, dw, dh = rng.normal(0, 0.1, 4)
                label = index[box["category_id"]] if rng.random() < 0.8 else int(rng.integers(80))
                left, top = x + dx * w, y + dy * h
                right, bottom = left + w * np.exp(dw), top + h * np.exp(dh)
                rows.append((label, np.round(rng.random(), 1), left, top, right, bottom))
        items.append((image["id"], image["file_name"], found(*rows)))
    return listed(*items)


@pytest.fixture(scope="module")
def instances() -> Path:
    data = os.environ.get("ZOO_TEST_DATA")
    if not data:
        pytest.skip("ZOO_TEST_DATA is unset: no real annotations here")
    return Path(data) / "coco-val2017-128" / "instances.json"


def official(
    instances: Path, results: Path, ids: list[int], categories: list[int] | None = None
) -> list[float]:
    """The written file, scored by pycocotools and nothing of ours."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(str(instances))
    evaluation = COCOeval(truth, truth.loadRes(str(results)), "bbox")
    evaluation.params.imgIds = ids
    evaluation.params.catIds = categories or evaluation.params.catIds
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats]


@pytest.mark.parametrize("images", [128, 40])
def test_real_boxes_score_as_pycocotools_scores_our_file(
    instances: Path, tmp_path: Path, images: int, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = real_predictions(json.loads(instances.read_text()), images)
    chosen = [p for n, p in enumerate(predictions) if n < images]
    darknet = {coco: other for other, coco in DARKNET_SPELLING.items()}
    labels = [darknet.get(name, name) for name in COCO_NAMES]
    metrics = CocoDetection().score(chosen, instances, labels)
    CocoDetection().write(chosen, labels, tmp_path)
    ids = [int(prediction.sample.id) for prediction in chosen]
    stats = official(instances, tmp_path / "predictions.json", ids)
    assert list(metrics.values.values()) == [None if value < 0 else value for value in stats]
    assert 0.1 < (metrics.values["AP"] or 0) < 0.9
    printed = [line.strip() for line in capsys.readouterr().out.splitlines() if "@[" in line]
    assert list(metrics.lines[:12]) == printed


def test_ap_over_the_matched_categories_is_that_of_pycocotools(
    instances: Path, tmp_path: Path
) -> None:
    predictions = real_predictions(json.loads(instances.read_text()), 3)
    labels = [name if name in ("person", "car", "dog") else f"my {name}" for name in COCO_NAMES]
    metrics = CocoDetection().score(predictions, instances, labels)
    CocoDetection().write(predictions, labels, tmp_path, instances)
    ids = [int(prediction.sample.id) for prediction in predictions]
    ap, ap50, *_ = official(instances, tmp_path / "predictions.json", ids, [1, 3, 18])
    told = f"over the 3 of 78 categories that have boxes and match a label, AP is {ap:.4f} and "
    assert f"{told}AP50 {ap50:.4f} (person, car, dog)" in metrics.warnings
    assert (metrics.values["AP"] or 0) == pytest.approx(3 * ap / 78)


def underscored(file: dict[str, Any]) -> None:
    for row in file["categories"]:
        row["name"] = row["name"].replace(" ", "_").title()


def ids_as_text(file: dict[str, Any]) -> None:
    for row in file["annotations"][::2]:
        row["image_id"] = f"{row['image_id']:012d}"
        row["category_id"] = str(row["category_id"])


def floats(file: dict[str, Any]) -> None:
    for row in file["images"]:
        row |= {"id": float(row["id"]), "width": 0, "height": 0.0}
    for row in file["categories"]:
        row["id"] = float(row["id"])


def rooted(file: dict[str, Any]) -> None:
    file["categories"].insert(0, {"id": 0, "name": "person", "supercategory": "none"})


def text_categories(file: dict[str, Any]) -> None:
    for row in file["categories"]:
        row["id"] = f"class {row['id']:02d}"
    for row in file["annotations"]:
        row["category_id"] = f"class {row['category_id']:02d}"


@pytest.mark.parametrize("change", [underscored, ids_as_text, floats, rooted, text_categories])
def test_other_ways_to_write_a_truth_score_the_same(
    instances: Path, tmp_path: Path, change: Any
) -> None:
    file = json.loads(instances.read_text())
    predictions = real_predictions(file, 5)[:40]
    CocoDetection().write(predictions, COCO_NAMES, tmp_path)
    ids = [int(prediction.sample.id) for prediction in predictions]
    expected = official(instances, tmp_path / "predictions.json", ids)
    change(file)
    (tmp_path / "truth.json").write_text(json.dumps(file))
    metrics = CocoDetection().score(predictions, tmp_path / "truth.json", COCO_NAMES)
    assert list(metrics.values.values()) == [None if value < 0 else value for value in expected]
    assert metrics.warnings == ()


def test_the_texts_hold_the_same_boxes_as_the_json(instances: Path, tmp_path: Path) -> None:
    predictions = real_predictions(json.loads(instances.read_text()), 1)
    CocoDetection().write(predictions, COCO_NAMES, tmp_path)
    rows = json.loads((tmp_path / "predictions.json").read_text())
    texts = [
        detection
        for prediction in predictions
        for detection in read_detections(
            tmp_path / "txt" / f"{Path(prediction.sample.name).stem}.txt"
        )
    ]
    assert len(texts) == len(rows) > 500
    for row, text in zip(rows, texts, strict=True):
        assert row["score"] == text.score
        x1, y1, x2, y2 = text.box
        assert row["bbox"] == [x1, y1, round(x2 - x1, 4), round(y2 - y1, 4)]
