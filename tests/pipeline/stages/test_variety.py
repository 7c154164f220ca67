"""Calibration images that are too few, alike or grey."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo_core.pipeline.stages.variety import doubts, thumbnail, variety
from zoo_core.vision import read_rgb, write_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.testing.fixtures import Zoo

PHOTOS = Path(os.environ.get("ZOO_TEST_DATA", "none"), "coco-train2017-64", "images")


def scene(seed: int) -> NDArray[np.uint8]:
    """Blocks of 16 x 16 pixels of random colours."""
    blocks = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    return blocks.repeat(16, 0).repeat(16, 1)


def seen(*images: NDArray[np.uint8]) -> dict[str, Any]:
    return variety([thumbnail(image) for image in images])


def test_a_thumbnail_is_the_mean_of_areas() -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 32, 3), np.uint8)
    areas = image.reshape(16, 4, 16, 2, 3).mean((1, 3))
    assert np.abs(thumbnail(image) - areas).max() <= 1


def test_scenes_are_distinct_and_frames_are_not() -> None:
    scenes = [scene(seed) for seed in range(10)]
    assert seen(*scenes) == {"images": 10, "distinct": 10, "grey": 0}
    dim = [(scenes[0] * share).astype(np.uint8) for share in np.linspace(0.9, 1, 9)]
    found = seen(*dim, scenes[1])
    assert found == {"images": 10, "distinct": 2, "grey": 0}
    (text,) = doubts(found)
    assert text.startswith("calibration images are alike: 10 of them show 2 different scenes")


def test_grey_images_are_told_where_they_are_most() -> None:
    grey = [scene(seed).mean(2, keepdims=True).astype(np.uint8).repeat(3, 2) for seed in range(10)]
    assert seen(*grey)["grey"] == 10
    assert doubts({"images": 10, "distinct": 10, "grey": 5}) == []
    (text,) = doubts({"images": 10, "distinct": 10, "grey": 6})
    assert text.startswith("calibration images are grey: 6 of 10 have no colour")


@pytest.mark.parametrize(("images", "few"), [(1, True), (7, True), (8, False)])
def test_fewer_than_eight_images_are_few(images: int, few: bool) -> None:
    told = doubts({"images": images, "distinct": images, "grey": 0})
    assert [text.startswith(f"calibrated on {images} images only") for text in told] == [True] * few


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="ZOO_TEST_DATA has no photos")
def test_photos_are_distinct_and_a_panning_video_is_not() -> None:
    photos = [read_rgb(path) for path in sorted(PHOTOS.iterdir())[:24]]
    assert seen(*photos)["distinct"] == 24
    assert doubts(seen(*photos)) == []
    image = photos[0]
    part = int(image.shape[1] * 0.7)
    frames = [image[:, at : at + part] for at in range(0, image.shape[1] - part, 4)]
    found = seen(*frames)
    assert found["images"] > 2 * found["distinct"]
    assert "alike" in doubts(found)[0]


def test_a_run_tells_of_them_and_its_manifest_lists_them(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")
    (tmp_path / "mine").mkdir()
    for number in range(9):
        write_image(tmp_path / "mine" / f"{number}.png", scene(0) // (number + 1))
    asked = ("eval", "toy-detector", "--backend", "toy", "--assets", "published", "--calibration")
    done = zoo(*asked, "mine", "--precision", "int8", "-o", "out", "--json", "-")
    assert done.code == 0, done.stderr
    told = [text for text in done.json["warnings"] if text.startswith("calibration images are")]
    assert len(told) == 1
    assert told[0] in (tmp_path / "out" / "report.md").read_text()
    assert told[0] in done.stderr

    known = json.loads((tmp_path / "out" / "manifest.json").read_text())["calibration"]
    assert [row["name"] for row in known["list"]] == [f"{number}.png" for number in range(9)]
    assert all(len(row["sha256"]) == 64 for row in known["list"])
    assert (known["dataset"], known["of"], known["seed"]) == ("folder", 9, None)
    assert known["variety"]["images"] == 9
    assert known["content"]
    assert known["images.json"]
