"""The card in the README is whole: it loads without a family, and takes a user's own images."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pytest

from zoo_core.testing.examples import tiny_model

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

README = Path(__file__).parents[1] / "README.md"
OWN = ("--images", "images", "--annotations", "instances.json")
_TRUTH = {
    "images": [{"id": 1, "file_name": "1.png", "height": 8, "width": 8}],
    "annotations": [],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's card, a network, and a folder of images with annotations."""
    for name in ("zoo_coco", "zoo_yolox", "zoo_onnxruntime"):
        pytest.importorskip(name)
    found = re.search(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    (tmp_path / "registry.yaml").write_text(found[1], encoding="utf-8")
    onnx.save(tiny_model((416, 416)), tmp_path / "my.onnx")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "1.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "instances.json").write_text(json.dumps(_TRUTH), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    return tmp_path


def test_the_card_is_valid(zoo: Zoo, folder: Path) -> None:
    card = zoo("show", "my-net", "--json").json["card"]
    assert card["family"] is None
    assert card["given_dataset"] == "coco-folder"
    assert zoo("check", "my-net", "--json").json["findings"] == []


def test_its_commands_take_images_of_ones_own(zoo: Zoo, folder: Path) -> None:
    """Each command of the page is planned, and one of them calibrates on the user's images."""
    text = (
        README.read_text(encoding="utf-8").replace("TRAIN_DIR", "images").replace("DIR", "images")
    )
    assert zoo("fetch", "my-net", "--from-file", "my.onnx").code == 0
    commands = re.findall(r"^    zoo run (my-net .*)$", text, re.MULTILINE)
    planned = [zoo("plan", *command.split()) for command in commands]

    assert [done.code for done in planned] == [0, 0, 0], planned
    assert ["calibrate" in done.stdout for done in planned] == [False, False, True]


def test_a_card_without_given_dataset_is_told_what_to_write(zoo: Zoo, folder: Path) -> None:
    card = folder / "registry.yaml"
    lines = card.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "given_dataset" not in line]
    card.write_text("\n".join(kept), encoding="utf-8")
    done = zoo("plan", "my-net", "--weights", "my.onnx", *OWN)
    assert done.code == 2
    assert f"{card}: models.my-net: " in done.stderr
    assert "add `given_dataset: coco-folder` to the card" in done.stderr
