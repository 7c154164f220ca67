"""One ground truth in three forms gives one set of figures, by pycocotools."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_coco.engine import Figures, with_pycocotools
from zoo_coco.forms.voc_folder import VocEdgesFolder, VocFolder
from zoo_coco.forms.yolo_folder import YoloFolder

from zoo_core.api import DataPlan, DataRequest, DataView

RunPlan = Callable[[DataPlan], DataView]
Coco = dict[str, Any]


@pytest.fixture(scope="module")
def official() -> Coco:
    """COCO's own boxes of 128 images, without crowds, which the other forms do not know.

    Their area is the box's, since the others state none.
    """
    place = os.environ.get("ZOO_TEST_DATA")
    if not place:
        pytest.skip("ZOO_TEST_DATA is unset: no images of COCO here")
    data: Coco = json.loads((Path(place) / "coco-val2017-128/instances.json").read_bytes())
    rows = [row for row in data["annotations"] if not row["iscrowd"]]
    data["annotations"] = [row | {"area": row["bbox"][2] * row["bbox"][3]} for row in rows]
    data["folder"] = str(Path(place) / "coco-val2017-128/images")
    return data


def by_image(data: Coco) -> dict[str, list[tuple[str, list[float]]]]:
    """File name -> class names and boxes."""
    names = {row["id"]: row["name"] for row in data["categories"]}
    files = {row["id"]: row["file_name"] for row in data["images"]}
    found: dict[str, list[tuple[str, list[float]]]] = {name: [] for name in files.values()}
    for row in data["annotations"]:
        found[files[row["image_id"]]].append((names[row["category_id"]], row["bbox"]))
    return found


def write_yolo(data: Coco, folder: Path, digits: int | None) -> None:
    """As converters do; `digits` decimals, None for all."""
    (folder / "labels").mkdir()
    (folder / "images").symlink_to(data["folder"])
    names = [row["name"] for row in data["categories"]]
    sizes = {row["file_name"]: (row["width"], row["height"]) for row in data["images"]}
    for file, rows in by_image(data).items():
        width, height = sizes[file]
        lines = []
        for name, (x, y, w, h) in rows:
            values = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
            told = [repr(v) if digits is None else f"{v:.{digits}f}" for v in values]
            lines.append(" ".join([str(names.index(name)), *told]))
        if lines:
            (folder / "labels" / file).with_suffix(".txt").write_text("\n".join(lines))
    text = "".join(f"  {number}: {name}\n" for number, name in enumerate(names))
    (folder / "data.yaml").write_text(f"path: .\nval: images\nnames:\n{text}")


def write_voc(data: Coco, folder: Path, first: int) -> None:
    """Corners in full precision; `first` is what the left edge's pixel is called."""
    (folder / "Annotations").mkdir()
    (folder / "JPEGImages").symlink_to(data["folder"])
    keys = ("xmin", "ymin", "xmax", "ymax")
    for file, rows in by_image(data).items():
        text = ""
        for name, (x, y, w, h) in rows:
            values = zip(keys, (x + first, y + first, x + w, y + h), strict=True)
            box = "".join(f"<{key}>{value!r}</{key}>" for key, value in values)
            text += f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"
        path = (folder / "Annotations" / file).with_suffix(".xml")
        path.write_text(f"<annotation>{text}</annotation>")


def detections(data: Coco) -> dict[str, list[tuple[str, list[float], float]]]:
    """Boxes around the true ones, some of a wrong class, and some of no object."""
    rng = np.random.default_rng(7)
    names = [row["name"] for row in data["categories"]]
    found: dict[str, list[tuple[str, list[float], float]]] = {}
    for file, rows in by_image(data).items():
        found[file] = [
            (
                name if rng.random() < 0.8 else names[rng.integers(len(names))],
                (np.array(box) + rng.normal(0, 0.06, 4) * box[2]).clip(1).tolist(),
                float(rng.random()),
            )
            for name, box in rows
            for _ in range(2)
        ]
    return found


def figures(data: Coco, found: dict[str, list[tuple[str, list[float], float]]]) -> Figures:
    """pycocotools' figures of the detections, matched by file and class name."""
    numbers = {row["file_name"]: n for n, row in enumerate(data["images"], start=1)}
    files = {row["id"]: numbers[row["file_name"]] for row in data["images"]}
    ids = {row["name"]: row["id"] for row in data["categories"]}
    rows = [
        [numbers[file], *box, score, ids[name]]
        for file, boxes in found.items()
        for name, box, score in boxes
        if name in ids
    ]
    truth = {
        "images": [{"id": n, "width": 1, "height": 1} for n in numbers.values()],
        "annotations": [
            row | {"id": n, "image_id": files[row["image_id"]]}
            for n, row in enumerate(data["annotations"], start=1)
        ],
        "categories": data["categories"],
    }
    return with_pycocotools(truth, np.array(rows), list(numbers.values()))


def read(dataset: Any, annotations: Path, run_plan: RunPlan) -> Coco:
    plan = dataset.plan(DataRequest(purpose="evaluate", annotations=annotations))
    data: Coco = json.loads(dataset.truth(run_plan(plan)).read_bytes())
    assert plan.of == 128
    return data


def most_different(data: Coco, official: Coco) -> float:
    """The largest difference of a coordinate, in pixels; boxes are in the same order."""
    ours, theirs = by_image(data), by_image(official)
    assert {f: [n for n, _ in rows] for f, rows in ours.items()} == {
        f: [n for n, _ in rows] for f, rows in theirs.items()
    }
    gaps = [
        np.abs(np.subtract(a, b)).max()
        for file, rows in ours.items()
        for (_, a), (_, b) in zip(rows, theirs[file], strict=True)
    ]
    return float(max(gaps))


@pytest.mark.parametrize(("digits", "pixels"), [(None, 1e-9), (6, 1e-3)])
def test_yolo_gives_cocos_figures(
    official: Coco, tmp_path: Path, run_plan: RunPlan, digits: int | None, pixels: float
) -> None:
    write_yolo(official, tmp_path, digits)
    data = read(YoloFolder(), tmp_path / "data.yaml", run_plan)
    assert most_different(data, official) < pixels
    # As in COCO: the images' numbers, and the 80 ids from 1 to 90.
    assert [row["id"] for row in data["images"]] == sorted(row["id"] for row in official["images"])
    assert {row["id"]: row["name"] for row in data["categories"]} == {
        row["id"]: row["name"] for row in official["categories"]
    }
    found = detections(official)
    expected, got = figures(official, found), figures(data, found)
    assert 0.2 < expected.stats[0] < 0.6
    assert np.abs(got.stats - expected.stats).max() < (1e-12 if digits is None else 2e-3)


@pytest.mark.parametrize(("dataset", "first"), [(VocFolder(), 1), (VocEdgesFolder(), 0)])
def test_voc_gives_cocos_figures(
    official: Coco, tmp_path: Path, run_plan: RunPlan, dataset: Any, first: int
) -> None:
    """Classes without an object are not known to VOC; their figures are undefined in both."""
    write_voc(official, tmp_path, first)
    data = read(dataset, tmp_path, run_plan)
    assert most_different(data, official) < 1e-9
    assert len(data["categories"]) == 78
    found = detections(official)
    expected, got = figures(official, found), figures(data, found)
    assert np.abs(got.stats - expected.stats).max() < 1e-12


def test_a_pixel_counts(official: Coco, tmp_path: Path, run_plan: RunPlan) -> None:
    """What is at stake: the same files read as of the other kind."""
    write_voc(official, tmp_path, 1)
    data = read(VocEdgesFolder(), tmp_path, run_plan)
    assert most_different(data, official) == pytest.approx(1)
    found = detections(official)
    gap = figures(data, found).stats[0] - figures(official, found).stats[0]
    assert 1e-3 < abs(gap) < 5e-2
