"""The sample scenes: fixed by their seed, labelled by what can be seen, written whole."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from zoo_sample.draws import Draws
from zoo_sample.files import split_seeds, write_coco
from zoo_sample.scenes import LARGEST, SPLITS, draw_scene
from zoo_sample.sprites import DRAWINGS, draw_sprite

from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.coco import COCO_IDS, COCO_NAMES
from zoo_core.toolkit.detection.masks import decode

if TYPE_CHECKING:
    from pathlib import Path

EVALUATION = SPLITS["evaluation"]
TRUTH_SHA256 = "2873011d10771b7002ddcef53ba1353d40a42a67c7173aa1d0bb29e0a4a38f47"
FIRST_DRAWS = [692, 655, 120, 522]


def test_scene_depends_on_its_seed_alone() -> None:
    threads = cv2.getNumThreads()
    first, boxes, labels = draw_scene(EVALUATION[3], 192)
    draw_scene(EVALUATION[4], 192)
    try:
        cv2.setNumThreads(1)
        again, same_boxes, same_labels = draw_scene(EVALUATION[3], 192)
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(first, again)
    assert np.array_equal(boxes, same_boxes)
    assert np.array_equal(labels, same_labels)
    assert not np.array_equal(first, draw_scene(EVALUATION[5], 192)[0])


def test_truth_is_the_one_that_the_sample_was_trained_with() -> None:
    digest = hashlib.sha256()
    for seed in EVALUATION[:20]:
        _, boxes, labels = draw_scene(seed, 416)
        digest.update(boxes.astype("<f4").tobytes() + labels.astype("<i8").tobytes())
    assert digest.hexdigest() == TRUTH_SHA256


@pytest.mark.parametrize("size", [416, (96, 160), (64, 32)])
def test_scene_has_the_size_and_boxes_inside_it(size: int | tuple[int, int]) -> None:
    height, width = (size, size) if isinstance(size, int) else size
    for seed in SPLITS["train"][:6]:
        image, boxes, labels = draw_scene(seed, size)
        assert image.shape == (height, width, 3)
        assert image.dtype == np.uint8
        assert boxes.shape == (len(labels), 4)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= [width, height]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert set(labels.tolist()) <= {index for index, _, _ in DRAWINGS}


def _white(kind: int, draws: Draws) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    image, mask = draw_sprite(kind, draws)
    return np.full_like(image, 255), mask


def _black(height: int, width: int, _: Draws) -> np.ndarray[Any, Any]:
    return np.zeros((height, width, 3), np.uint8)


def test_boxes_are_the_visible_extents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_sample.scenes.draw_sprite", _white)
    monkeypatch.setattr("zoo_sample.scenes.draw_ground", _black)
    monkeypatch.setattr("zoo_sample.scenes.weather", lambda image, _: image)
    monkeypatch.setattr(
        "zoo_sample.scenes.draw_bars", lambda h, w, d: (_black(h, w, d), _black(h, w, d)[..., 0])
    )
    for seed in EVALUATION[:12]:
        image, boxes, _ = draw_scene(seed, 256)
        seen = image[..., 0] >= 127
        outside = seen.copy()
        for x1, y1, x2, y2 in boxes.astype(int).tolist():
            outside[y1:y2, x1:x2] = False
            part = seen[y1:y2, x1:x2]
            sides = (part[0], part[-1], part[:, 0], part[:, -1])
            assert all(side.any() for side in sides)
        assert outside.sum() <= 0.001 * seen.sum()


def test_scenes_vary() -> None:
    counts, sizes, kinds = set(), [], set()
    for seed in EVALUATION[:60]:
        _, boxes, labels = draw_scene(seed, 416)
        counts.add(len(labels))
        kinds |= set(labels.tolist())
        sizes += (boxes[:, 2:] - boxes[:, :2]).max(1).tolist()
    assert kinds == {index for index, _, _ in DRAWINGS}
    assert len(kinds) >= 12
    assert len(counts) >= 6
    assert min(sizes) < 32
    assert max(sizes) > 0.8 * LARGEST


@pytest.mark.parametrize("kind", range(len(DRAWINGS)))
def test_each_sprite_fills_its_picture(kind: int) -> None:
    image, mask = draw_sprite(kind, Draws(kind))
    assert image.shape == (*mask.shape, 3)
    assert mask.any(0).all() and mask.any(1).all()
    assert 0.2 < mask.mean() <= 1
    assert image[mask > 0].std() > 10


def test_splits_are_disjoint() -> None:
    names = sorted(SPLITS)
    pairs = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    assert len(pairs) == 3
    for a, b in pairs:
        assert SPLITS[a].stop <= SPLITS[b].start or SPLITS[b].stop <= SPLITS[a].start


def mask_of(row: Any) -> Any:
    return decode(np.array(row["segmentation"]["counts"]), (96, 128)).astype(int)


def test_write_coco(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "scenes", "calibration", 3, (96, 128))
    data = json.loads(path.read_text())
    assert [image["id"] for image in data["images"]] == list(split_seeds("calibration", 3))
    assert {c["id"]: c["name"] for c in data["categories"]} == dict(
        zip(COCO_IDS, COCO_NAMES, strict=True)
    )
    assert [a["id"] for a in data["annotations"]] == list(range(1, len(data["annotations"]) + 1))
    for record in data["images"]:
        drawn, boxes, labels = draw_scene(record["id"], (96, 128))
        raw = cv2.imread(str(path.parent / "images" / record["file_name"]))
        assert raw is not None
        assert raw.shape == drawn.shape
        assert np.abs(raw[..., ::-1].astype(int) - drawn).mean() < 8
        found = [a for a in data["annotations"] if a["image_id"] == record["id"]]
        assert [COCO_IDS.index(a["category_id"]) for a in found] == labels.tolist()
        ends = [[a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3]] for a in found]
        assert np.array_equal(np.array(ends).reshape(-1, 2), boxes[:, 2:])
        for row in found:
            mask = decode(np.array(row["segmentation"]["counts"]), (96, 128))
            x, y, wide, high = map(int, row["bbox"])
            assert mask[y : y + high, x : x + wide].sum() == mask.sum()
            inside = mask[y : y + high, x : x + wide]
            assert inside.any(0)[[0, -1]].all() and inside.any(1)[[0, -1]].all()
        assert np.max(sum(mask_of(row) for row in found)) <= 1
    assert [p.name for p in tmp_path.iterdir()] == ["scenes"]


def test_write_coco_leaves_nothing_behind_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo_sample.files.jpeg", fail)
    with pytest.raises(OSError, match="No space"):
        write_coco(tmp_path / "scenes", "evaluation", 2, 64)
    assert list(tmp_path.iterdir()) == []


def test_write_coco_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("precious")
    with pytest.raises(DataError, match="already"):
        write_coco(tmp_path / "mine", "evaluation", 1, 64)
    assert (tmp_path / "mine" / "work.txt").read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("split", "count", "words"),
    [("evalation", 1, "evaluation"), ("train", 0, "not 0"), ("calibration", 100_001, "100001")],
)
def test_bad_requests(split: str, count: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split_seeds(split, count)


def test_draws_keep_their_stream() -> None:
    draws = Draws(7)
    assert [draws.below(1000) for _ in range(4)] == FIRST_DRAWS
    assert Draws(7).bytes((2, 3)).shape == (2, 3)
