"""Images that EXIF turns: their boxes are scored in the frame in which the network sees them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from zoo_coco.coco_folder import CocoFolder

from zoo_core.api import DataPlan, DataRequest, DataView
from zoo_core.errors import DataError
from zoo_core.vision import read_rgb

BOX = (44, 3, 13, 20)
"""x, y, width, height of a white area in a picture of 60 x 40 pixels, as it is shown."""

STORING = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes the stored picture of the shown one, for each EXIF orientation."""

RunPlan = Callable[[DataPlan], DataView]


def white(pixels: np.ndarray[Any, Any]) -> list[float]:
    """x, y, width, height of the white area."""
    rows, columns = np.nonzero(pixels.min(axis=2) > 200)
    left, top = columns.min(), rows.min()
    return [left, top, columns.max() + 1 - left, rows.max() + 1 - top]


def photo(path: Path, orientation: int, shade: int) -> np.ndarray[Any, Any]:
    """Writes the picture; returns the stored pixels."""
    shown = np.full((40, 60, 3), shade, np.uint8)
    x, y, width, height = BOX
    shown[y : y + height, x : x + width] = 255
    image, turn = Image.fromarray(shown), STORING[orientation]
    stored = image if turn is None else image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(exist_ok=True)
    stored.save(path, exif=exif)
    return np.asarray(stored)


@pytest.fixture
def album(tmp_path: Path) -> Callable[..., DataRequest]:
    """Images of these orientations, with boxes and sides of the frames that are named."""

    def make(
        orientations: Sequence[int], boxes: str, sides: str | None, exif: bool = True
    ) -> DataRequest:
        images, annotations = [], []
        for number, orientation in enumerate(orientations):
            name = f"{number}.png"
            stored = photo(tmp_path / "images" / name, orientation, number)
            height, width = stored.shape[:2] if sides == "stored" else (40, 60)
            box = [float(v) for v in (white(stored) if boxes == "stored" else BOX)]
            stated = {"height": height, "width": width} if sides else {}
            images.append({"id": number, "file_name": name, **stated})
            annotations.append(
                {"id": number + 1, "image_id": number, "category_id": 1, "bbox": box}
            )
        categories = [{"id": 1, "name": "person"}]
        data = {"images": images, "annotations": annotations, "categories": categories}
        truth = tmp_path / "truth.json"
        truth.write_text(json.dumps(data))
        return DataRequest(
            purpose="evaluate", images=tmp_path / "images", annotations=truth, exif=exif
        )

    return make


def check(request: DataRequest, run_plan: RunPlan, exif: bool = True) -> DataPlan:
    """Each box is where the white area is in the image as the network gets it."""
    plan = CocoFolder().plan(request)
    view = run_plan(plan)
    samples = list(CocoFolder().samples(view, 0, plan.count))
    truth = json.loads(CocoFolder().truth(view).read_text())
    boxes = {row["image_id"]: row["bbox"] for row in truth["annotations"]}
    assert len(samples) == len(boxes) == plan.count
    for sample in samples:
        pixels = read_rgb(sample.path, expect=sample.size, exif=exif)
        assert boxes[sample.id] == white(pixels), sample.name
    return plan


@pytest.mark.parametrize("exif", [True, False])
@pytest.mark.parametrize("sides", ["stored", "shown", None])
@pytest.mark.parametrize("boxes", ["stored", "shown"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_and_images_are_of_one_frame(
    album: Any, run_plan: RunPlan, orientation: int, boxes: str, sides: str | None, exif: bool
) -> None:
    plan = check(album([orientation, 1, 6, 8], boxes, sides, exif), run_plan, exif)
    target = "shown" if exif else "stored"
    told = boxes == target and sides in (target, None)
    assert len(plan.warnings) == (0 if told else 1)
    if not told:
        turned = "EXIF turns 3 of 4 images (0.png, 2.png, 3.png): they are read"
        assert plan.warnings[0].startswith(turned)


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_half_turns_follow_the_quarter_turns_of_their_set(
    album: Any, run_plan: RunPlan, orientation: int
) -> None:
    check(album([orientation, 6], "stored", "stored"), run_plan)
    check(album([orientation, 6], "shown", "stored"), run_plan)
    check(album([orientation, 6], "shown", "shown"), run_plan)
    (told,) = check(album([orientation, 1], "shown", "shown"), run_plan).warnings
    assert told.startswith("EXIF turns 1 of 2 images (0.png): nothing tells whether their boxes")


def test_sides_of_neither_frame_are_refused_while_planning(album: Any) -> None:
    request = album([1, 6, 1], "shown", "shown")
    data = json.loads(request.annotations.read_text())
    for row in data["images"][1:]:
        row["width"] = 61
    request.annotations.write_text(json.dumps(data))
    told = r"1\.png: is 60x40, but its annotation says 61x40, and differs for 2 of 3 images; use"
    with pytest.raises(DataError, match=told):
        CocoFolder().plan(request)


def test_boxes_in_fractions_are_told(album: Any) -> None:
    request = album([1, 1], "shown", "shown")
    data = json.loads(request.annotations.read_text())
    for row in data["annotations"]:
        x, y, width, height = row["bbox"]
        row["bbox"] = [x / 60, y / 40, width / 60, height / 40]
    request.annotations.write_text(json.dumps(data))
    (told,) = CocoFolder().plan(request).warnings
    assert told.startswith("all 2 boxes end within the first pixel of their image")
    data["annotations"][0]["bbox"] = [0, 0, 3, 3]
    request.annotations.write_text(json.dumps(data))
    assert CocoFolder().plan(request).warnings == ()


def test_a_plan_without_turned_images_has_no_stage(album: Any, run_plan: RunPlan) -> None:
    plan = check(album([1, 1], "shown", "shown"), run_plan)
    assert plan.stages == ()
    assert plan.inputs == {}


def test_one_box_that_is_wrong_decides_nothing(album: Any, run_plan: RunPlan) -> None:
    """The boxes of all images are counted, and one that leaves its image is reported."""
    request = album([6] * 8, "shown", "shown")
    data = json.loads(request.annotations.read_text())
    data["annotations"].append(
        {"id": 99, "image_id": 3, "category_id": 1, "bbox": [5.0, 5.0, 20.0, 50.0]}
    )
    request.annotations.write_text(json.dumps(data))
    (told,) = CocoFolder().plan(request).warnings
    assert told.startswith(
        "boxes that reach beyond their image by more than a pixel: 1, of 1 images (3.png);"
    )


@pytest.mark.parametrize(
    ("box", "beyond"),
    [
        ([0, 0, 60, 40], False),
        ([0, 0, 61, 41], False),
        ([0, 0, 61.5, 40], True),
        ([0, 0, 10, 42], True),
        ([-1, -1, 10, 10], False),
        ([-2, 0, 10, 10], True),
    ],
)
def test_boxes_beyond_the_image_are_counted(album: Any, box: list[float], beyond: bool) -> None:
    request = album([1, 1, 1], "shown", "shown")
    data = json.loads(request.annotations.read_text())
    data["annotations"][1]["bbox"] = box
    request.annotations.write_text(json.dumps(data))
    told = CocoFolder().plan(request).warnings
    assert len(told) == beyond
    if beyond:
        assert ": 1, of 1 images (1.png); " in told[0]


def test_another_annotation_than_planned_is_refused(album: Any, run_plan: RunPlan) -> None:
    request = album([6, 6], "stored", "stored")
    plan = CocoFolder().plan(request)
    request.annotations.write_text(request.annotations.read_text() + "\n")
    with pytest.raises(Exception, match=r"truth\.json: has changed since planning"):
        run_plan(plan)


@pytest.mark.slow
@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is not set")
@pytest.mark.parametrize("boxes", ["stored", "shown"])
@pytest.mark.parametrize("sides", ["stored", "shown", None])
def test_real_photos_score_the_same_however_they_are_stored(
    zoo: Any, tmp_path: Path, boxes: str, sides: str | None
) -> None:
    """The figure of these 16 images upright, known from OpenCV's reading and pycocotools."""
    root = Path(os.environ["ZOO_TEST_DATA"])
    place = root / "coco-val2017-128"
    data = json.loads((place / "instances.json").read_text())
    images = sorted(data["images"], key=lambda row: row["id"])[:16]
    widths = {row["id"]: row["width"] for row in images}
    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for row in images:
        with Image.open(place / "images" / row["file_name"]) as image:
            turned = image.convert("RGB").transpose(Image.Transpose.ROTATE_90)
        target = tmp_path / "images" / row["file_name"]
        turned.save(target, quality=97, subsampling=0, exif=exif)
        height, width = row.pop("height"), row.pop("width")
        if sides:
            row["height"], row["width"] = (width, height) if sides == "stored" else (height, width)
    data["images"] = images
    data["annotations"] = [row for row in data["annotations"] if row["image_id"] in widths]
    for row in data["annotations"]:
        x, y, width, height = row["bbox"]
        if boxes == "stored":
            row["bbox"] = [y, widths[row["image_id"]] - x - width, height, width]
    (tmp_path / "truth.json").write_text(json.dumps(data))
    net = root / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl"
    own = ("--weights", f"{net}.weights", "--cfg", f"{net}.cfg")
    given = ("--images", "images", "--annotations", "truth.json")
    done = zoo("eval", "yolo-fastest-1.1-xl-darknet", *own, *given, "--json", "-")
    assert done.code == 0, done.stderr
    assert done.json["metrics"]["AP"] == pytest.approx(0.2447, abs=5e-4)
