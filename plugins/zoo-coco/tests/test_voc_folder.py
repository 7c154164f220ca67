from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from zoo_coco.forms.voc_folder import VocEdgesFolder, VocFolder

from zoo_core.api import DataPlan, DataRequest, DataView
from zoo_core.errors import DataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 30, 20

RunPlan = Callable[[DataPlan], DataView]


def an_object(name: str, corners: tuple[float, ...], more: str = "") -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, corners, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


def a_file(
    path: Path,
    *objects: str,
    size: tuple[int, int] | None = (WIDTH, HEIGHT),
    filename: str = "",
    database: str = "Unknown",
) -> Path:
    told = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{filename}</filename><source><database>{database}</database>"
        f"</source>{told}{''.join(objects)}</annotation>",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def root(tmp_path: Path, make_images: Any) -> Path:
    root = tmp_path / "VOC2007"
    make_images(root / "JPEGImages", ["a.png", "b.JPG", "c.png"])
    a_file(root / "Annotations/a.xml", an_object("dog", (4, 5, 10, 14)), database="VOC2007")
    whole = an_object("cart", (1, 1, WIDTH, HEIGHT))
    a_file(root / "Annotations/b.xml", whole, an_object("dog", (2, 2, 2, 3)))
    a_file(root / "Annotations/c.xml", size=None)
    return root


def request(
    annotations: Path | None, images: Path | None = None, limit: int | None = None
) -> DataRequest:
    return DataRequest(purpose="evaluate", images=images, annotations=annotations, limit=limit)


@pytest.fixture
def truth(run_plan: RunPlan) -> Callable[..., dict[str, Any]]:
    """What the stage leaves for a request."""

    def read(*args: Any, dataset: VocFolder | None = None) -> dict[str, Any]:
        known = dataset or VocFolder()
        view = run_plan(known.plan(request(*args)))
        data: dict[str, Any] = json.loads(known.truth(view).read_bytes())
        return data

    return read


def boxes(data: dict[str, Any]) -> list[list[float]]:
    return [row["bbox"] for row in data["annotations"]]


def refused(annotations: Path, images: Path | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        VocFolder().plan(request(annotations, images))
    assert caught.value.where
    assert caught.value.next
    assert "\n" not in str(caught.value)
    return caught.value


def test_corners_are_pixels_from_1_the_last_one_included(root: Path, truth: Any) -> None:
    """As the devkit: a box from 1 to the width is the whole image."""
    data = truth(root)
    assert [row["id"] for row in data["images"]] == ["a.png", "b.JPG", "c.png"]
    assert {(row["width"], row["height"]) for row in data["images"]} == {(WIDTH, HEIGHT)}
    assert data["categories"] == [{"id": 1, "name": "cart"}, {"id": 2, "name": "dog"}]
    assert boxes(data) == [[3, 4, 7, 10], [0, 0, WIDTH, HEIGHT], [1, 1, 1, 2]]
    assert [row["category_id"] for row in data["annotations"]] == [2, 1, 2]
    assert [row["area"] for row in data["annotations"]] == [70, 600, 2]
    assert VocFolder().plan(request(root)).warnings == ()


def test_where_boxes_begin_at_0_corners_are_edges(root: Path, truth: Any) -> None:
    a_file(root / "Annotations/b.xml", an_object("cart", (0, 0, WIDTH, HEIGHT)))
    assert boxes(truth(root)) == [[4, 5, 6, 9], [0, 0, WIDTH, HEIGHT]]
    assert VocFolder().plan(request(root)).warnings == (
        "1 box begins at 0, which is not a pixel of Pascal VOC: corners are read as edges "
        "counted from 0",
    )


def test_a_stray_0_among_pixels_is_told(root: Path, truth: Any) -> None:
    """As many boxes begin at 1."""
    a_file(root / "Annotations/c.xml", an_object("cart", (0, 5, 5, 10)))
    assert boxes(truth(root))[-1] == [-1, 4, 6, 6]
    (told,) = VocFolder().plan(request(root)).warnings
    assert "defines them; 1 box begins at 0, which is none; for a tool that counts" in told


def test_a_set_of_another_tool_is_told_how_it_is_read(root: Path, truth: Any) -> None:
    a_file(root / "Annotations/a.xml", an_object("dog", (4, 5, 10, 14)))
    (told,) = VocFolder().plan(request(root)).warnings
    assert told.startswith("corners are read as pixels counted from 1, the last one included")
    assert told.endswith("give --dataset voc-edges-folder")
    edges = VocEdgesFolder()
    (told,) = edges.plan(request(root)).warnings
    assert told.startswith("1 of 3 boxes have no width or no height")
    assert boxes(truth(root, dataset=edges)) == [[4, 5, 6, 9], [1, 1, 29, 19], [2, 2, 0, 1]]
    assert not edges.reads(root)


def test_difficult_objects_are_neither_found_nor_missed(root: Path, truth: Any) -> None:
    flags = ["<difficult>1</difficult>", "<difficult>0</difficult>", "<difficult/>"]
    rows = [an_object("dog", (4, 5, 10, 14 + n), flag) for n, flag in enumerate(flags)]
    a_file(root / "Annotations/a.xml", *rows, database="VOC2007")
    assert [row["iscrowd"] for row in truth(root)["annotations"]] == [1, 0, 0, 0, 0]
    assert VocFolder().plan(request(root)).warnings == (
        "1 object is marked difficult: neither found nor missed by a detection, as in Pascal VOC",
    )


def test_parts_of_an_object_are_none(root: Path, truth: Any) -> None:
    part = "<part><name>head</name><bndbox><xmin>4</xmin></bndbox></part>"
    corners = "<bndbox><xmax>10</xmax><ymax>14</ymax><ymin>5</ymin><xmin> 4.0 </xmin></bndbox>"
    a_file(root / "Annotations/a.xml", f"<object>{part}<name> dog\n</name>{corners}</object>")
    data = truth(root)
    assert boxes(data)[0] == [3, 4, 7, 10]
    assert [row["name"] for row in data["categories"]] == ["cart", "dog"]


@pytest.mark.parametrize("name", ["val", "test"])
def test_the_list_of_a_set_is_taken(root: Path, truth: Any, name: str) -> None:
    main = root / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "train.txt").write_text("a\n")
    (main / f"{name}.txt").write_text("c\r\nb\r\n\r\n")
    (main / "dog_train.txt").write_text("a  1\nb -1\n")
    assert [row["id"] for row in truth(root)["images"]] == ["b.JPG", "c.png"]
    assert VocFolder().plan(request(root)).warnings[0] == (
        f"the images of ImageSets/Main/{name}.txt were taken; for others give --annotations "
        "VOC2007/ImageSets/Main/NAME.txt"
    )
    for listed, count in (("train.txt", 1), ("dog_train.txt", 2)):
        plan = VocFolder().plan(request(main / listed))
        assert plan.count == count
        assert not any("ImageSets" in told for told in plan.warnings)
    assert len(truth(root / "Annotations")["images"]) == 3


def test_a_listed_image_without_an_annotation_file(root: Path, truth: Any) -> None:
    """datumaro writes none for images without objects; those that no list names are left out."""
    (root / "Annotations/c.xml").unlink()
    main = root / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "val.txt").write_text("a\nc\n")
    data = truth(root)
    assert [row["id"] for row in data["images"]] == ["a.png", "c.png"]
    assert {row["image_id"] for row in data["annotations"]} == {"a.png"}
    told = VocFolder().plan(request(root)).warnings[1]
    assert told == "1 listed image has no annotation file (c): taken as without objects"
    plan = VocFolder().plan(request(root / "Annotations"))
    assert (plan.count, plan.warnings) == (2, ("1 image has no annotation file: left out",))


def test_annotations_among_the_images(tmp_path: Path, make_images: Any, truth: Any) -> None:
    """As LabelImg writes them; in sub-folders too. Images without a file are left out."""
    make_images(tmp_path, ["x.png", "sub/y.png", "bare.png"])
    a_file(tmp_path / "x.XML", an_object("dog", (1, 1, 2, 2)))
    a_file(tmp_path / "sub/y.xml", an_object("dog", (1, 1, 2, 2)))
    assert [row["file_name"] for row in truth(tmp_path)["images"]] == ["sub/y.png", "x.png"]
    told = VocFolder().plan(request(tmp_path)).warnings
    assert told[0] == "1 image has no annotation file: left out"


def test_the_image_has_the_files_name_else_the_stated_one(
    root: Path, make_images: Any, truth: Any
) -> None:
    """Tools that rename files leave <filename> as it was."""
    a_file(root / "Annotations/a.xml", filename="b.JPG")
    assert len(truth(root)["images"]) == 3
    (root / "Annotations/a.xml").unlink()
    a_file(root / "Annotations/0001.xml", filename="C:\\data\\a.png")
    assert [row["file_name"] for row in truth(root)["images"]] == ["a.png", "b.JPG", "c.png"]
    make_images(root / "JPEGImages", ["b.png"])
    a_file(root / "Annotations/b.xml", an_object("cart", (1, 1, 2, 2)), filename="b.png")
    assert [row["file_name"] for row in truth(root)["images"]] == ["a.png", "b.png", "c.png"]


def test_images_in_other_sub_folders(root: Path, make_images: Any, truth: Any) -> None:
    """One of the annotation's name is enough; two are not."""
    (root / "Annotations").rename(root / "annotations")
    make_images(root / "JPEGImages", ["train/a.png", "val/a.png"])
    assert [row["file_name"] for row in truth(root)["images"]] == ["a.png", "b.JPG", "c.png"]
    (root / "JPEGImages/a.png").unlink()
    assert refused(root).what == "a.xml has 2 images: train/a.png, val/a.png"
    (root / "JPEGImages/val/a.png").unlink()
    names = [row["file_name"] for row in truth(root)["images"]]
    assert names == ["b.JPG", "c.png", "train/a.png"]
    assert VocFolder().reads(root)


@pytest.mark.parametrize(
    ("filename", "what"),
    [
        ("gone.png", "a.xml has no image: neither a.* nor 'gone.png'"),
        ("../../../etc/passwd", "neither a.* nor 'passwd'"),
        ("x" * 5000 + ".png", "neither a.* nor 'xxx"),
        ("b.JPG", "is an annotation of b.JPG, as a.xml is"),
    ],
)
def test_an_annotation_without_its_image(root: Path, filename: str, what: str) -> None:
    (root / "JPEGImages/a.png").unlink()
    a_file(root / "Annotations/a.xml", filename=filename)
    assert what in refused(root).what


def test_the_size_must_be_the_images(root: Path) -> None:
    path = a_file(root / "Annotations/a.xml", size=(60, 40))
    error = refused(root)
    assert (error.what, error.where) == ("says 60x40, but a.png is 30x20", str(path))
    a_file(path, size=(HEIGHT, WIDTH))
    assert refused(root).what == "says 20x30, but a.png is 30x20"
    a_file(path, size=(0, 0))
    assert VocFolder().plan(request(root)).count == 3


@pytest.mark.parametrize("size", [(30, 20), (20, 30), None])
def test_boxes_of_an_image_that_exif_turns(
    root: Path, truth: Any, sideways: Callable[[Path], None], size: tuple[int, int] | None
) -> None:
    """Boxes that only fit the image as shown are of that, whatever <size> says."""
    sideways(root / "JPEGImages/b.JPG")
    whole = an_object("cart", (1, 1, 30, 20))
    a_file(root / "Annotations/b.xml", whole, size=size, database="VOC")
    data = truth(root)
    assert (data["images"][1]["width"], data["images"][1]["height"]) == (30, 20)
    assert data["annotations"][1]["bbox"] == [0, 0, 30, 20]
    # Boxes that fit what is stored alone are turned.
    upper = an_object("cart", (1, 1, 10, 30))
    a_file(root / "Annotations/b.xml", upper, size=size, database="VOC")
    assert truth(root)["annotations"][1]["bbox"] == [0, 0, 30, 10]
    (told,) = VocFolder().plan(request(root)).warnings
    assert "their boxes are of the stored pixels and were turned" in told


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<annotation>", "is not XML: no element found"),
        ("", "is not XML: no element found"),
        ("<opencv_storage/>", "its root is <opencv_storage>, not <annotation>"),
        ('<!DOCTYPE a [<!ENTITY b "cc">]><annotation>&b;</annotation>', "has a document type"),
        ("<annotation><object/></annotation>", "has no <name>"),
        ("<annotation><object><name>x</name></object></annotation>", "'x' has no <bndbox>"),
        (f"<annotation>{an_object('x', (5, 5, 4, 6))}</annotation>", "has xmax or ymax below"),
        (
            f"<annotation>{an_object('x', (1, 1, 4, 'NaN'))}</annotation>",  # type: ignore[arg-type]
            "<ymax> is 'NaN', not a number",
        ),
        (
            f"<annotation>{an_object('x', (1, 1, 4, 4), '<difficult>2</difficult>')}</annotation>",
            "<difficult> is neither 0 nor 1",
        ),
        (
            "<annotation><size><width>-1</width><height>4</height></size></annotation>",
            "has a size of width '-1' and height '4'",
        ),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', "is not XML"),
    ],
)
def test_a_wrong_file_is_named(root: Path, text: str, what: str) -> None:
    path = root / "Annotations/a.xml"
    path.write_text(text, encoding="utf-8")
    error = refused(root)
    assert what in error.what
    assert error.where.startswith(str(path))


def test_other_encodings(root: Path, truth: Any) -> None:
    text = '<?xml version="1.0" encoding="{}"?><annotation>{}</annotation>'
    for name in ("latin-1", "utf-16", "utf-8"):
        content = text.format(name, an_object("chêne", (4, 5, 10, 14)))
        (root / "Annotations/a.xml").write_bytes(content.encode(name))
        assert [row["name"] for row in truth(root)["categories"]] == ["cart", "chêne", "dog"]


@pytest.mark.parametrize("encoding", ["gb2312", "GBK", "big5", "Shift_JIS"])
def test_encodings_of_several_bytes(root: Path, truth: Any, encoding: str) -> None:
    file = a_file(root / "Annotations/a.xml", an_object("\u4eba", (4, 5, 10, 14)))
    text = f'<?xml version="1.0" encoding="{encoding}"?>{file.read_text("utf-8")}'
    file.write_bytes(text.encode(encoding))
    assert {row["name"] for row in truth(root)["categories"]} == {"\u4eba", "cart", "dog"}
    file.write_bytes(text.encode(encoding) + b"\xff")
    with pytest.raises(DataError, match="is not XML"):
        VocFolder().plan(request(root))


def test_what_is_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs annotations"):
        VocFolder().plan(request(None))
    assert "no such folder of images" in refused(root, tmp_path / "gone").what
    assert "holds no .xml file" in refused(root / "JPEGImages").what
    main = root / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "val.txt").write_text("gone\nlost\n")
    assert refused(root).what == "none of the 2 annotation files that val.txt lists is there"
    (main / "val.txt").write_text("a\n../../x\n")
    assert "lists 'x', which leads out of" in refused(root).what
    (main / "val.txt").write_text("a\ngone\n")
    assert "gone.xml has no image" in refused(root).what
    (main / "val.txt").write_text("")
    assert refused(root).what == "lists no image"
    stray = tmp_path / "stray.txt"
    stray.write_text("a")
    assert "is not a list of a Pascal VOC set" in refused(stray).what
    for path in root.glob("Annotations/*.xml"):
        a_file(path)
    assert refused(root / "Annotations").what == "has no object"


def test_what_it_reads(root: Path, tmp_path: Path) -> None:
    main = root / "ImageSets/Main"
    main.mkdir(parents=True)
    (main / "val.txt").write_text("a")
    (tmp_path / "val.txt").write_text("a")
    assert all(map(VocFolder().reads, [root, root / "Annotations", main / "val.txt"]))
    no = [root / "JPEGImages", tmp_path / "val.txt", tmp_path / "gone"]
    assert not any(map(VocFolder().reads, no))
