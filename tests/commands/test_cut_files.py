"""Image files that lack their end: those whose picture is whole are used, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

TOY = ("toy-detector", "--backend", "toy", "--weights", "random")


@pytest.fixture(autouse=True)
def light_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


def put(folder: Path, count: int, data: bytes) -> None:
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(data if number < count else jpeg())


def test_they_are_counted_by_name(zoo: Zoo, tmp_path: Path) -> None:
    put(tmp_path / "mine", 4, jpeg()[:-2])
    done = zoo("predict", *TOY, "mine", "--json", "-")
    assert done.code == 0, done.stderr
    told = [text for text in done.json["warnings"] if "lacks its end" in text]
    assert len(told) == 1
    assert ": 4 of 5 (0.jpg, 1.jpg, 2.jpg and 1 more); " in told[0]
    assert f"warning: {told[0]}" in done.stderr


def test_nothing_is_said_of_whole_files(zoo: Zoo, tmp_path: Path) -> None:
    put(tmp_path / "mine", 0, b"")
    done = zoo("predict", *TOY, "mine", "--json", "-")
    assert not any("lacks its end" in text for text in done.json["warnings"])


def test_half_a_file_is_an_error(zoo: Zoo, tmp_path: Path) -> None:
    put(tmp_path / "mine", 1, jpeg()[:-300])
    done = zoo("predict", *TOY, "mine")
    assert done.code == 6
    assert "0.jpg: is truncated before the image's end" in done.stderr


def test_calibration_images_are_counted_too(zoo: Zoo, tmp_path: Path, write_image: Any) -> None:
    put(tmp_path / "calibration", 2, jpeg()[:-2])
    write_image(tmp_path / "mine" / "a.png")
    options = ("--precision", "int8", "--calibration", "calibration", "--calibration-images", "5")
    done = zoo("predict", *TOY, "mine", *options, "--json", "-")
    assert done.code == 0, done.stderr
    (told,) = [text for text in done.json["warnings"] if "lacks its end" in text]
    assert told.startswith("calibration images whose file lacks its end")
    assert ": 2 of 5 (0.jpg, 1.jpg); " in told
