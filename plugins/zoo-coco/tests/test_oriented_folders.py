"""DOTA's labelTxt and YOLO's lines of four corners, against the rectangles that made them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from zoo_coco.forms.dota_folder import DotaFolder, read_dota
from zoo_coco.forms.labelled_folder import LabelledFolder
from zoo_coco.forms.yolo_folder import YoloFolder, YoloOrientedFolder
from zoo_coco.tasks.evaluators import CocoOriented

from zoo_core.api import DataPlan, DataRequest, DataView, Prediction, Sample
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.detection import Detections, OrientedDetections
from zoo_core.toolkit.detection.oriented import upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT = 30, 20
NAMES = ("large-vehicle", "ship")
IMAGES = tuple(f"P{number:04}" for number in range(12))

RunPlan = Callable[[DataPlan], DataView]
Truth = Callable[[LabelledFolder, DataRequest], dict[str, Any]]


def rectangles(seed: int) -> dict[str, list[tuple[int, NDArray[np.float64], int]]]:
    """For each image (class, [x, y, width, height, radians], difficult)."""
    rng = np.random.default_rng(seed)
    known = {}
    for image in IMAGES:
        rows = []
        for _ in range(rng.integers(1, 4)):
            sides = rng.uniform(3, 9, 2)
            place = rng.uniform([7, 7], [WIDTH - 7, HEIGHT - 7])
            row = np.array([*place, *sides, rng.uniform(-1.5, 1.5)])
            rows.append((int(rng.integers(2)), row, int(rng.random() < 0.2)))
        known[image] = rows
    return known


def corners(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """By rotation of complex numbers: another way than the reader's and the evaluator's."""
    half = np.array([-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j])
    half = half.real * row[2] / 2 + 1j * half.imag * row[3] / 2
    turned = half * np.exp(1j * row[4]) + complex(row[0], row[1])
    return np.stack([turned.real, turned.imag], axis=1)


@pytest.fixture(params=[0, 1])
def known(request: Any) -> Any:
    return rectangles(request.param)


@pytest.fixture
def dota(tmp_path: Path, make_images: Any, known: Any) -> Path:
    root = tmp_path / "DOTA"
    make_images(root / "images", [f"{image}.png" for image in IMAGES])
    (root / "labelTxt").mkdir()
    for image, rows in known.items():
        lines = ["imagesource:GoogleEarth", "gsd:0.146343590398"]
        for label, row, difficult in rows:
            values = " ".join(f"{value:.6f}" for value in corners(row).ravel())
            lines.append(f"{values} {NAMES[label]} {difficult}")
        (root / "labelTxt" / f"{image}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def yolo(tmp_path: Path, make_images: Any, known: Any) -> Path:
    root = tmp_path / "YOLO"
    make_images(root / "images/val", [f"{image}.png" for image in IMAGES])
    (root / "labels/val").mkdir(parents=True)
    for image, rows in known.items():
        lines = []
        for label, row, _ in rows:
            values = (corners(row) / [WIDTH, HEIGHT]).ravel()
            lines.append(f"{label} " + " ".join(f"{value:.9f}" for value in values))
        (root / "labels/val" / f"{image}.txt").write_text("\n".join(lines) + "\n")
    names = {0: NAMES[0], 1: NAMES[1]}
    (root / "data.yaml").write_text(json.dumps({"val": "images/val", "names": names}))
    return root


@pytest.fixture
def truth(run_plan: RunPlan, tmp_path: Path) -> Truth:
    def read(dataset: LabelledFolder, request: DataRequest) -> dict[str, Any]:
        path = dataset.truth(run_plan(dataset.plan(request)))
        data: dict[str, Any] = json.loads(path.read_bytes())
        (tmp_path / "truth.json").write_text(json.dumps(data))
        return data

    return read


def asked(annotations: Path | None, images: Path | None = None) -> DataRequest:
    return DataRequest(purpose="evaluate", annotations=annotations, images=images)


def finds(known: Any, seed: int) -> list[Prediction]:
    """Each rectangle moved a little, and some that are nowhere."""
    rng = np.random.default_rng(seed)
    predictions = []
    for image, rows in known.items():
        found, labels = [], []
        for label, row, _ in rows:
            found.append(row + rng.normal(0, [0.4, 0.4, 0.3, 0.3, 0.1]))
            labels.append(label)
        if rng.random() < 0.5:
            found.append(np.array([15, 10, *rng.uniform(3, 9, 2), rng.uniform(-1, 1)]))
            labels.append(int(rng.integers(2)))
        turned = np.array(found, np.float32)
        scores = np.round(rng.random(len(found)), 6).astype(np.float32)
        order = np.argsort(-scores)
        settled = Detections(
            upright(turned)[order], scores[order], np.array(labels, np.int32)[order]
        )
        arrays = OrientedDetections(settled, turned[order]).to_arrays()
        size = {"size": np.array([HEIGHT, WIDTH])}
        sample = Sample(id=f"{image}.png", name=f"{image}.png", path=Path(image))
        predictions.append(Prediction(sample=sample, arrays={**arrays, **size}))
    return predictions


def share(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Intersection over union of two rectangles, by OpenCV's clipping of convex polygons."""
    a, b = (corners(row).astype(np.float32) for row in (one, other))
    both = cv2.intersectConvexConvex(a, b)[0]
    return float(both / (one[2] * one[3] + other[2] * other[3] - both))


def average_precision(known: Any, predictions: list[Prediction], label: int, least: float) -> float:
    """COCO's AP of one class at one overlap, by a plain loop; difficult objects do not count."""
    total = sum(row[0] == label and not row[2] for rows in known.values() for row in rows)
    rows = []
    for prediction in predictions:
        found = OrientedDetections.from_arrays(prediction.arrays)
        own = [row for row in known[prediction.sample.path.name] if row[0] == label]
        taken: set[int] = set()
        for at in np.flatnonzero(found.detections.labels == label).tolist():
            box = found.oriented[at].astype(np.float64)
            shares = [share(box, row[1]) for row in own]
            free = [n for n, row in enumerate(own) if not row[2] and n not in taken]
            best = max(free, key=lambda n: shares[n], default=None)
            if best is not None and shares[best] >= least:
                taken.add(best)
                rows.append((float(found.detections.scores[at]), True))
            elif not any(
                cv2.intersectConvexConvex(
                    corners(box).astype(np.float32), corners(row[1]).astype(np.float32)
                )[0]
                >= least * box[2] * box[3]
                for row in own
                if row[2]
            ):
                rows.append((float(found.detections.scores[at]), False))
    hits = np.array([hit for _, hit in sorted(rows, key=lambda row: -row[0])], bool)
    recall, precision = np.cumsum(hits) / total, np.cumsum(hits) / np.arange(1, len(hits) + 1)
    points = np.linspace(0, 1, 101)
    return float(np.mean([precision[recall >= p].max(initial=0) for p in points]))


def test_dota_is_scored_as_a_plain_loop_over_rectangles_does(
    dota: Path, known: Any, truth: Truth, tmp_path: Path
) -> None:
    pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")
    data = truth(DotaFolder(), asked(dota))
    assert [row["name"] for row in data["categories"]] == list(NAMES)
    predictions = finds(known, 3)
    labels = ("large vehicle", "ship")
    metrics = CocoOriented().score(predictions, tmp_path / "truth.json", labels)
    for name, least in (("AP50", 0.5), ("AP75", 0.75)):
        wanted = [average_precision(known, predictions, label, least) for label in (0, 1)]
        assert metrics.values[name] == pytest.approx(np.mean(wanted), abs=1e-6)
    assert 0.1 < (metrics.values["AP"] or 0) < 1


def test_both_forms_keep_the_rectangles(known: Any, dota: Path, yolo: Path, truth: Truth) -> None:
    for dataset, root, exact in (
        (DotaFolder(), dota, 1e-5),
        (YoloOrientedFolder(), yolo / "data.yaml", 1e-6),
    ):
        data = truth(dataset, asked(root))
        rows = iter(data["annotations"])
        wanted = [row for image in IMAGES for row in known[image]]
        assert len(data["annotations"]) == len(wanted)
        for label, row, difficult in wanted:
            found = next(rows)
            polygon = np.array(found["segmentation"][0]).reshape(4, 2)
            assert np.abs(polygon - corners(row)).max() < exact
            assert found["area"] == pytest.approx(row[2] * row[3], abs=1e-3)
            left, top, right, bottom = upright(row[None])[0]
            assert found["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=1e-4)
            assert found["category_id"] == label + 1
            assert found["iscrowd"] == (difficult if dataset.name == "dota-folder" else 0)


def test_what_is_found_in_place_is_perfect(
    yolo: Path, known: Any, truth: Truth, tmp_path: Path
) -> None:
    pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")
    truth(YoloOrientedFolder(), asked(yolo))
    exact = []
    for prediction in finds(known, 0):
        rows = known[prediction.sample.path.name]
        turned = np.array([row[1] for row in rows], np.float32)
        labels = np.array([row[0] for row in rows], np.int32)
        settled = Detections(upright(turned), np.full(len(rows), 0.5, np.float32), labels)
        arrays = OrientedDetections(settled, turned).to_arrays()
        arrays["size"] = np.array([HEIGHT, WIDTH])
        exact.append(Prediction(sample=prediction.sample, arrays=arrays))
    metrics = CocoOriented().score(exact, tmp_path / "truth.json", NAMES)
    assert metrics.values["AP"] == pytest.approx(1, abs=1e-6)


def test_folders_are_told_apart(dota: Path, yolo: Path) -> None:
    assert DotaFolder().reads(dota) and DotaFolder().reads(dota / "labelTxt")
    assert not DotaFolder().reads(yolo / "labels/val") and not DotaFolder().reads(yolo / "x.txt")
    assert not DotaFolder().reads(dota / "images")
    assert YoloOrientedFolder().reads(yolo / "labels/val") and YoloFolder().reads(yolo)
    assert not YoloFolder().reads(dota / "labelTxt")
    renamed = (dota / "labelTxt").rename(dota / "labels")
    (renamed / "P0000.txt").write_text("")
    assert DotaFolder().reads(renamed) is False  # an empty file says nothing
    (renamed / "P0000.txt").write_text("\n1 1 5 1 5 5 1 5 small-vehicle\n")
    assert DotaFolder().reads(renamed)


def test_difficult_objects_and_images_without_labels_are_told(dota: Path, make_images: Any) -> None:
    make_images(dota / "images", ["P9999.png"])
    (dota / "labelTxt/P0000.txt").write_text("1 1 5 1 5 5 1 5 ship 1\n")
    for image in IMAGES[1:]:
        (dota / "labelTxt" / f"{image}.txt").write_text("gsd:null\n\n")
    plan = DotaFolder().plan(asked(dota / "labelTxt"))
    assert (plan.count, plan.classes) == (len(IMAGES), {"ship": False})
    assert "1 image has no annotation file: left out" in plan.warnings
    told = "1 object is marked difficult: neither found nor missed by a detection, as in DOTA"
    assert told in plan.warnings


def test_lines_are_read_with_and_without_their_last_value() -> None:
    head = "imagesource:GoogleEarth\ngsd:None\n"
    rows = read_dota(head + "0 0 4.5 0 4.5 2 0 2 ship\n1 1 2 1 2 2 1 2 plane 2\n\n", "x")
    assert [(row.name, row.difficult) for row in rows] == [("ship", False), ("plane", True)]
    assert rows[0].polygon == (0, 0, 4.5, 0, 4.5, 2, 0, 2)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1 1 5 1 5 5 1 5", "is not an object of DOTA: '1 1 5 1 5 5 1 5'"),
        ("1 1 5 1 5 5 1 ship 0", "is not an object of DOTA"),
        ("1 1 5 1 5 5 1 nan ship 0", "is not an object of DOTA"),
        ("1 1 5 1 5 5 1 5 storage tank 0", "is not an object of DOTA"),
        ("1 1 5 1 5 5 1 1e7 ship 0", "has a corner that is not within 1,000,000 pixels"),
        ("1 1 5 1 5 5 1 5 ship hard", "says 'hard' for difficult, where 0 or 1 is needed"),
    ],
)
def test_wrong_lines_are_named(line: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        read_dota(f"gsd:1\n{line}", "P1.txt")
    assert caught.value.where == "P1.txt:2" and caught.value.next


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 .5 .5 .2 .2", "has 5 values, where 9 are needed"),
        ("0 .1 .1 .2 .1 .2 .2", "has 7 values"),
        ("0 1 1 50 1 50 50 1 50", "where fractions of the image's sides are needed"),
        ("7 .1 .1 .2 .1 .2 .2 .1 .2", "has the class 7, where 2 classes are named"),
        ("0 .1 .1 .2 .1 .2 .2 .1 x", "is not a line of numbers"),
    ],
)
def test_wrong_lines_of_yolo_are_named(yolo: Path, line: str, told: str) -> None:
    (yolo / "labels/val/P0003.txt").write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=told) as caught:
        YoloOrientedFolder().plan(asked(yolo))
    assert caught.value.where.endswith("P0003.txt:2") and caught.value.next


def test_folders_that_lack_something_are_errors(dota: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no labels of DOTA are given"):
        DotaFolder().plan(asked(None))
    for place, images in ((tmp_path / "nowhere", None), (dota / "images", None)):
        with pytest.raises(DataError, match="holds no label file"):
            DotaFolder().plan(asked(place, images))
    with pytest.raises(DataError, match="no such folder of images"):
        DotaFolder().plan(asked(dota, tmp_path / "nowhere"))
    (dota / "images/P0004.png").unlink()
    with pytest.raises(DataError, match=r"P0004\.txt has no image"):
        DotaFolder().plan(asked(dota))
    for path in (dota / "labelTxt").iterdir():
        path.write_text("gsd:1\n")
    (dota / "labelTxt/P0004.txt").unlink()
    with pytest.raises(DataError, match="has no object"):
        DotaFolder().plan(asked(dota))
