"""A loss split into boxes, scores and classes, on a made-up set where each part is known."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from zoo_coco.evaluator import CocoDetection

from zoo_core.errors import UsageError, ZooError
from zoo_core.pipeline.predictions import StoredPredictions
from zoo_core.pipeline.records import write_records
from zoo_core.pipeline.resampling import halves
from zoo_core.pipeline.stages.parts import split
from zoo_core.toolkit.detection import Candidates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Dense = tuple[NDArray[Any], NDArray[Any]]

IMAGES, OBJECTS, FLOOR = 12, 4, 0.001
LABELS = ["person", "car"]
CATEGORIES = [1, 3]
VALUES = {"conf": 0.001, "nms": 0.65, "nms_kind": "iou", "box_labels": "multi"}
PARTS = ("boxes", "scores", "classes")


def dense(seed: int) -> list[Dense]:
    """Boxes that do not touch, and their scores: each image's whole output."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(IMAGES):
        corner = np.stack([np.arange(OBJECTS) * 100.0, draw.uniform(0, 20, OBJECTS)], axis=1)
        boxes = np.concatenate([corner, corner + draw.uniform(40, 80, (OBJECTS, 2))], axis=1)
        best = draw.uniform(0.2, 0.9, (OBJECTS, 1))
        found.append((boxes, best * draw.dirichlet([0.5, 0.5], OBJECTS)))
    return found


def worse(run: Sequence[Dense], seed: int, box: float, score: float, label: float) -> list[Dense]:
    """Another run in which boxes move, best scores change, and classes of rows are exchanged."""
    draw = np.random.default_rng(seed)
    made = []
    for boxes, scores in run:
        moved = boxes + draw.normal(0, box, boxes.shape) if box else boxes
        scaled = scores * np.exp(draw.normal(0, score, (len(scores), 1))) if score else scores
        swapped = draw.random(len(scores)) < label
        made.append((moved, np.where(swapped[:, None], scaled[:, ::-1], scaled)))
    return made


def truth_of(folder: Path, run: Sequence[Dense]) -> Path:
    """What the run finds, a little elsewhere."""
    draw = np.random.default_rng(99)
    rows = []
    for image, (boxes, scores) in enumerate(run, start=1):
        for box, row in zip(boxes, scores, strict=True):
            x, y, right, bottom = box + draw.normal(0, 3, 4)
            sides = [right - x, bottom - y]
            rows.append({"image_id": image, "category_id": CATEGORIES[int(row.argmax())],
                         "bbox": [x, y, *sides], "area": sides[0] * sides[1], "iscrowd": 0,
                         "id": len(rows) + 1})  # fmt: skip
    data = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "width": 500, "height": 200}
            for n in range(1, len(run) + 1)
        ],
        "categories": [{"id": CATEGORIES[n], "name": LABELS[n]} for n in range(2)],
        "annotations": rows,
    }
    path = folder / "truth.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def stored(folder: Path, name: str, run: Sequence[Dense], truth: Path) -> dict[str, Path]:
    """What predict, settle and score leave of a run, in two shards."""
    evaluator, inputs = CocoDetection(), {}
    place = folder / name
    (place / "settled").mkdir(parents=True)
    for shard in range(2):
        half = range(shard * IMAGES // 2, (shard + 1) * IMAGES // 2)
        heads = [
            {"id": n + 1, "name": f"{n + 1}.jpg", "path": f"{n + 1}.jpg", "size": [200, 500]}
            for n in half
        ]
        rows = [Candidates.from_dense(*run[n], FLOOR, (200, 500)).to_arrays() for n in half]
        path = place / f"{shard}.npz"
        write_records(path, heads, rows)
        inputs[f"{name}-shard-{shard:04d}"] = path
        settled = [evaluator.postprocess(row, VALUES) for row in rows]
        write_records(place / "settled" / f"shard-{shard:04d}.npz", heads, settled)
    predictions = StoredPredictions(place / "settled")
    metrics = evaluator.score(predictions, truth, LABELS)
    (place / "metrics.json").write_text(json.dumps(metrics.to_data()), encoding="utf-8")
    weights = halves(IMAGES)
    samples = dict(evaluator.reweighted(predictions, truth, LABELS, weights))
    arrays = {key: rows.astype(np.float32) for key, rows in samples.items()}
    np.savez(place / "resamples.npz", allow_pickle=False, **arrays)
    return {
        **inputs,
        f"{name}-metrics": place / "metrics.json",
        f"{name}-halves": place / "resamples.npz",
    }


def parts(folder: Path, reference: Sequence[Dense], measured: Sequence[Dense]) -> dict[str, Any]:
    truth = truth_of(folder, reference)
    out = folder / "out"
    out.mkdir()
    context = SimpleNamespace(
        inputs={
            **stored(folder, "reference", reference, truth),
            **stored(folder, "measured", measured, truth),
        },
        params={
            "evaluator": "coco-detection",
            "values": VALUES,
            "labels": LABELS,
            "dataset": "made-up",
            "data": {},
            "has_truth": True,
        },
        out=out,
        paths=dict,
        progress=lambda *_: None,
        plugins=SimpleNamespace(
            evaluator=lambda _: CocoDetection(),
            dataset=lambda _: SimpleNamespace(truth=lambda _: truth),
        ),
    )
    split(cast("Any", context))
    assert [path.name for path in out.iterdir()] == ["parts.json"]
    data: dict[str, Any] = json.loads((out / "parts.json").read_text(encoding="utf-8"))
    return data


def average_precision(truth: Path, boxes: Sequence[Dense], scores: Sequence[Dense]) -> float:
    """By pycocotools, of one run's boxes with another's scores."""
    rows = [
        {
            "image_id": image,
            "category_id": CATEGORIES[label],
            "bbox": [*box[:2], *(box[2:] - box[:2])],
            "score": float(np.float32(score)),
        }
        for image, (own, other) in enumerate(zip(boxes, scores, strict=True), start=1)
        for box, row in zip(own[0].astype(np.float32), other[1], strict=True)
        for label, score in enumerate(row)
        if np.float32(score) > np.float32(FLOOR)
    ]
    known = COCO(str(truth))
    evaluation = COCOeval(known, known.loadRes(rows), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def test_equal_runs_lose_nothing_by_any_part(tmp_path: Path) -> None:
    run = dense(1)
    data = parts(tmp_path, run, run)
    assert (data["images"], data["rows"]) == (IMAGES, IMAGES * OBJECTS)
    assert data["lacking"] == dict.fromkeys(PARTS, 0)
    for row in data["metrics"]:
        for part in ("total", *PARTS, "rest") if "total" in row else ():
            assert row[part] == {"difference": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize(
    ("part", "change"),
    [("boxes", (6.0, 0.0, 0.0)), ("scores", (0.0, 0.8, 0.0)), ("classes", (0.0, 0.0, 0.4))],
)
def test_a_loss_of_one_part_is_all_told_of_it(
    tmp_path: Path, part: str, change: tuple[float, float, float]
) -> None:
    run = dense(2)
    row = parts(tmp_path, run, worse(run, 5, *change))["metrics"][0]
    assert row["metric"] == "AP"
    total = row["total"]
    assert abs(total["difference"]) > 0.01
    assert total["low"] <= total["difference"] <= total["high"]
    for other in (*PARTS, "rest"):
        expected = total if other == part else {"difference": 0.0, "low": 0.0, "high": 0.0}
        for key in expected:
            assert row[other][key] == pytest.approx(expected[key], abs=1e-7), other


def test_mixtures_score_as_pycocotools_scores_them(tmp_path: Path) -> None:
    run = dense(3)
    other = worse(run, 7, 5.0, 0.6, 0.3)
    row = parts(tmp_path, run, other)["metrics"][0]
    truth = tmp_path / "truth.json"
    plain = average_precision(truth, run, run)
    assert row["values"][0] == pytest.approx(plain, abs=1e-6)
    assert row["values"][1] == pytest.approx(average_precision(truth, other, other), abs=1e-6)
    moved = average_precision(truth, other, run) - plain
    assert row["boxes"]["difference"] == pytest.approx(moved, abs=1e-6)
    assert abs(moved) > 0.01
    best = [scores.max(axis=1, keepdims=True) for _, scores in other]
    scaled = [
        (boxes, scores / scores.max(axis=1, keepdims=True) * top)
        for (boxes, scores), top in zip(run, best, strict=True)
    ]
    by_scores = average_precision(truth, run, scaled) - plain
    assert row["scores"]["difference"] == pytest.approx(by_scores, abs=2e-3)
    changes = [row[name]["difference"] for name in (*PARTS, "rest")]
    assert sum(changes) == pytest.approx(row["total"]["difference"], abs=1e-9)


def test_a_set_too_small_for_intervals_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "IMAGES", 6)
    run = dense(2)
    row = parts(tmp_path, run[:6], worse(run[:6], 5, 6.0, 0.0, 0.0))["metrics"][0]
    assert row["boxes"]["difference"] == row["total"]["difference"] != 0
    assert row["total"]["low"] is row["total"]["high"] is None


def test_rows_that_a_network_ranks_do_not_pair(tmp_path: Path) -> None:
    graph = tmp_path / "graph.json"
    graph.write_text('{"facts": {"ranks": true}}', encoding="utf-8")
    context = SimpleNamespace(
        inputs={"graph": graph},
        params={"evaluator": "coco-detection"},
        plugins=SimpleNamespace(evaluator=lambda _: CocoDetection()),
    )
    with pytest.raises(UsageError, match="ranks its own boxes"):
        split(cast("Any", context))


def test_an_evaluator_without_parts_is_named(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text('{"values": {}}', encoding="utf-8")
    context = SimpleNamespace(
        inputs={"reference-metrics": metrics, "measured-metrics": metrics},
        params={"evaluator": "other"},
        out=tmp_path,
        plugins=SimpleNamespace(evaluator=lambda _: object()),
    )
    with pytest.raises(ZooError, match="exchange parts"):
        split(cast("Any", context))
