from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner
from zoo_vastai.cli.app import application, main
from zoo_vastai.files.datalist import read_datalist
from zoo_vastai.files.text import read_texts

from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.image_files import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("000000000139.jpg", "street.png", "a jpg of.jpg", "deep/0002.JPEG")
CATEGORIES = {1: "person", 4: "motorcycle", 13: "stop sign", 64: "potted plant"}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Ids that are numbers and names; one box of 40 x 30 an image."""
    ids: list[Any] = [139, "street", 7, 2]
    data = {
        "images": [
            {"id": number, "file_name": name, "height": 100, "width": 120}
            for number, name in zip(ids, NAMES, strict=True)
        ],
        "categories": [{"id": number, "name": name} for number, name in CATEGORIES.items()],
        "annotations": [
            {
                "id": row,
                "image_id": number,
                "category_id": list(CATEGORIES)[row],
                "bbox": [10, 20, 40, 30],
                "area": 1200,
                "iscrowd": 0,
            }
            for row, number in enumerate(ids)
        ],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """As the vendor's scripts name them: `jpg` replaced wherever it stands, else unchanged."""
    folder = tmp_path / "texts"
    folder.mkdir()
    lines = {
        "000000000139.txt": "person 0.9 10 20 50 50\n",
        "street.png": "motorbike 0.8 10 20 50 50 \n",
        "a txt of.txt": "stop sign 0.7 10.0 20.0 50.0 50.0\nperson 0.1 0 0 9 9\n",
        "0002.txt": "pottedplant 0.6 10 20 50 50\n\n",
    }
    for name, text in lines.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "pred.json").write_text("[]", encoding="utf-8")
    return folder


def test_texts_find_their_image_and_label(texts: Path, truth: Path) -> None:
    results = read_texts(texts, truth)
    assert results.of == 4
    assert results.labels == tuple(CATEGORIES.values())
    assert [item.sample.id for item in results.predictions] == [139, "street", 7, 2]
    found = [item.arrays["labels"].tolist() for item in results.predictions]
    assert found == [[0], [1], [2, 0], [3]]
    third = results.predictions[2].arrays
    assert third["boxes"].tolist() == [[10, 20, 50, 50], [0, 0, 9, 9]]
    assert third["scores"].dtype == np.float32


def evaluated(*arguments: str) -> Any:
    result = CliRunner().invoke(application(), ["txt", *arguments, "--json"])
    assert result.exception is None, result.output
    return json.loads(result.stdout)


def test_what_the_scripts_found_is_scored(texts: Path, truth: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "folder"
    report = evaluated(str(texts), "--annotations", str(truth), "--output", str(output))
    assert report["images"] == 4
    assert report["subset"] is None
    assert report["metrics"]["AP"] == pytest.approx(1.0)
    rows = json.loads((output / "predictions.json").read_text(encoding="utf-8"))
    assert [(row["image_id"], row["category_id"]) for row in rows] == [
        (139, 1),
        ("street", 4),
        (7, 13),
        (7, 1),
        (2, 64),
    ]
    assert rows[0]["bbox"] == [10, 20, 40, 30]
    again = read_texts(output / "txt", truth)
    first = read_texts(texts, truth)
    for one, other in zip(first.predictions, again.predictions, strict=True):
        for name, array in one.arrays.items():
            assert np.array_equal(array, other.arrays[name])


def test_nothing_found_scores_nothing(texts: Path, truth: Path) -> None:
    for path in texts.iterdir():
        path.write_text("", encoding="utf-8")
    report = evaluated(str(texts), "--annotations", str(truth))
    assert report["metrics"]["AP"] == 0.0
    assert report["metrics"]["AR100"] == 0.0


def test_images_without_a_text(texts: Path, truth: Path) -> None:
    (texts / "street.png").unlink()
    with pytest.raises(DataError, match=r"1 of 4 images have no text: street\.png; choose"):
        read_texts(texts, truth)
    skipped = evaluated(str(texts), "--annotations", str(truth), "--missing", "skip")
    assert (skipped["images"], skipped["subset"]) == (3, {"of": 4})
    assert skipped["metrics"]["AP"] == pytest.approx(1.0)
    empty = evaluated(str(texts), "--annotations", str(truth), "--missing", "empty")
    assert (empty["images"], empty["subset"]) == (4, None)
    assert empty["metrics"]["AP"] == pytest.approx(0.75)
    with pytest.raises(UsageError, match="did you mean 'skip'"):
        read_texts(texts, truth, "skp")
    for path in texts.iterdir():
        path.unlink()
    for missing in ("skip", "empty"):
        with pytest.raises(DataError, match="4 of 4 images have no text"):
            read_texts(texts, truth, missing)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("999.txt", "", r"1 texts belong to no annotated image: 999\.txt"),
        ("street.txt", "", r"1 texts belong to no annotated image: street\.png"),
        (
            "0002.txt",
            "persn 0.5 1 2 3 4\n",
            "label 'persn' is not a category; did you mean 'person'",
        ),
        ("0002.txt", "person 0.5 1 2 3\n", r"0002\.txt:1: 'person 0\.5 1 2 3' is not a line"),
        ("0002.txt", "person 0.5 1 2 3 nan\n", "is not a line"),
    ],
)
def test_what_does_not_fit_is_named(
    texts: Path, truth: Path, name: str, text: str, message: str
) -> None:
    (texts / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_texts(texts, truth)


def test_two_images_never_share_a_text(texts: Path, truth: Path) -> None:
    data = json.loads(truth.read_text(encoding="utf-8"))
    data["images"].append({"id": 99, "file_name": "other/0002.png"})
    truth.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(DataError, match=r"may be of deep/0002\.JPEG or of other/0002\.png"):
        read_texts(texts, truth)
    (texts / "0002.txt").unlink()
    (texts / "0002.JPEG.txt").write_text("", encoding="utf-8")
    (texts / "0002.png.txt").write_text("person 0.5 1 2 3 4", encoding="utf-8")
    found = read_texts(texts, truth).predictions
    assert [len(item.arrays["scores"]) for item in found] == [1, 1, 2, 0, 1]


def test_two_images_of_one_name_stay_two(texts: Path, truth: Path) -> None:
    data = json.loads(truth.read_text(encoding="utf-8"))
    data["images"].append({"id": 99, "file_name": "street.png"})
    truth.write_text(json.dumps(data), encoding="utf-8")
    told = r"may be of image 'street' or of image 99, which are both named street\.png"
    with pytest.raises(DataError, match=told):
        read_texts(texts, truth)
    (texts / "street.png").unlink()
    results = read_texts(texts, truth, "empty")
    assert results.of == 5
    assert [item.sample.id for item in results.predictions] == [139, "street", 7, 2, 99]


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_a_text_may_have_the_name_of_any_image(texts: Path, truth: Path, suffix: str) -> None:
    data = json.loads(truth.read_text(encoding="utf-8"))
    data["images"].append({"id": 99, "file_name": f"drawn{suffix}"})
    truth.write_text(json.dumps(data), encoding="utf-8")
    name = f"drawn{suffix}".replace("jpg", "txt")
    (texts / name).write_text("person 0.5 1 2 3 4\n", encoding="utf-8")
    assert len(read_texts(texts, truth).predictions[-1].arrays["scores"]) == 1


def test_a_picture_is_no_text(texts: Path, truth: Path) -> None:
    cv2.imwrite(str(texts / "drawn.png"), np.zeros((9, 9, 3), np.uint8))
    cv2.imwrite(str(texts / "drawn.jpg"), np.zeros((9, 9, 3), np.uint8))
    assert len(read_texts(texts, truth).predictions) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": [{"id": 1, "name": "tv"}, {"id": 1, "name": "car"}]}, "listed twice"),
        ({"images": [{"id": 1, "file_name": "../a.jpg"}]}, "leads out of the images' folder"),
        ({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}, "listed twice"),
        ({"images": [{"id": 1, "file_name": "a", "height": 5}]}, "height 5, width missing"),
        ({"annotations": [{"image_id": 139, "category_id": 1}]}, "not four numbers"),
    ],
)
def test_annotations_are_checked_as_everywhere(
    texts: Path, truth: Path, changes: dict[str, Any], message: str
) -> None:
    data = json.loads(truth.read_text(encoding="utf-8"))
    truth.write_text(json.dumps({**data, "annotations": [], **changes}), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_texts(texts, truth)
    assert caught.value.where == str(truth)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"images": [{}]}', '{"images": [], "categories": []}']
)
def test_annotations_are_checked(texts: Path, truth: Path, content: str) -> None:
    truth.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"truth\.json"):
        read_texts(texts, truth)


def test_the_commands_exit_as_the_contract_says(
    texts: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["txt", str(texts), "--annotations", str(truth)]) == 0
    shown = capsys.readouterr()
    assert "Average Precision" in shown.out
    assert shown.err == "4 images\n"
    assert main(["txt", str(texts), "--annotations", str(tmp_path / "none.json")]) == 6
    assert main(["txt", str(texts), "--annotations", str(truth), "--missing", "x"]) == 2
    assert main(["txt", str(texts), "--annotations", str(truth), "--output", str(texts)]) == 6
    assert "name a folder that is not there yet" in capsys.readouterr().err
    assert main(["txt", str(texts), "--annotations", str(truth), "--evaluator", "no"]) == 2
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "x.png"), np.zeros((9, 9, 3), np.uint8))
    where = ["--output", str(tmp_path / "npz"), "--datalist", str(tmp_path / "list.txt")]
    assert main(["npz", str(pictures), *where]) == 0
    assert read_datalist(tmp_path / "list.txt").lines == (str(tmp_path / "npz" / "x.npz"),)
    assert main(["npz", str(tmp_path / "none"), *where]) == 6
    assert main(["npz", str(pictures)]) == 2
