from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest
from zoo_coco.coco_folder import CocoFolder
from zoo_coco.folder import Folder

from zoo_core.api import DataPlan, DataRequest, DataView
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit import datasets

if TYPE_CHECKING:
    from zoo_core.api import Dataset


def view_of(plan: DataPlan) -> DataView:
    paths = {name: Path(place) for name, place in plan.locations.items()}
    return DataView(paths=paths, params=plan.params)


def names(dataset: Dataset, plan: DataPlan) -> list[str]:
    return [sample.name for sample in dataset.samples(view_of(plan), 0, plan.count)]


@pytest.fixture
def given(tmp_path: Path, make_images: Any, write_truth: Any) -> DataRequest:
    make_images(tmp_path / "images", ["val/9.png", "val/10.png", "2.png", "unlisted.png"])
    images = [(10, "val/10.png"), (2, "2.png"), (9, "val/9.png")]
    truth = write_truth(tmp_path / "truth.json", images, [(9, 3, (1, 2, 3, 4))])
    return DataRequest(purpose="evaluate", images=tmp_path / "images", annotations=truth)


def limit(request: DataRequest, count: int | None, purpose: str = "evaluate") -> DataRequest:
    return DataRequest(
        purpose=purpose, images=request.images, annotations=request.annotations, limit=count
    )


def test_listed_images_in_order_of_their_ids(given: DataRequest) -> None:
    plan = CocoFolder().plan(given)
    samples = list(CocoFolder().samples(view_of(plan), 0, 3))
    assert [(s.id, s.name, s.size) for s in samples] == [
        (2, "2.png", (20, 30)),
        (9, "val/9.png", (20, 30)),
        (10, "val/10.png", (20, 30)),
    ]
    assert all(sample.path.is_file() for sample in samples)
    assert (plan.kind, plan.count, plan.of, plan.has_truth) == ("given", 3, 3, True)
    assert CocoFolder().truth(view_of(plan)) == given.annotations


def test_a_limit_takes_the_first_and_calibration_the_same(given: DataRequest) -> None:
    plan = CocoFolder().plan(limit(given, 2, "calibrate"))
    assert (plan.count, plan.of) == (2, 3)
    assert names(CocoFolder(), plan) == ["2.png", "val/9.png"]
    assert CocoFolder().plan(limit(given, 99)).count == 3
    with pytest.raises(UsageError, match="leaves no image"):
        CocoFolder().plan(limit(given, 0))


def test_planning_again_gives_the_same(given: DataRequest) -> None:
    assert CocoFolder().plan(given) == CocoFolder().plan(given)


def test_a_growing_limit_keeps_full_shards(
    given: DataRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "SHARD", 2)
    two, three = (CocoFolder().plan(limit(given, count)).shards for count in (2, 3))
    assert [(shard.start, shard.stop) for shard in three] == [(0, 2), (2, 3)]
    assert three[0] == two[0]


def test_content_follows_images_and_truth(given: DataRequest) -> None:
    assert given.images
    assert given.annotations
    before = CocoFolder().plan(given)
    given.annotations.write_text(given.annotations.read_text() + "\n")
    truth_changed = CocoFolder().plan(given)
    assert truth_changed.shards == before.shards
    assert truth_changed.content != before.content
    path = given.images / "val/9.png"
    path.write_bytes(path.read_bytes() + b"x")
    assert CocoFolder().plan(given).shards != before.shards


def test_a_missing_image_is_named_and_counted(given: DataRequest) -> None:
    assert given.images
    (given.images / "val/9.png").unlink()
    (given.images / "val/10.png").unlink()
    with pytest.raises(DataError, match=r"2 of 3 images that truth\.json lists") as caught:
        CocoFolder().plan(given)
    assert caught.value.where.endswith("val/9.png")
    assert CocoFolder().plan(limit(given, 1)).count == 1


def test_an_annotation_of_another_data_set(given: DataRequest, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    asked = DataRequest(
        purpose="evaluate", images=tmp_path / "other", annotations=given.annotations
    )
    with pytest.raises(DataError, match="annotation of another data set: none of its 3 images"):
        CocoFolder().plan(asked)


def test_both_must_be_given_and_there(given: DataRequest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs both"):
        CocoFolder().plan(DataRequest(purpose="evaluate", images=given.images))
    with pytest.raises(DataError, match="no such folder"):
        CocoFolder().plan(
            DataRequest(
                purpose="evaluate", images=tmp_path / "absent", annotations=given.annotations
            )
        )
    with pytest.raises(DataError, match="no such annotation file"):
        CocoFolder().plan(
            DataRequest(purpose="evaluate", images=given.images, annotations=tmp_path / "absent")
        )


def test_an_image_gone_since_planning(given: DataRequest) -> None:
    plan = CocoFolder().plan(given)
    assert given.images
    (given.images / "2.png").unlink()
    with pytest.raises(DataError, match="missing"):
        names(CocoFolder(), plan)


def test_what_is_odd_is_told_while_planning(
    tmp_path: Path, make_images: Any, write_truth: Any
) -> None:
    make_images(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    images = [(1, "a.png"), (2, "b.png"), (3, "copy.png"), (4, "b.png"), (5, "c.png")]
    box = (1, 1, (1, 2, 3, 4))
    truth = write_truth(tmp_path / "t.json", images, [box, box, (9, 1, (1, 2, 3, 4))])
    request = DataRequest(purpose="evaluate", images=tmp_path, annotations=truth)
    assert [text.partition(":")[0] for text in CocoFolder().plan(request).warnings] == [
        "1 boxes of the annotation file are left out, since it does not list their images",
        "1 of 2 boxes equal another one of their image in category and place",
        "2 of 5 images repeat the picture of another image id",
    ]
    assert "a.png as 1 and 3, b.png as 2 and 4" in CocoFolder().plan(request).warnings[2]
    assert len(CocoFolder().plan(limit(request, 2)).warnings) == 2, "of the chosen images"
    assert CocoFolder().plan(limit(request, None, "calibrate")).warnings == ()


def test_a_clean_set_needs_no_word(given: DataRequest) -> None:
    plan = CocoFolder().plan(given)
    assert plan.warnings == ()
    assert plan.classes == {"person": False, "car": True}


def test_string_ids(tmp_path: Path, make_images: Any, write_truth: Any) -> None:
    make_images(tmp_path, ["x.png", "y.png"])
    truth = write_truth(tmp_path / "t.json", [("img-b", "x.png"), ("img-a", "y.png")])
    plan = CocoFolder().plan(DataRequest(purpose="evaluate", images=tmp_path, annotations=truth))
    samples = CocoFolder().samples(view_of(plan), 0, 2)
    assert [sample.id for sample in samples] == ["img-a", "img-b"]


def predict(path: Path, count: int | None = None) -> DataPlan:
    return Folder().plan(DataRequest(purpose="predict", images=path, limit=count))


def test_a_folders_images_by_name(tmp_path: Path, make_images: Any) -> None:
    make_images(tmp_path, ["b.png", "a.JPG", "sub/c.png", ".hidden.png"])
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    plan = predict(tmp_path)
    samples = list(Folder().samples(view_of(plan), 0, plan.count))
    assert [(s.id, s.name, s.size) for s in samples] == [
        ("a.JPG", "a.JPG", None),
        ("b.png", "b.png", None),
        ("sub/c.png", "sub/c.png", None),
    ]
    assert (plan.count, plan.of, plan.has_truth) == (3, 3, False)
    assert names(Folder(), predict(tmp_path, 1)) == ["a.JPG"]
    with pytest.raises(DataError, match="no truth"):
        Folder().truth(view_of(plan))


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        (["000000000285.jpg", "000000000139.jpg"], [139, 285]),
        (["10.png", "9.png"], [10, 9]),
        (["10.png", "a.png"], ["10.png", "a.png"]),
        (["1.png", "1.jpg"], ["1.jpg", "1.png"]),
        (["1.png", "01.png"], ["01.png", "1.png"]),
        (["\u0661.png", "\u00b2.png"], ["\u00b2.png", "\u0661.png"]),
        (["1_0.png", "-1.png", "1e3.png"], ["-1.png", "1_0.png", "1e3.png"]),
        (["9" * 19 + ".png"], ["9" * 19 + ".png"]),
    ],
)
def test_ids_are_cocos_where_all_files_are_called_by_them(
    tmp_path: Path, make_images: Any, files: list[str], ids: list[int | str]
) -> None:
    make_images(tmp_path, files)
    plan = Folder().plan(DataRequest(purpose="predict", images=tmp_path))
    samples = list(Folder().samples(view_of(plan), 0, plan.count))
    assert [sample.id for sample in samples] == ids
    assert [type(sample.id) for sample in samples] == [type(number) for number in ids]
    first = next(iter(Folder().samples(view_of(plan), 0, 1)))
    assert first.id == ids[0], "whatever the shard"


def test_a_folder_that_changes_meanwhile_is_refused(tmp_path: Path, make_images: Any) -> None:
    make_images(tmp_path, ["b.png", "c.png"])
    plan = predict(tmp_path)
    make_images(tmp_path, ["a.png"])
    with pytest.raises(DataError, match="come or gone since planning"):
        names(Folder(), plan)


def test_one_image(tmp_path: Path, make_images: Any) -> None:
    make_images(tmp_path, ["b.png", "a.png"])
    plan = predict(tmp_path / "b.png")
    assert names(Folder(), plan) == ["b.png"]
    assert (plan.count, len(plan.shards)) == (1, 1)
    assert plan.content != predict(tmp_path / "a.png").content


def test_several_places(tmp_path: Path, make_images: Any) -> None:
    make_images(tmp_path, ["x/b.png", "y/a.png", "y/c.png"])
    first, *others = tmp_path / "y", tmp_path / "x" / "b.png"
    request = DataRequest(purpose="predict", images=first, further=tuple(others))
    plan = Folder().plan(request)
    assert names(Folder(), plan) == ["y/a.png", "y/c.png", "x/b.png"]
    assert set(plan.locations.values()) == {str(first), *map(str, others)}


def test_fewer_calibration_images_than_asked_for_is_said(tmp_path: Path, make_images: Any) -> None:
    make_images(tmp_path, ["a.png", "sub/b.png"])
    request = DataRequest(purpose="calibrate", images=tmp_path, limit=50)
    told = f"calibrated on 2 images, where 50 were asked for: {tmp_path} holds no more"
    assert Folder().plan(request).warnings == (told,)
    assert Folder().plan(limit(request, 2, "calibrate")).warnings == ()
    assert Folder().plan(limit(request, 50, "predict")).warnings == ()


def test_a_few_calibration_images_are_of_all_folders(tmp_path: Path, make_images: Any) -> None:
    make_images(tmp_path, ["x/1.png", "x/2.png", "x/3.png", "y/1.png", "z/1.png", "z/2.png"])
    request = DataRequest(purpose="calibrate", images=tmp_path, limit=5)
    plan = Folder().plan(request)
    assert names(Folder(), plan) == ["x/1.png", "y/1.png", "z/1.png", "x/2.png", "z/2.png"]
    assert names(Folder(), Folder().plan(limit(request, 2, "calibrate"))) == ["x/1.png", "y/1.png"]
    assert names(Folder(), Folder().plan(limit(request, 2, "predict"))) == ["x/1.png", "x/2.png"]


def test_listed_names_of_another_system_are_found(
    tmp_path: Path, make_images: Any, write_truth: Any
) -> None:
    """And an absolute path never leads to another folder than the one that is given."""
    make_images(tmp_path, ["images/val/a.png", "elsewhere/val/a.png"])
    for name in ("images\\val\\a.png", str(tmp_path / "images" / "val" / "a.png"), "a.png"):
        truth = write_truth(tmp_path / "t.json", [(1, name)], [(1, 1, (1, 2, 3, 4))])
        request = DataRequest(purpose="evaluate", images=tmp_path / "images", annotations=truth)
        plan = CocoFolder().plan(request)
        (sample,) = CocoFolder().samples(view_of(plan), 0, 1)
        assert (sample.name, sample.path) == ("val/a.png", tmp_path / "images" / "val" / "a.png")
        assert len(plan.warnings) == 1
    outside = tmp_path / "elsewhere" / "b.png"
    make_images(tmp_path, ["elsewhere/b.png"])
    truth = write_truth(tmp_path / "t.json", [(1, str(outside))])
    with pytest.raises(DataError, match="another data set"):
        CocoFolder().plan(
            DataRequest(purpose="evaluate", images=tmp_path / "images", annotations=truth)
        )


def test_a_list_of_paths_is_no_folder_for_annotations(given: DataRequest, tmp_path: Path) -> None:
    listing = tmp_path / "valid.txt"
    listing.write_text("images/2.png\n")
    assert names(Folder(), predict(listing)) == ["2.png"]
    with pytest.raises(DataError, match="is a file, not a folder of images"):
        CocoFolder().plan(
            DataRequest(purpose="evaluate", images=listing, annotations=given.annotations)
        )


def test_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        predict(tmp_path)
    with pytest.raises(DataError, match="no such image or folder"):
        predict(tmp_path / "absent")
    (tmp_path / "a.md").write_text("")
    with pytest.raises(DataError, match="not an image by its name"):
        predict(tmp_path / "a.md")
    with pytest.raises(UsageError, match="no folder of images is given"):
        Folder().plan(DataRequest(purpose="predict"))
    with pytest.raises(UsageError, match="takes no annotation"):
        Folder().plan(
            DataRequest(purpose="predict", images=tmp_path, annotations=tmp_path / "a.txt")
        )


def test_facts_are_remembered(given: DataRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second plan reads no image and does not parse the annotation file."""
    time.sleep(0.15)  # files changed a moment ago are not trusted yet
    first = CocoFolder().plan(given)

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("zoo_core.system.hashing.file_digest", refuse)
    monkeypatch.setattr("zoo_coco.coco_json.read_annotations", refuse)
    assert CocoFolder().plan(given) == first


def test_real_images_are_of_the_size_their_annotation_states() -> None:
    data = os.environ.get("ZOO_TEST_DATA")
    if not data:
        pytest.skip("ZOO_TEST_DATA is unset: no real images here")
    place = Path(data) / "coco-val2017-128"
    plan = CocoFolder().plan(
        DataRequest(
            purpose="evaluate",
            images=place / "images",
            annotations=place / "instances.json",
            limit=6,
        )
    )
    assert (plan.count, plan.of) == (6, 128)
    samples = list(CocoFolder().samples(view_of(plan), 0, 6))
    assert [sample.id for sample in samples[:2]] == [139, 802]
    for sample in samples:
        picture = cv2.imread(str(sample.path))
        assert picture is not None
        assert sample.size == picture.shape[:2]
