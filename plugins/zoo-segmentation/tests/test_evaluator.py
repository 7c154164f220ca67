"""The figures are those of a count by hand; masks are read as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from zoo_segmentation.evaluator import MeanIou
from zoo_segmentation.masks import read_mask, write_mask
from zoo_segmentation.png_masks import PngMasks

from zoo_core.api import DataRequest, Prediction, Sample
from zoo_core.errors import DataError, UsageError
from zoo_core.vision import write_image

LABELS = ("sky", "road", "car", "tree")
SIZE = (30, 40)


def predictions(maps: Any, ignore: int = 255, first: int = 0) -> Any:
    rule = np.array([ignore, first])
    return [
        Prediction(
            sample=Sample(id=n, name=f"{n}.jpg", path=Path(f"{n}.jpg"), size=SIZE),
            arrays={"classes": one, "rule": rule},
        )
        for n, one in enumerate(maps)
    ]


def truth(folder: Path, masks: Any) -> Path:
    for number, mask in enumerate(masks):
        write_mask(folder / f"{number}.png", mask)
    return folder


def by_hand(masks: Any, maps: Any, classes: int) -> list[float | None]:
    """Intersection over union, class by class, without a table."""
    true, found = (
        np.concatenate([m.ravel() for m in masks]),
        np.concatenate([m.ravel() for m in maps]),
    )
    true, found = true[true != 255], found[true != 255]
    return [
        np.sum((true == k) & (found == k)) / np.sum((true == k) | (found == k))
        if (true == k).any()
        else None
        for k in range(classes)
    ]


def test_figures_are_those_of_a_count_by_hand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 3, (4, *SIZE)).astype(np.uint8)
    masks[rng.random(masks.shape) < 0.2] = 255
    maps = np.where(rng.random(masks.shape) < 0.6, masks, rng.integers(0, 4, masks.shape))
    maps = np.where(maps == 255, 3, maps).astype(np.uint8)
    found = MeanIou().score(predictions(maps), truth(tmp_path, masks), LABELS)

    ious = by_hand(masks, maps, 4)
    assert [found.per_class[name]["IoU"] for name in LABELS] == ious
    assert ious[3] is None and found.per_class["tree"] == {"IoU": None, "accuracy": None}
    assert found.values["mIoU"] == pytest.approx(np.mean([v for v in ious if v is not None]))
    right = (masks == maps)[masks != 255]
    assert found.values["pixel_accuracy"] == pytest.approx(right.mean())
    recalls = [np.mean(maps[masks == k] == k) for k in range(3)]
    assert found.values["mean_accuracy"] == pytest.approx(np.mean(recalls))
    taken = int((maps[masks != 255] == 3).sum())
    assert found.warnings == (
        "1 of 4 classes are in no mask (tree): they are not in the means; "
        f"{taken} pixels were taken for them",
    )
    assert found.lines[0].startswith(" Mean IoU       @[ images = 4 | classes = 3 ] = 0.")


def test_images_can_be_weighed_anew(tmp_path: Path) -> None:
    """Two of the second and none of the first is the figure of such a set."""
    rng = np.random.default_rng(1)
    masks = rng.integers(0, 3, (3, *SIZE)).astype(np.uint8)
    masks[0, :5] = 3
    maps = np.where(rng.random(masks.shape) < 0.6, masks, rng.integers(0, 4, masks.shape))
    rows = predictions(maps.astype(np.uint8))
    truth(tmp_path, masks)
    evaluator = MeanIou()
    weights = np.array([[1.0, 1, 1], [0, 2, 1], [0, 0, 0]])
    found = evaluator.reweighted(rows, tmp_path, LABELS, weights)
    for row, chosen in enumerate((rows, [rows[1], rows[1], rows[2]])):
        wanted = evaluator.score(chosen, tmp_path, LABELS)
        for name, value in wanted.values.items():
            assert found[name][row] == pytest.approx(value)
        for label, figures in wanted.per_class.items():
            for name, value in figures.items():
                told = found[f"{name}/{label}"][row]
                assert np.isnan(told) if value is None else told == pytest.approx(value)
    assert np.isnan(found["mIoU"][2]) and np.isnan(found["pixel_accuracy"][2])


def test_numbers_may_begin_at_one(tmp_path: Path) -> None:
    """As ADE20K's, where 0 is what does not count."""
    masks = np.array([[[0, 1, 2], [3, 4, 0]]], np.uint8)
    maps = np.array([[[3, 0, 1], [2, 3, 1]]], np.uint8)
    settled = MeanIou().postprocess({"classes": maps[0]}, {"ignore": 255, "first": 1})
    assert settled["rule"].tolist() == [255, 1]
    found = MeanIou().score(predictions(maps, first=1), truth(tmp_path, masks), LABELS)
    assert found.values == {"mIoU": 1.0, "pixel_accuracy": 1.0, "mean_accuracy": 1.0}
    MeanIou().write(predictions(maps, first=1), LABELS, tmp_path / "out")
    assert read_mask(tmp_path / "out" / "masks" / "0.png").tolist() == (maps[0] + 1).tolist()


def test_labels_that_a_mask_cannot_hold_are_refused(tmp_path: Path) -> None:
    """A label whose value does not count would be silently without pixels, and 65536 wraps to 0."""
    maps = np.full((1, *SIZE), 299, np.uint16)
    masks = truth(tmp_path, maps)
    many = [f"label {number}" for number in range(300)]
    for rule, count, what in (
        ({}, 256, "256 labels have the values 0 to 255 of a mask, of which 255 does not count"),
        ({}, 300, "of which 255 does not count"),
        ({"ignore": 1, "first": 0}, 300, "of which 1 does not count"),
        ({"ignore": 0, "first": 65500}, 300, "values 65500 to 65799 of a mask, 65535 is the last"),
    ):
        rows, labels = predictions(maps, **rule), many[:count]
        with pytest.raises(DataError, match=what) as caught:
            MeanIou().score(rows, masks, labels)
        assert caught.value.next.startswith("write a protocol with another ignore")
        if "is the last" in what:
            with pytest.raises(DataError, match=what):
                MeanIou().write(rows, labels, tmp_path / "out")
    wide = predictions(maps, ignore=300)
    assert MeanIou().score(wide, masks, many).values["mIoU"] == 1.0
    MeanIou().write(wide, many, tmp_path / "out")
    assert (read_mask(tmp_path / "out" / "masks" / "0.png") == 299).all()
    background = predictions(np.zeros((1, *SIZE), np.uint8), ignore=0)
    assert MeanIou().score(background, masks, many).values["mIoU"] == 0.0


def test_masks_without_a_pixel_that_counts(tmp_path: Path) -> None:
    masks = np.full((1, *SIZE), 255, np.uint8)
    found = MeanIou().score(predictions(masks * 0), truth(tmp_path, masks), LABELS)
    assert set(found.values.values()) == {None}
    assert found.warnings == ("no pixel of the masks counts: the figures are undefined",)


def test_one_class_everywhere_is_told(tmp_path: Path) -> None:
    masks = np.zeros((1, *SIZE), np.uint8)
    masks[0, :4] = 1
    found = MeanIou().score(predictions(masks * 0), truth(tmp_path, masks), LABELS[:2])
    assert "every pixel was taken for 'sky'" in found.warnings[0]


def test_what_does_not_fit_is_an_error(tmp_path: Path) -> None:
    maps = np.zeros((1, *SIZE), np.uint8)
    with pytest.raises(DataError, match="no such mask"):
        MeanIou().score(predictions(maps), tmp_path, LABELS)
    truth(tmp_path, np.zeros((1, 40, 30), np.uint8))
    with pytest.raises(DataError, match=r"is 30x40, but image 0\.jpg is 40x30"):
        MeanIou().score(predictions(maps), tmp_path, LABELS)
    truth(tmp_path, np.full((1, *SIZE), 9, np.uint8))
    with pytest.raises(DataError, match="has the value 9, but there are 4 labels: 0 to 3, and 255"):
        MeanIou().score(predictions(maps), tmp_path, LABELS)


@pytest.mark.parametrize("values", [{"ignore": -1}, {"first": 1.0}, {"conf": 0.5}])
def test_values_are_checked(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        MeanIou().check(values)


def test_more_than_256_classes_are_written_in_16_bits(tmp_path: Path) -> None:
    labels = [f"class {n}" for n in range(300)]
    maps = np.arange(1200, dtype=np.uint16).reshape(1, *SIZE) % 300
    MeanIou().write(predictions(maps), labels, tmp_path)
    found = MeanIou().score(predictions(maps, ignore=300), tmp_path / "masks", labels)
    assert found.values["mIoU"] == 1.0


def test_palette_and_grey_masks_are_read_alike(tmp_path: Path) -> None:
    values = np.array([[0, 7], [255, 3]], np.uint8)
    write_mask(tmp_path / "palette.png", values)
    Image.fromarray(values).save(tmp_path / "grey.png")
    with Image.open(tmp_path / "palette.png") as picture:
        assert picture.mode == "P"
    for name in ("palette.png", "grey.png"):
        assert read_mask(tmp_path / name).tolist() == values.tolist()


def test_other_files_are_no_masks(tmp_path: Path) -> None:
    write_image(tmp_path / "colours.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"is a PNG of colours \(RGB\)"):
        read_mask(tmp_path / "colours.png")
    write_image(tmp_path / "photo.bmp", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "photo.bmp").rename(tmp_path / "photo.png")
    with pytest.raises(DataError, match="cannot be read as a PNG"):
        read_mask(tmp_path / "photo.png")


def test_a_picture_shows_classes_and_names_them() -> None:
    image = np.full((200, 300, 3), 90, np.uint8)
    classes = np.zeros((200, 300), np.uint8)
    classes[150:, 200:] = 2
    before = image.copy()
    drawn = MeanIou().draw(image, {"classes": classes}, LABELS, 0.5)
    assert np.array_equal(image, before)
    assert (drawn[160, 250] != 90).any() and (drawn[120, 100] == 90).all()
    assert (drawn[:20, :60] != 90).any()
    assert MeanIou().describe({"classes": classes}, LABELS, 0.5) == "sky 92%, car 8%"


def asked(images: Path, masks: Path | None) -> DataRequest:
    return DataRequest(purpose="evaluate", images=images, annotations=masks)


def test_images_without_a_mask_are_told(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "images").mkdir(exist_ok=True)
        write_image(tmp_path / "images" / name, np.zeros((4, 4, 3), np.uint8))
    for name in ("a.png", "c.png", "x.png"):
        write_mask(tmp_path / "masks" / name, np.zeros((4, 4), np.uint8))
    plan = PngMasks().plan(asked(tmp_path / "images", tmp_path / "masks"))
    assert plan.count == plan.of == 2
    assert plan.warnings == (
        "1 of 3 images have no mask and are left out: b.jpg",
        "1 of 3 masks have no image: x.png",
    )
    assert PngMasks().reads(tmp_path / "masks") and not PngMasks().reads(tmp_path / "images")

    write_image(tmp_path / "images" / "a.bmp", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"masks of more than one image: a\.png"):
        PngMasks().plan(asked(tmp_path / "images", tmp_path / "masks"))


def test_images_and_masks_may_share_a_folder(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", np.zeros((4, 4, 3), np.uint8))
    write_mask(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    assert PngMasks().plan(asked(tmp_path, tmp_path)).count == 1


def test_folders_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        PngMasks().plan(asked(tmp_path / "images", tmp_path / "masks"))
    write_image(tmp_path / "images" / "a.jpg", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"holds no \.png file"):
        PngMasks().plan(asked(tmp_path / "images", tmp_path / "masks"))
    write_mask(tmp_path / "masks" / "b.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"no mask of any of the 1 images: 'a\.jpg' needs 'a\.png'"):
        PngMasks().plan(asked(tmp_path / "images", tmp_path / "masks"))
    with pytest.raises(DataError, match="no such folder"):
        PngMasks().plan(asked(tmp_path / "images", tmp_path / "other"))
