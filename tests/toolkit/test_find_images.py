"""Images below a folder: those that an annotation file lists, and those that a person names."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from zoo_core.errors import DataError
from zoo_core.toolkit.image_files import find_images, gather_images

PNG = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes()


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG)
    return folder


def names_of(folder: Path, *listed: str) -> tuple[list[str], tuple[str, ...]]:
    found = find_images(folder, listed, "truth.json")
    assert found.paths == [folder / name for name in found.names]
    assert all(path.is_file() for path in found.paths)
    return found.names, found.warnings


def test_names_are_taken_where_they_say(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "val/a.png", "val/b%20c.png")
    listed = ("val/a.png", "a.png", "val/b%20c.png")
    assert names_of(tmp_path, *listed) == (list(listed), ())


@pytest.mark.parametrize(
    ("listed", "name", "rule"),
    [
        ("images/a b.png", "a b.png", "by the end of their path"),
        ("home/me/data/images/a b.png", "a b.png", "by the end of their path"),
        ("C:/Users/me/a b.png", "a b.png", "by the end of their path"),
        ("https:/host/a%20b.png", "a b.png", "by the end of their path"),
        ("a%20b.png", "a b.png", "by reading % as a web address does"),
        ("0a1b2c3d-a b.png", "a b.png", "without the prefix of Label Studio"),
        ("data/upload/3/0a1b2c3d-a b.png", "a b.png", "by the end of their path"),
        ("data/local-files/?d=x%2Fa%20b.png", "a b.png", "by the end of their path"),
        ("c.png", "Train/Data/c.png", "by their file name"),
        ("other/Data/c.png", "Train/Data/c.png", "by their file name"),
        ("A B.PNG", "a b.png", "by their file name"),
        ("e\u0301.png", "\u00e9.png", "by their file name"),
    ],
)
def test_what_tools_write_is_found_and_said(
    tmp_path: Path, listed: str, name: str, rule: str
) -> None:
    folder = put(tmp_path / "images", "a b.png", "Train/Data/c.png", "\u00e9.png")
    found, (warning,) = names_of(folder, listed)
    assert found == [name]
    told = f"1 of 1 images were found {rule}: file_name '{listed}' is {name} in {folder}"
    assert warning == told


def test_spellings_differ_beside_names_that_do_not(tmp_path: Path) -> None:
    """Accents are composed by one system and not by another; plain names are the same on both."""
    put(tmp_path, "a.png", "x/\u00e9.png", "b.png", "y/d.png", "z/c.png", "z/C.png")
    found, (warning,) = names_of(tmp_path, "a.png", "x/e\u0301.png", "B.PNG")
    assert found == ["a.png", "x/\u00e9.png", "b.png"]
    assert warning.startswith("2 of 3 images were found in another spelling")
    for other in ("x/d.png", "d.png", "z/c.PNG"):
        with pytest.raises(DataError, match="1 of 2 images"):
            find_images(tmp_path, ["a.png", other], "truth.json")


@pytest.mark.parametrize("scheme", ["", "file:/"])
def test_whole_paths_beside_relative_ones(tmp_path: Path, scheme: str) -> None:
    put(tmp_path, "a.png", "x/b.png")
    whole = scheme + (tmp_path / "x/b.png").as_posix().lstrip("/")
    found, (warning,) = names_of(tmp_path, "a.png", whole)
    assert found == ["a.png", "x/b.png"]
    assert warning.startswith("1 of 2 images were found by their whole path")


def test_one_warning_for_each_rule(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b c.png", "d e.png")
    found, (warning,) = names_of(tmp_path, "a.png", "b%20c.png", "d%20e.png")
    assert found == ["a.png", "b c.png", "d e.png"]
    assert warning.startswith("2 of 3 images were found by reading %")


def test_of_equal_names_the_one_whose_path_agrees_is_taken(tmp_path: Path) -> None:
    put(tmp_path, "x/train/a.png", "x/val/a.png", "y/val/b.png")
    assert names_of(tmp_path, "old/val/a.png")[0] == ["x/val/a.png"]
    with pytest.raises(
        DataError, match=r"holds 2 files of the name that 'a\.png' could be"
    ) as error:
        names_of(tmp_path, "a.png")
    assert "x/train/a.png, x/val/a.png" in error.value.what


def test_a_missing_image_is_never_another_of_its_name(tmp_path: Path) -> None:
    """Where other images are where their names say, the names are right."""
    put(tmp_path, "val/b.png", "train/a.png", "a.png")
    with pytest.raises(DataError, match=r"1 of 2 images that truth\.json lists are missing"):
        names_of(tmp_path, "val/b.png", "val/a.png")


def test_the_folder_of_another_split_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path, "train/a.png", "val/a.png") / "train"
    with pytest.raises(DataError, match="is the annotation of another data set") as error:
        names_of(folder, "val/a.png")
    assert error.value.next == f"give --images {tmp_path}: its val/a.png is there"
    assert error.value.where == "truth.json"


def test_two_names_never_become_one_file(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"'x/a\.png' and 'y/a\.png' are both a\.png"):
        names_of(tmp_path, "x/a.png", "y/a.png")
    assert names_of(tmp_path, "a.png", "a.png")[0] == ["a.png", "a.png"]


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 3000 + "a", "%61" * 2000])
def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a.png")
    with pytest.raises(DataError, match="1 of 2 images"):
        names_of(tmp_path, "a.png", name)
    with pytest.raises(DataError, match="another data set"):
        names_of(tmp_path, name)
    (tmp_path / "list.txt").write_text(name)
    with pytest.raises(DataError, match="lists a file that is not there"):
        gathered(tmp_path / "list.txt")
    with pytest.raises(DataError, match="no such image or folder"):
        gathered(tmp_path / name)


@pytest.mark.parametrize("listed", ["%2e%2e/secret.png", "x%2F..%2F..%2Fsecret.png", "a\0.png"])
def test_no_file_outside_the_folder_is_found(tmp_path: Path, listed: str) -> None:
    folder = put(tmp_path, "images/a.png", "secret.png") / "images"
    with pytest.raises((DataError, ValueError)):
        names_of(folder, listed)


def test_links_to_folders_are_not_searched(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "elsewhere/b.png")
    (tmp_path / "images" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="another data set"):
        names_of(tmp_path / "images", "b.png")


# what a person names


def gathered(*places: Path) -> list[str]:
    return gather_images(places).names


def test_a_folder_is_read_with_its_sub_folders(tmp_path: Path) -> None:
    put(tmp_path, "b.png", "sub/a.png", "sub/deep/c.png", ".hidden/d.png", ".e.png")
    found = gather_images([tmp_path])
    assert found.names == ["b.png", "sub/a.png", "sub/deep/c.png"]
    assert found.warnings == ()


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.dng", "c.dng", "d.heic", "e", "a.txt", "a.xml", "elsewhere/f.png")
    put(tmp_path / "out", "pictures/a.png", ".zoo-files.json")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    first, second = gather_images([tmp_path]).warnings
    assert gathered(tmp_path) == ["a.png", "elsewhere/f.png"]
    ending = "2 .dng, 1 .heic, 1 without an ending"
    assert first == f"files left out of {tmp_path}: {ending}"
    assert second.endswith(f"left out of {tmp_path}: 2 (link, out)")


@pytest.mark.parametrize("ending", ["jfif", "gif", "mpo", "jp2", "pbm", "JPG", "tiff"])
def test_all_formats_that_can_be_read_count(tmp_path: Path, ending: str) -> None:
    put(tmp_path, f"a.{ending}")
    assert gathered(tmp_path) == [f"a.{ending}"]


def test_several_places_are_one_set(tmp_path: Path) -> None:
    put(tmp_path, "x/a.png", "y/a.png", "y/b.png")
    assert gathered(tmp_path / "y", tmp_path / "x" / "a.png") == ["y/a.png", "y/b.png", "x/a.png"]
    assert gathered(tmp_path / "x" / "a.png", tmp_path / "x") == ["a.png"]
    assert gathered(tmp_path / "x" / "a.png") == ["a.png"]


def test_a_pattern(tmp_path: Path) -> None:
    put(tmp_path, "x/a.png", "x/b.jpg", "y/a.png", "x/c.txt", "x/d.heic")
    assert gathered(tmp_path / "x" / "*.png") == ["a.png"]
    assert gathered(tmp_path / "**" / "a.*") == ["x/a.png", "y/a.png"]
    assert gather_images([tmp_path / "x" / "*"]).warnings == (
        f"files left out of {tmp_path / 'x' / '*'}: 1 .heic",
    )
    with pytest.raises(DataError, match="matches no file"):
        gathered(tmp_path / "*.png")
    put(tmp_path, "[1].png")
    assert gathered(tmp_path / "[1].png") == ["[1].png"]


def test_a_list_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As darknet's train.txt and valid.txt: absolute, or relative to the list or to here."""
    put(tmp_path, "data/x/a.png", "data/b.png", "here/c.png")
    monkeypatch.chdir(tmp_path / "here")
    listing = tmp_path / "data" / "valid.txt"
    lines = ["\ufeff./x/a.png", "", "# none", f"{tmp_path}/data/b.png ", "c.png", "./x/a.png"]
    listing.write_text("\r\n".join(lines), encoding="utf-8")
    assert gathered(listing) == ["data/x/a.png", "data/b.png", "here/c.png"]
    listing.write_text("absent.png\n")
    with pytest.raises(DataError, match=r"valid\.txt: lists a file that is not there: absent\.png"):
        gathered(listing)
    listing.write_text("\n")
    with pytest.raises(DataError, match="lists no image"):
        gathered(listing)


def test_a_named_file_is_taken_for_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, "photo", "photo.bin", "raw.dng")
    assert gathered(tmp_path / "photo") == ["photo"]
    assert gathered(tmp_path / "photo.bin") == ["photo.bin"]
    (tmp_path / "clip.mp4").write_bytes(b"x")
    (tmp_path / "notes.md").write_text("no image")
    for name, message in (
        ("raw.dng", "is not an image by its name"),
        ("notes.md", "is not an image by its name"),
        ("clip.mp4", "is a video, which zoo does not read"),
    ):
        with pytest.raises(DataError, match=message):
            gathered(tmp_path / name)


def test_nothing_to_read(tmp_path: Path) -> None:
    put(tmp_path, "only/a.heic")
    with pytest.raises(DataError, match=r"only: holds no image; it has 1 \.heic"):
        gathered(tmp_path / "only")
    with pytest.raises(DataError, match="no such image or folder"):
        gathered(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="no such image or folder"):
        gathered(tmp_path / "pipe.png")


def test_two_ways_to_one_file_are_one_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "x", "a.png", "y/b.png")
    (folder / "list.txt").write_text("a.png\n../x/a.png\n")
    places = [folder / "a.png", folder / "../x/a.png", folder / "y/../*.png", folder / "list.txt"]
    assert gather_images(places).names == ["a.png"]
    monkeypatch.chdir(folder / "y")
    assert gather_images([Path("..")]).names == ["a.png", "y/b.png"]


def test_a_pattern_in_a_folder_that_looks_like_one(tmp_path: Path) -> None:
    folder = put(tmp_path / "photos [2024]", "a.png", "b.png")
    assert gather_images([folder / "*.png"]).names == ["a.png", "b.png"]
    assert gather_images([folder / "[b]*"]).names == ["b.png"]
    with pytest.raises(DataError, match="matches no file; looked in") as caught:
        gather_images([folder / "none" / "*.png"])
    assert caught.value.next == f"looked in {folder}"


@pytest.mark.parametrize("pattern", ["", "*.png"])
def test_broken_links_are_said(tmp_path: Path, pattern: str) -> None:
    put(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("gone.png")
    found = gather_images([tmp_path / pattern])
    assert found.names == ["a.png"]
    told = "1 .png that are not files (broken links?)"
    assert found.warnings[0].endswith(told)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError) as caught:
        gather_images([tmp_path / pattern])
    assert told in caught.value.what


def test_a_list_in_the_form_of_windows(tmp_path: Path) -> None:
    put(tmp_path, "x/a.png", "x/b c.png", "odd\\d.png")
    lines = (".\\x\\a.png", '"x\\b c.png"', "odd\\d.png")
    (tmp_path / "list.txt").write_text("\r\n".join(lines), encoding="utf-8-sig")
    found = gather_images([tmp_path / "list.txt"])
    assert found.names == ["x/a.png", "x/b c.png", "odd\\d.png"]
