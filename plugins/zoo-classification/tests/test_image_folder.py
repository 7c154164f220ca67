"""Folders of class folders: order, subsets, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from zoo_classification.image_folder import ImagenetFolder

from zoo_core.api import DataRequest, DataView
from zoo_core.errors import DataError, UsageError
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def val(tmp_path: Path, zoo_home: Path) -> Path:
    for name in ("b/2.png", "b/1.png", "a/9.png", "c/x.JPEG", "c/y.jpg", "c/z.jpg"):
        path = tmp_path / "val" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path.with_suffix(".png"), np.zeros((4, 4, 3), np.uint8))
        path.with_suffix(".png").rename(path)
    (tmp_path / "val" / "c" / "notes.txt").write_text("no image")
    (tmp_path / "val" / ".cache").mkdir()
    return tmp_path / "val"


def names(folder: Path, limit: int | None = None) -> list[str]:
    plan = ImagenetFolder().plan(DataRequest(purpose="evaluate", images=folder, limit=limit))
    view = DataView(paths={"images": folder}, params=plan.params)
    return [sample.name for sample in ImagenetFolder().samples(view, 0, plan.count)]


def test_classes_take_turns(val: Path) -> None:
    assert names(val) == ["a/9.png", "b/1.png", "c/x.JPEG", "b/2.png", "c/y.jpg", "c/z.jpg"]
    assert names(val, 3) == ["a/9.png", "b/1.png", "c/x.JPEG"]


def test_an_image_that_came_since_planning_is_told(val: Path) -> None:
    plan = ImagenetFolder().plan(DataRequest(purpose="evaluate", images=val))
    write_image(val / "a" / "10.png", np.zeros((4, 4, 3), np.uint8))
    view = DataView(paths={"images": val}, params=plan.params)
    with pytest.raises(DataError, match="come or gone"):
        list(ImagenetFolder().samples(view, 0, 1))


def test_the_truth_is_part_of_the_content(val: Path, tmp_path: Path) -> None:
    truth = tmp_path / "order.txt"
    contents = set()
    for text in ("a\nb\nc\n", "b\na\nc\n"):
        truth.write_text(text)
        request = DataRequest(purpose="evaluate", images=val, annotations=truth)
        plan = ImagenetFolder().plan(request)
        assert plan.locations["truth"] == str(truth)
        contents.add(plan.content)
    assert len(contents) == 2


def test_folders_without_images_are_refused(tmp_path: Path, zoo_home: Path) -> None:
    request = DataRequest(purpose="evaluate", images=tmp_path)
    with pytest.raises(DataError, match="no class folder with an image"):
        ImagenetFolder().plan(request)
    with pytest.raises(DataError, match="no such folder"):
        ImagenetFolder().plan(DataRequest(purpose="evaluate", images=tmp_path / "none"))
    with pytest.raises(UsageError, match="give --images DIR"):
        ImagenetFolder().plan(DataRequest(purpose="evaluate"))


def test_what_is_no_image_of_a_class_is_said(val: Path) -> None:
    before = ImagenetFolder().plan(DataRequest(purpose="evaluate", images=val))
    assert before.warnings == ()
    first = next(path for path in sorted(val.rglob("*")) if path.is_file())
    for name in ("stray.png", f"{first.parent.name}/deep/er.png"):
        (val / name).parent.mkdir(exist_ok=True)
        (val / name).write_bytes(first.read_bytes())
    (first.parent / "raw.dng").write_bytes(b"x")
    (val / "labels.txt").write_text("x")
    after = ImagenetFolder().plan(DataRequest(purpose="evaluate", images=val))
    assert after.count == before.count
    assert after.warnings[0] == f"files left out of {val}: 1 .dng"
    assert after.warnings[1].endswith(f": 2 ({first.parent.name}/deep/er.png, stray.png)")
    assert len(after.warnings) == 2
