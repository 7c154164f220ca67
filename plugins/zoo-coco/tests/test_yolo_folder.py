from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from zoo_coco.forms.yolo_folder import YoloFolder

from zoo_core.api import DataPlan, DataRequest, DataView
from zoo_core.errors import DataError, UsageError

WIDTH, HEIGHT = 30, 20

Write = Callable[..., Path]
RunPlan = Callable[[DataPlan], DataView]


@pytest.fixture
def root(tmp_path: Path, make_images: Any) -> Path:
    """Three images of val, one of train; `b` has no object, `d` no label file."""
    root = tmp_path / "set"
    make_images(root / "images", ["val/a.png", "val/b.JPG", "val/d.png", "train/t.png"])
    write(root / "labels/val/a.txt", "0 0.5 0.5 0.2 0.4\n1 .25 .75 .1 .1")
    write(root / "labels/val/b.txt", "")
    write(root / "labels/train/t.txt", "0 .5 .5 .5 .5")
    write(root / "data.yaml", "train: images/train\nval: images/val\nnames:\n  0: dog\n  1: cart\n")
    return root


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def request(
    annotations: Path | None, images: Path | None = None, limit: int | None = None, **more: Any
) -> DataRequest:
    return DataRequest(
        purpose="evaluate", images=images, annotations=annotations, limit=limit, **more
    )


@pytest.fixture
def truth(run_plan: RunPlan) -> Callable[..., dict[str, Any]]:
    """What the stage leaves for a request."""

    def read(*args: Any, **more: Any) -> dict[str, Any]:
        view = run_plan(YoloFolder().plan(request(*args, **more)))
        data: dict[str, Any] = json.loads(YoloFolder().truth(view).read_bytes())
        return data

    return read


def names(data: dict[str, Any]) -> list[str]:
    return [row["file_name"] for row in data["images"]]


def refused(annotations: Path, images: Path | None = None, **more: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        YoloFolder().plan(request(annotations, images, **more))
    assert caught.value.where
    assert caught.value.next
    assert "\n" not in str(caught.value)
    return caught.value


def test_boxes_become_pixels_of_the_image(root: Path, truth: Any) -> None:
    data = truth(root / "data.yaml")
    assert data["images"] == [
        {"id": name, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for name in ("a.png", "b.JPG", "d.png")
    ]
    assert data["categories"] == [{"id": 1, "name": "dog"}, {"id": 2, "name": "cart"}]
    assert [(row["image_id"], row["category_id"]) for row in data["annotations"]] == [
        ("a.png", 1),
        ("a.png", 2),
    ]
    # centre 15, 10, sides 6 and 8; centre 7.5, 15, sides 3 and 2
    boxes = [row["bbox"] for row in data["annotations"]]
    assert boxes == [pytest.approx([12, 6, 6, 8]), pytest.approx([6, 14, 3, 2])]
    assert [row["area"] for row in data["annotations"]] == [pytest.approx(48), pytest.approx(6)]
    assert not any(row["iscrowd"] for row in data["annotations"])


def test_the_split_and_bare_images_are_told(root: Path) -> None:
    plan = YoloFolder().plan(request(root / "data.yaml"))
    assert plan.warnings == (
        "the split 'val' of data.yaml was taken, 3 images; for train give --images DIR",
        "1 image has no label file (d.png): taken as without objects",
    )
    assert (plan.dataset, plan.kind, plan.count, plan.of) == ("yolo-folder", "given", 3, 3)


def test_samples_are_the_images_with_their_sides(root: Path, run_plan: RunPlan) -> None:
    plan = YoloFolder().plan(request(root / "data.yaml", limit=2))
    samples = list(YoloFolder().samples(run_plan(plan), 0, plan.count))
    assert [(s.id, s.size) for s in samples] == [("a.png", (20, 30)), ("b.JPG", (20, 30))]
    assert all(sample.path.is_file() for sample in samples)
    assert (plan.count, plan.of) == (2, 3)


def test_ids_are_the_numbers_that_all_files_are_named_by(
    tmp_path: Path, make_images: Any, truth: Any
) -> None:
    make_images(tmp_path / "images", ["000000000139.png", "9.png"])
    write(tmp_path / "labels/9.txt", "0 .5 .5 1 1")
    write(tmp_path / "labels/classes.txt", "cart")
    data = truth(tmp_path / "labels", tmp_path / "images")
    assert [row["id"] for row in data["images"]] == [9, 139]
    make_images(tmp_path / "images", ["09.png"])
    data = truth(tmp_path / "labels", tmp_path / "images")
    assert [row["id"] for row in data["images"]] == names(data)


def test_category_ids_are_cocos_where_all_classes_are(root: Path, truth: Any) -> None:
    write(root / "data.yaml", "val: images/val\nnames: [dog, tvmonitor]\n")
    ids = [(row["id"], row["name"]) for row in truth(root / "data.yaml")["categories"]]
    assert ids == [(18, "dog"), (72, "tvmonitor")]


@pytest.mark.parametrize(
    "text",
    [
        "path: .\nval: images/val\nnames: [dog, cart]\nnc: 2\n",
        "path: ./\nval: [images/val]\nnames: {0: dog, 1: cart}\n",
        "val: ../images/val\nnames: [dog, cart]\n",  # as Roboflow writes it
        "val: images/val\nnames:\n- dog\n- cart\n",
        "\ufeffval: images\\val\r\nnames: [dog, cart]\r\n",
        "train: images/train\nval:\ntest: images/val\nnames: [dog, cart]\n",
        "val: val.txt\nnames: [dog, cart]\n",
        "val: images/val\nnames: classes.txt\n",
    ],
)
def test_ways_to_write_a_data_yaml(root: Path, truth: Any, text: str) -> None:
    write(root / "val.txt", "./images/val/a.png\nimages/val/b.JPG\n\nimages/val/d.png\n")
    write(root / "classes.txt", "dog\ncart\n\n")
    write(root / "data.yaml", text)
    data = truth(root / "data.yaml")
    assert names(data) == ["a.png", "b.JPG", "d.png"]
    assert [row["name"] for row in data["categories"]] == ["dog", "cart"]
    assert len(data["annotations"]) == 2
    assert truth(root) == data


def test_an_absolute_path_and_one_of_another_machine(root: Path, truth: Any) -> None:
    text = "val: images/val\nnames: [dog, cart]\n"
    write(root / "data.yaml", text)
    data = truth(root / "data.yaml")
    write(root / "data.yaml", f"path: {root}\n{text}")
    assert truth(root / "data.yaml") == data
    write(root / "data.yaml", f"path: ../datasets/mine\n{text}")
    assert truth(root / "data.yaml") == data
    plan = YoloFolder().plan(request(root / "data.yaml"))
    assert f"'path: ../datasets/mine' of data.yaml is not there: {root} was taken for it" in (
        plan.warnings
    )


def test_a_split_of_several_folders(root: Path, truth: Any) -> None:
    write(root / "data.yaml", "val: [images/train, images/val]\nnames: [dog, cart]\n")
    data = truth(root / "data.yaml")
    assert names(data) == ["train/t.png", "val/a.png", "val/b.JPG", "val/d.png"]
    assert [row["image_id"] for row in data["annotations"]] == [
        "train/t.png",
        "val/a.png",
        "val/a.png",
    ]


def test_given_images_choose_another_split(root: Path, truth: Any) -> None:
    """The split is taken where it is among them."""
    assert names(truth(root / "data.yaml", root / "images/train")) == ["t.png"]
    assert names(truth(root / "data.yaml", root / "images")) == [
        "val/a.png",
        "val/b.JPG",
        "val/d.png",
    ]
    plan = YoloFolder().plan(request(root / "data.yaml", root / "images/train"))
    assert plan.warnings == ()
    write(root / "data.yaml", "val: elsewhere/val\nnames: [dog, cart]\n")
    assert names(truth(root / "data.yaml", root / "images/val")) == ["a.png", "b.JPG", "d.png"]


def test_a_listed_image_that_is_missing_is_no_other_split(root: Path) -> None:
    write(root / "val.txt", "images/val/a.png\nimages/val/gone.png\n")
    write(root / "data.yaml", "val: val.txt\nnames: [dog, cart]\n")
    error = refused(root / "data.yaml", root / "images")
    assert error.what == "1 of 2 images that val.txt lists are missing"
    assert error.where.endswith("images/val/gone.png")


@pytest.mark.parametrize("where", ["labels", "labels/val", "."])
def test_a_folder_of_labels(root: Path, truth: Any, where: str) -> None:
    """With the images that belong to it, where none are given."""
    (root / "data.yaml").unlink()
    write(root / "labels/classes.txt", "dog\ncart\n")
    if where == ".":
        write(root / "classes.txt", "dog\ncart\n")
    data = truth(root / where)
    assert [Path(name).name for name in names(data)][-3:] == ["a.png", "b.JPG", "d.png"]
    assert len([row for row in data["annotations"] if row["image_id"].endswith("a.png")]) == 2
    assert [row["name"] for row in data["categories"]] == ["dog", "cart"]


def test_labels_beside_images_and_below_another_folder(
    tmp_path: Path, make_images: Any, truth: Any
) -> None:
    make_images(tmp_path / "all", ["sub/x.png", "y.png"])
    write(tmp_path / "all/y.TXT", "1 .5 .5 .5 .5")
    write(tmp_path / "all/classes.txt", "dog\ncart")
    assert len(truth(tmp_path / "all")["annotations"]) == 1
    write(tmp_path / "truth/sub/x.txt", "0 .5 .5 .5 .5")
    write(tmp_path / "truth/z.txt", "0 .5 .5 .5 .5")
    plan = YoloFolder().plan(
        request(tmp_path / "truth", tmp_path / "all", labels=("wagon", "cart"))
    )
    assert plan.warnings == (
        "1 image has no label file (y.png): taken as without objects",
        "1 label file has no image (z.txt): left out",
    )
    data = truth(tmp_path / "truth", tmp_path / "all", labels=("wagon", "cart"))
    assert [row["image_id"] for row in data["annotations"]] == ["sub/x.png"]
    assert [row["name"] for row in data["categories"]] == ["wagon", "cart"]


def test_darknets_data_file_and_lists(root: Path, truth: Any, monkeypatch: Any) -> None:
    """Paths are relative to the file, or to the current folder."""
    write(root / "cfg/mine.names", "dog\ncart\n")
    write(root / "cfg/mine.data", "classes = 2\nvalid  = valid.txt\nnames = cfg/mine.names\n")
    write(root / "valid.txt", f"{root}/images/val/a.png\n{root}/images/val/d.png\n")
    data = truth(root / "cfg/mine.data")
    assert names(data) == ["a.png", "d.png"]
    assert len(data["annotations"]) == 2
    monkeypatch.chdir(root)
    write(root / "lists/valid.txt", "images/val/a.png\nimages/val/d.png\nimages/val/a.png\n")
    assert truth(root / "lists/valid.txt", labels=("dog", "cart")) == data


def test_what_datumaro_and_cvat_write(
    tmp_path: Path, make_images: Any, truth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths begin with a folder `data` that is not there."""
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / "out/obj_val_data", ["1.png", "2.png"])
    write(tmp_path / "out/obj_val_data/1.txt", "0 .5 .5 .2 .4")
    write(tmp_path / "out/val.txt", "data/obj_val_data/1.png\ndata/obj_val_data/2.png\n")
    write(tmp_path / "out/obj.names", "cart\n")
    text = "classes = 1\nval = data/val.txt\nnames = data/obj.names\nbackup = backup/\n"
    data = truth(write(tmp_path / "out/obj.data", text))
    assert names(data) == ["1.png", "2.png"]
    assert [row["name"] for row in data["categories"]] == ["cart"]
    assert len(data["annotations"]) == 1


def test_a_data_yaml_of_names_alone(root: Path, truth: Any) -> None:
    """As supervision writes it: all images in its folder."""
    write(root / "data.yaml", "names: [dog, cart]\nnc: 2\n")
    assert len(truth(root / "data.yaml")["images"]) == 4
    told = YoloFolder().plan(request(root / "data.yaml")).warnings[0]
    assert told == "data.yaml names no split: all 4 images in its folder were taken"


def test_polygons_and_key_points(root: Path, truth: Any) -> None:
    """The box around a polygon; with kpt_shape, what follows a box is left out."""
    write(root / "labels/val/a.txt", "1 .2 .3 .6 .1 .4 .5\n0 .5 .5 .2 .4\n")
    boxes = [row["bbox"] for row in truth(root / "data.yaml")["annotations"]]
    assert boxes == [pytest.approx([6, 2, 12, 8]), pytest.approx([12, 6, 6, 8])]
    write(root / "labels/val/a.txt", "1 .5 .5 .2 .4 .1 .1 2 .9 .9 0\n")
    yaml = "val: images/val\nnames: [dog, cart]\nkpt_shape: [2, 3]\n"
    write(root / "data.yaml", yaml)
    boxes = [row["bbox"] for row in truth(root / "data.yaml")["annotations"]]
    assert boxes == [pytest.approx([12, 6, 6, 8])]


def test_what_people_leave_in_label_files(root: Path, truth: Any) -> None:
    """A byte-order mark, CRLF, tabs, blank lines, `1.0` for 1; a repeated line counts once."""
    lines = ["0\t0.5 0.5 0.2 0.4  ", "", "1.0 .5 .5 .2 .4", "0 0.5 0.5 0.2 0.4", ""]
    (root / "labels/val/a.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    data = truth(root / "data.yaml")
    assert [row["category_id"] for row in data["annotations"]] == [1, 2]
    plan = YoloFolder().plan(request(root / "data.yaml"))
    assert "1 repeated label counted once" in plan.warnings


def test_boxes_beyond_the_image_are_told(root: Path) -> None:
    write(root / "labels/val/a.txt", "0 .0 .5 .2 .4\n")
    (told,) = YoloFolder().plan(request(root / "data.yaml")).warnings[2:]
    assert told.startswith("boxes that reach beyond their image by more than a pixel: 1, of 1 ")


def test_one_picture_under_two_names_is_told(root: Path) -> None:
    (root / "images/val/d.png").write_bytes((root / "images/val/a.png").read_bytes())
    (told,) = YoloFolder().plan(request(root / "data.yaml")).warnings[2:]
    assert told.startswith("1 of 3 images repeat the picture of another image id: a.png")


def test_labels_are_of_the_image_as_it_is_shown(
    root: Path, truth: Any, sideways: Callable[[Path], None]
) -> None:
    """A JPEG stored sideways: fractions are of the sides as shown, unless it is read as stored."""
    sideways(root / "images/val/b.JPG")
    write(root / "labels/val/b.txt", "0 .5 .25 1 .5\n")
    data = truth(root / "data.yaml")
    assert (data["images"][1]["width"], data["images"][1]["height"]) == (30, 20)
    assert data["annotations"][-1]["bbox"] == pytest.approx([0, 0, 30, 10])
    # Turned clockwise to be shown: its upper half is the left half of what is stored.
    data = truth(root / "data.yaml", exif=False)
    assert (data["images"][1]["width"], data["images"][1]["height"]) == (20, 30)
    assert data["annotations"][-1]["bbox"] == pytest.approx([0, 0, 10, 30])
    told, unsure = YoloFolder().plan(request(root / "data.yaml", exif=False)).warnings[2:]
    assert "nothing tells whether" in unsure
    assert told.startswith("EXIF turns 1 of 3 images (b.JPG): they are read as stored")


@pytest.mark.parametrize(
    ("line", "what", "step"),
    [
        ("2 .5 .5 .2 .4", "has the class 2, where 2 classes are named (0 to 1)", "class names"),
        ("-1 .5 .5 .2 .4", "has the class -1", "correct the line"),
        ("0.5 .5 .5 .2 .4", "has the class 0.5", "correct the line"),
        ("0 15 10 6 8", "x is 15, where fractions of the image's sides are needed", "divide"),
        ("0 .5 .5 .2 1.2", "height is 1.2, where fractions", "divide"),
        ("0 -.5 .5 .2 .2", "x is -0.5, where fractions", "divide"),
        ("0 .5 .5 -.005 .2", "negative width", "correct that line"),
        ("0 .5 .5 .2", "has 4 values, where 5 are needed", "polygon"),
        ("0 .5 .5 .2 .4 .97", "has 6 values, where 5 are needed", "score of a prediction"),
        ("0 .1 .1 .2 .2 .3 .3 .4", "has 8 values", "polygon"),
        ("dog .5 .5 .2 .4", "is not a line of numbers: 'dog .5 .5 .2 .4'", "write"),
        ("0 .5 nan .2 .4", "has a value that is not finite", "correct"),
    ],
)
def test_a_wrong_line_is_named(root: Path, line: str, what: str, step: str) -> None:
    path = write(root / "labels/val/a.txt", f"0 .5 .5 .2 .4\n{line}\n")
    error = refused(root / "data.yaml")
    assert what in error.what
    assert step in error.next
    assert error.where == f"{path}:2"


def test_key_points_of_another_number(root: Path) -> None:
    write(root / "data.yaml", "val: images/val\nnames: [dog, cart]\nkpt_shape: [2, 3]\n")
    assert refused(root / "data.yaml").what == "has 5 values, where 11 are needed"
    write(root / "data.yaml", "val: images/val\nnames: [dog, cart]\nkpt_shape: 17\n")
    assert "kpt_shape" in refused(root / "data.yaml").what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("val: images/val\n", "has no class names"),
        ("val: images/val\nnames:\n", "has no class names"),
        ("val: images/val\nnames: [dog, cart]\nnc: 3\n", "says nc: 3, but names 2 classes"),
        ("val: images/val\nnames: [dog, dog]\n", "two classes are named 'dog'"),
        ("val: images/val\nnames: {dog: 0}\n", "names a class by 'dog', not a number"),
        ("val: images/val\nnames: [dog, []]\n", "names a class that is not a string"),
        ("train: images/train\nnames: [dog, cart]\n", "neither val nor test"),
        ("val: images/vla\nnames: [dog, cart]\n", "its val 'images/vla' is not there"),
        ("val: {a: b}\nnames: [dog, cart]\n", "its val is neither a path"),
        ("val: images/val\nnames: gone.txt\n", "its names 'gone.txt' is not there"),
        ("- val\n", "no keys at its top"),
        ("val: [\n", "is not valid YAML"),
        ("val: &a [*a]\nnames: [dog, cart]\n", "a part of it holds itself"),
        ("val: '" + "x" * 5000 + "'\nnames: [dog, cart]\n", "is not there"),
    ],
)
def test_a_wrong_data_yaml_is_named(root: Path, text: str, what: str) -> None:
    path = write(root / "data.yaml", text)
    error = refused(root / "data.yaml")
    assert what in error.what
    assert str(path) in error.where
    assert len(str(error)) < 1000


def test_class_names_are_needed(root: Path) -> None:
    (root / "data.yaml").unlink()
    error = refused(root / "labels/val")
    assert error.what == "has no class names"
    assert "--names FILE" in error.next
    write(root / "labels/val/classes.txt", "dog\n\ncart\n")
    assert refused(root / "labels/val").where.endswith("classes.txt:2")


def test_no_label_file_at_all(root: Path, make_images: Any) -> None:
    make_images(root / "pictures", ["x.png", "y.png"])
    write(root / "data.yaml", "val: pictures\nnames: [dog, cart]\n")
    error = refused(root / "data.yaml")
    assert error.what == "none of its 2 images has a label file"
    assert str(root / "pictures/x.txt") in error.next


def test_files_that_are_no_labels(root: Path) -> None:
    path = root / "labels/val/a.txt"
    path.write_bytes(b"0 .5 .5 .2 .4\xff\n")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        YoloFolder().plan(request(root / "data.yaml"))
    path.write_bytes(b"0 .5 .5 .2 .4\n" * (1 << 19))
    with pytest.raises(DataError, match="more than"):
        YoloFolder().plan(request(root / "data.yaml"))
    (root / "images/val/a.png").write_bytes(b"")
    with pytest.raises(DataError, match="is an empty file"):
        YoloFolder().plan(request(root / "data.yaml"))


def test_what_is_not_there(root: Path) -> None:
    with pytest.raises(UsageError, match="needs labels"):
        YoloFolder().plan(request(None))
    assert "no such folder of images" in refused(root / "labels", root / "gone").what
    write(root / "list.txt", "\n")
    assert refused(root / "list.txt", labels=("dog",)).what == "lists no image"
    write(root / "list.data", "train = list.txt\n")
    assert "no list of images to evaluate" in refused(root / "list.data").what


def test_a_folder_that_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its images would be missing without a word."""
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("val"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    write(root / "data.yaml", "val: images\nnames: [dog, cart]\n")
    monkeypatch.setattr("os.scandir", refuse)
    error = refused(root / "data.yaml")
    assert error.what == "cannot be read: Permission denied"
    assert error.where == str(root / "images/val")


def test_links_in_a_circle_end(root: Path, truth: Any) -> None:
    (root / "images/val/again").symlink_to(root / "images")
    assert len(names(truth(root / "data.yaml"))) == 4  # val's, and train's through the link


def test_labels_that_change_meanwhile_are_refused(root: Path, run_plan: RunPlan) -> None:
    plan = YoloFolder().plan(request(root / "data.yaml"))
    write(root / "labels/val/b.txt", "0 .5 .5 .2 .4")
    with pytest.raises(DataError, match="labels have changed since planning"):
        run_plan(plan)


def test_corrected_labels_keep_the_inference(root: Path) -> None:
    """They change the ground truth's key, not that of a stage that reads images."""
    from zoo_core.api import Stage
    from zoo_core.pipeline.plan import make_plan

    def keys() -> list[str]:
        plan = YoloFolder().plan(request(root / "data.yaml"))
        predict = Stage(
            name="predict",
            run="zoo_core.pipeline.stages.predict:shard",
            params={"content": plan.shards[0].content},
            inputs=plan.inputs,
            ranges=tuple(plan.inputs),
        )
        return [item.key for item in make_plan([*plan.stages, predict])] + [plan.content]

    before = keys()
    write(root / "labels/val/b.txt", "0 .5 .5 .2 .4")
    after = keys()
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, False]
    assert keys() == after


def test_what_it_reads(root: Path) -> None:
    reads = YoloFolder().reads
    voc = root.parent / "voc"
    write(voc / "Annotations/a.xml", "<annotation/>")
    listed = write(voc / "ImageSets/Main/val.txt", "a")
    mixed = write(root / "mixed/a.xml", "").parent
    write(mixed / "a.txt", "")
    yes = [root, root / "labels", root / "labels/val", root / "data.yaml"]
    no = [root / "images", voc, listed, mixed, root / "gone.yaml"]
    assert all(map(reads, yes))
    assert not any(map(reads, no))


@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_the_frame_of_fractions_is_an_assumption(root: Path, orientation: int) -> None:
    """They fit the stored pixels of a turned image as well, so no file tells which are meant."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.png", "d.png"):
        image = root / "images/val" / name
        Image.open(image).save(image, exif=exif)
    told = YoloFolder().plan(request(root / "data.yaml")).warnings[-1]
    assert told.startswith("EXIF turns 1 of 3 images (a.png): nothing tells whether their boxes")
