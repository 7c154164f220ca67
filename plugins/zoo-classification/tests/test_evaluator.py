"""Top-1 and top-5, truth by folders, files and pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_classification.evaluator import TopK

from zoo_core.api import Prediction, Sample
from zoo_core.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = ("apple", "sports ball", "kite", "clock", "donut", "pizza", "bottle")


def settled(*best: int) -> dict[str, Any]:
    """A prediction whose best classes are these, with falling scores."""
    scores = np.zeros(len(LABELS), np.float32)
    for place, label in enumerate(best):
        scores[label] = 0.5 / 2**place
    return dict(TopK().postprocess({"scores": scores}, {"keep": 5}))


def listed(rows: Sequence[tuple[str, dict[str, Any]]]) -> list[Prediction]:
    return [
        Prediction(sample=Sample(id=name, name=name, path=Path(name), size=(9, 9)), arrays=found)
        for name, found in rows
    ]


def folders(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).mkdir()
    return place


def test_the_best_and_the_best_five(tmp_path: Path) -> None:
    truth = folders(tmp_path, "apple", "sports_ball", "Kite")
    rows = [
        ("apple/a.png", settled(0, 1)),
        ("apple/b.png", settled(1, 2, 3, 0)),
        ("sports_ball/c.png", settled(1)),
        ("Kite/d.png", settled(6, 5, 4, 3, 1, 2)),
    ]
    metrics = TopK().score(listed(rows), truth, LABELS)

    assert metrics.values == {"top1": 0.5, "top5": 0.75}
    assert metrics.per_class["apple"] == {"top1": 0.5}
    assert metrics.per_class["kite"] == {"top1": 0.0}
    assert metrics.per_class["clock"] == {"top1": None}
    assert [line.split("=")[-1] for line in metrics.lines] == [" 0.5000", " 0.7500"]

    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 0, 0, 1]], np.float64)
    figures = TopK().reweighted(listed(rows), truth, LABELS, weights)
    assert figures["top1"].tolist() == [0.5, 0.75, 0.0]
    assert figures["top5"].tolist() == [0.75, 0.75, 0.0]
    np.testing.assert_array_equal(figures["top1/apple"], [0.5, 1.0, np.nan])


def test_no_images_are_undefined(tmp_path: Path) -> None:
    metrics = TopK().score(listed([]), folders(tmp_path, "apple"), LABELS)

    assert metrics.values == {"top1": None, "top5": None}


def test_no_prediction_at_all_is_wrong(tmp_path: Path) -> None:
    nothing = {"labels": np.zeros(0, np.int32), "scores": np.zeros(0, np.float32)}
    metrics = TopK().score(listed([("kite/a.png", nothing)]), folders(tmp_path, "kite"), LABELS)

    assert metrics.values == {"top1": 0.0, "top5": 0.0}


def test_folders_with_other_names_go_by_their_order(tmp_path: Path) -> None:
    """As ImageNet's, where there are as many as labels."""
    truth = folders(tmp_path, *(f"n{number:02d}" for number in range(7)))
    metrics = TopK().score(listed([("n03/a.png", settled(3))]), truth, LABELS)

    assert metrics.values["top1"] == 1.0


def test_a_file_states_the_order(tmp_path: Path) -> None:
    names = ["n6", "n2", "n9", "n1", "n4", "n7", "n5"]
    truth = tmp_path / "synsets.txt"
    truth.write_text("".join(f"{name} something, else\n" for name in names))
    metrics = TopK().score(listed([("n9/a.png", settled(2))]), truth, LABELS)

    assert metrics.values["top1"] == 1.0
    with pytest.raises(DataError, match="no class 'n3'"):
        TopK().score(listed([("n3/a.png", settled(2))]), truth, LABELS)


def test_folders_that_fit_no_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'n01' is none of the 7 labels.*--annotations"):
        TopK().score(listed([]), folders(tmp_path, "n01", "apple"), LABELS)


def test_a_file_of_other_length_is_refused(tmp_path: Path) -> None:
    truth = tmp_path / "synsets.txt"
    truth.write_text("n01\nn02\n")
    with pytest.raises(DataError, match="2 lines where there are 7 labels"):
        TopK().score(listed([]), truth, LABELS)


def test_settling_is_pure_and_equal_scores_go_by_label() -> None:
    scores = np.array([0.1, 0.2, 0.2, 0.1, 0.1, 0.2, 0.1], np.float32)
    scores.setflags(write=False)
    found = TopK().postprocess({"scores": scores}, {"keep": 6})

    assert found["labels"].tolist() == [1, 2, 5, 0, 3, 4]
    assert found["labels"].dtype == np.int32
    np.testing.assert_array_equal(found["scores"], scores[found["labels"]])


@pytest.mark.parametrize("values", [{}, {"keep": 5}, {"keep": 10}])
def test_its_own_values_are_accepted(values: dict[str, Any]) -> None:
    TopK().check(values)
    assert TopK().floor(values) == 0.0


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"conf": 0.25}, "unknown 'conf'"),
        ({"kep": 5}, "did you mean 'keep'"),
        ({"keep": 4}, "at least 5"),
        ({"keep": "5"}, "at least 5"),
    ],
)
def test_other_values_are_refused(values: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        TopK().check(values)


def test_predictions_are_written_as_csv_and_json(tmp_path: Path) -> None:
    rows = [("apple/a.png", settled(1, 0)), ("kite/b.png", settled(2))]
    TopK().write(listed(rows), LABELS, tmp_path)

    with (tmp_path / "predictions.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["label"] for line in lines] == ["sports ball", "kite"]
    assert lines[0] == {
        "image": "apple/a.png", "class": "1", "label": "sports ball", "score": "0.500000",
    }  # fmt: skip
    (first, _) = json.loads((tmp_path / "predictions.json").read_text())
    assert first["image_id"] == "apple/a.png"
    assert [row["label"] for row in first["classes"][:2]] == ["sports ball", "apple"]
    assert len(first["classes"]) == 5


def test_nothing_to_write_is_an_empty_list(tmp_path: Path) -> None:
    TopK().write(listed([]), LABELS, tmp_path)

    assert json.loads((tmp_path / "predictions.json").read_text()) == []


def test_the_label_is_drawn_on_a_copy() -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    drawn = TopK().draw(image, settled(1), LABELS, 0.25)

    assert (image == 90).all()
    assert drawn.shape == image.shape
    assert (drawn != image).any()
    np.testing.assert_array_equal(TopK().draw(image, settled(1), LABELS, 0.9), image)


def test_it_tells_what_it_is_sure_of() -> None:
    assert TopK().describe(settled(1, 0), LABELS, 0.2) == "sports ball 0.50, apple 0.25"
    assert TopK().describe(settled(1, 0), LABELS, 0.9) == "nothing sure"
