from __future__ import annotations

import dataclasses
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from zoo_core.errors import DataError, StageError, UsageError
from zoo_core.vision import headers, image, image_size, read_rgb, write_image
from zoo_core.vision.headers import has_its_end, orientation, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR = headers.Header("", 0, 0, 0, -1)
CMYK = Path(__file__).parents[1] / "data" / "vision" / "cmyk.jpg"


def picture(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Smooth, without symmetry, so that JPEG keeps it and rotations show."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / width, y * 255 / height, (x + y) * 255 / (height + width)]
    return np.stack(planes, -1).astype(np.uint8)


def encoded(ending: str, rgb: NDArray[Any], *options: int) -> bytes:
    source = rgb[..., ::-1] if rgb.ndim == 3 and rgb.shape[2] == 3 else rgb
    done, data = cv2.imencode(ending, source, list(options))
    assert done
    return data.tobytes()


JPEG = encoded(".jpg", picture(), cv2.IMWRITE_JPEG_QUALITY, 95)


def tiff(value: int, order: str = "<") -> bytes:
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    other = struct.pack(f"{order}HHIHH", 0x0100, 3, 1, 7, 0)
    return (
        start
        + struct.pack(f"{order}H", 2)
        + other
        + struct.pack(f"{order}HHIHHI", 0x0112, 3, 1, value, 0, 0)
    )


def with_exif(value: int, order: str = "<") -> bytes:
    block = b"Exif\0\0" + tiff(value, order)
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + JPEG[2:]


def turned(rgb: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
    """What an EXIF orientation asks for."""
    ways: dict[int, NDArray[np.uint8]] = {
        1: rgb,
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.transpose(1, 0, 2),
        6: np.rot90(rgb, -1),
        7: rgb[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(rgb),
    }
    return ways[value]


def saved(folder: Path, data: bytes, name: str = "image.jpg") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def near(found: NDArray[np.uint8], expected: NDArray[Any], by: float = 4.0) -> None:
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected.astype(int)).mean() < by


GIF = cv2.haveImageWriter("a.gif")
"""OpenCV reads and writes GIF from 4.11 on."""

FORMATS = [".jpg", ".png", ".bmp", ".webp", ".tif", *[".gif"] * GIF, ".jp2", ".ppm"]


@pytest.mark.parametrize("ending", FORMATS)
def test_formats_become_rgb(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path, encoded(ending, picture()), "misnamed.jpg")
    near(read_rgb(path), picture(), 25.0 if ending == ".gif" else 4.0)
    assert image_size(path) == (48, 64)


def test_progressive_jpeg(tmp_path: Path) -> None:
    data = encoded(".jpg", picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert has_its_end(data)
    near(read_rgb(saved(tmp_path, data)), picture())


def test_cmyk_jpeg() -> None:
    rgb = read_rgb(CMYK)
    y, x = np.mgrid[0:48, 0:64]
    near(rgb, np.stack([x * 4, y * 5, (x + y) * 2], -1))
    assert image_size(CMYK) == (48, 64)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_grey(tmp_path: Path, ending: str) -> None:
    grey = picture()[..., 2]
    near(read_rgb(saved(tmp_path, encoded(ending, grey))), np.stack([grey] * 3, -1))


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("white", [15, 100, 255, 1023, 65535])
@pytest.mark.parametrize("grey", [False, True])
def test_a_pnm_s_own_white_is_255(tmp_path: Path, white: int, grey: bool, text: bool) -> None:
    """By the format's rule value / white, computed here; the last number may end the file."""
    rgb = picture()[..., [0, 0, 0]] if grey else picture()
    values = np.rint(rgb.astype(float) * white / 255).astype(int)
    plain = values[..., 0] if grey else values
    kind = {(True, True): 2, (False, True): 3, (True, False): 5, (False, False): 6}[grey, text]
    head = b"P%d\n# a comment\n64 48 %d\n" % (kind, white)
    body = plain.astype(">u2" if white > 255 else "u1").tobytes()
    if text:
        body = b" ".join(b"%d" % value for value in plain.ravel())
    path = saved(tmp_path, head + body, "a.pnm")
    assert image_size(path) == (48, 64)
    assert np.abs(read_rgb(path).astype(float) - values * 255 / white).max() <= 1


def test_sixteen_bits(tmp_path: Path) -> None:
    deep = picture().astype(np.uint16) * 257
    near(read_rgb(saved(tmp_path, encoded(".png", deep))), picture(), 1.0)
    near(read_rgb(saved(tmp_path, encoded(".png", deep[..., 0]))), picture()[..., [0, 0, 0]], 1.0)


def test_transparency_is_dropped(tmp_path: Path) -> None:
    bgra = np.dstack([picture()[..., ::-1], np.full((48, 64), 9, np.uint8)])
    assert (read_rgb(saved(tmp_path, encoded(".png", bgra))) == picture()).all()


def palette_png() -> tuple[bytes, NDArray[np.uint8]]:
    """4 x 2 pixels that index a palette of three colours."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    colours = np.array([[255, 0, 0], [0, 200, 10], [3, 4, 250]], np.uint8)
    index = np.array([[0, 1, 2, 0], [2, 2, 1, 0]], np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in index)
    header = struct.pack(">IIBBBBB", 4, 2, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(rows))]
    data = b"".join(chunk(*item) for item in [*chunks, (b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + data, colours[index]


def test_palette(tmp_path: Path) -> None:
    data, expected = palette_png()
    assert (read_rgb(saved(tmp_path, data)) == expected).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_exif_rotation(tmp_path: Path, value: int, order: str) -> None:
    path = saved(tmp_path, with_exif(value, order))
    plain = read_rgb(saved(tmp_path, JPEG, "plain.jpg"))
    assert (read_rgb(path) == turned(plain, value)).all()
    assert (read_rgb(path, exif=False) == plain).all()
    assert image_size(path) == turned(plain, value).shape[:2]
    assert image_size(path, exif=False) == (48, 64)
    assert orientation(path.read_bytes()) == value


def test_an_annotation_of_the_stored_image_wins_over_rotation(tmp_path: Path) -> None:
    path = saved(tmp_path, with_exif(6))
    plain = read_rgb(saved(tmp_path, JPEG, "plain.jpg"))
    assert (read_rgb(path, expect=(64, 48)) == turned(plain, 6)).all()
    assert (read_rgb(path, expect=(48, 64)) == plain).all()


@pytest.mark.parametrize("expect", [(64, 48), (48, 65)])
def test_another_size_than_annotated(tmp_path: Path, expect: tuple[int, int]) -> None:
    path = saved(tmp_path, JPEG)
    with pytest.raises(DataError, match=r"image\.jpg.*is 64x48, but its annotation says"):
        read_rgb(path, expect=expect)


def test_without_rotation_only_the_stored_size_counts(tmp_path: Path) -> None:
    path = saved(tmp_path, with_exif(6))
    assert read_rgb(path, expect=(48, 64), exif=False).shape == (48, 64, 3)
    with pytest.raises(DataError, match="annotation"):
        read_rgb(path, expect=(64, 48), exif=False)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.995])
def test_cut_off_files_are_refused(tmp_path: Path, ending: str, share: float) -> None:
    data = encoded(ending, np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8))
    path = saved(tmp_path, data[: int(len(data) * share)], f"cut{ending}")
    with pytest.raises(DataError, match=rf"cut\{ending}: "):
        read_rgb(path)


def noise(height: int = 40, width: int = 56) -> NDArray[np.uint8]:
    """A picture every part of which must be decoded to be right."""
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("tail", [b"", b"\xff", b"\0" * 600])
@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(
    tmp_path: Path, options: tuple[int, ...], tail: bytes
) -> None:
    data = encoded(".jpg", noise(), *options)
    whole = read_rgb(saved(tmp_path, data, "whole.jpg"))
    cut = saved(tmp_path, data[:-2] + tail)
    assert not has_its_end(cut.read_bytes())
    assert (read_rgb(cut) == whole).all()
    assert image_size(cut) == (40, 56)


@pytest.mark.parametrize("tail", [b"", b"\0" * 600])
@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
@pytest.mark.parametrize("lost", [5, 9, 20, 300])
def test_a_jpeg_that_lacks_any_of_its_picture_is_refused(
    tmp_path: Path, options: tuple[int, ...], lost: int, tail: bytes
) -> None:
    data = encoded(".jpg", noise(), *options)
    with pytest.raises(DataError, match=r"image\.jpg: is truncated"):
        read_rgb(saved(tmp_path, data[:-lost] + tail))


@pytest.mark.parametrize("quality", [30, 90])
@pytest.mark.parametrize("pixels", [noise(), picture()], ids=["noise", "smooth"])
def test_a_jpeg_is_refused_wherever_it_is_cut(
    tmp_path: Path, pixels: NDArray[np.uint8], quality: int
) -> None:
    data = encoded(".jpg", pixels, cv2.IMWRITE_JPEG_QUALITY, quality)
    for lost in range(3, 60):
        with pytest.raises(DataError, match="is truncated"):
            read_rgb(saved(tmp_path, data[:-lost]))


def test_a_progressive_jpeg_that_lacks_a_scan_is_refused(tmp_path: Path) -> None:
    data = encoded(".jpg", noise(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    tables = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xc4"]
    assert len(scans) > 3
    for stop in (max(place for place in tables if place < scans[-1]), scans[-1]):
        with pytest.raises(DataError, match="is truncated"):
            read_rgb(saved(tmp_path, data[:stop]))


@pytest.mark.parametrize("lost", [1, 12, 15])
def test_a_png_whose_pixels_are_all_there_is_read(tmp_path: Path, lost: int) -> None:
    """Without the last chunk, and without the check of the last but one."""
    data = encoded(".png", noise())
    cut = saved(tmp_path, data[:-lost], "cut.png")
    assert not has_its_end(cut.read_bytes())
    assert (read_rgb(cut) == noise()).all()


@pytest.mark.parametrize("ending", [".png", *[".gif"] * GIF])
def test_a_file_that_is_cut_in_its_picture_is_told_as_such(tmp_path: Path, ending: str) -> None:
    data = encoded(ending, noise())
    with pytest.raises(DataError, match="is truncated before the image's end"):
        read_rgb(saved(tmp_path, data[: len(data) // 2]))


@pytest.mark.skipif(not GIF, reason="this OpenCV has no GIF")
def test_a_gif_without_its_last_byte_is_read(tmp_path: Path) -> None:
    data = encoded(".gif", picture())
    assert (
        read_rgb(saved(tmp_path, data[:-1], "cut.gif")) == read_rgb(saved(tmp_path, data, "a.gif"))
    ).all()
    assert has_its_end(data)
    assert not has_its_end(data[:-1])


def test_the_end_marker_of_a_thumbnail_does_not_count() -> None:
    thumbnail = b"Exif\0\0" + JPEG
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    data = JPEG[:2] + segment + JPEG[2:]
    assert has_its_end(data)
    assert has_its_end(data + b"rubbish after the end")
    assert not any(has_its_end(data[:stop]) for stop in range(2, len(data), 7))
    header = read_header(data)
    assert header is not None
    assert (header.height, header.width) == (48, 64)


def test_an_end_without_a_scan_is_not_a_picture() -> None:
    assert not has_its_end(b"\xff\xd8\xff\xd9")


def test_restart_markers_and_fill_bytes_are_part_of_the_picture(tmp_path: Path) -> None:
    data = encoded(".jpg", picture(), cv2.IMWRITE_JPEG_RST_INTERVAL, 1)
    assert any(bytes([0xFF, 0xD0 + n]) in data for n in range(8))
    assert has_its_end(data)
    filled = data[:-2] + b"\xff\xff\xff\xd9"
    assert has_its_end(filled)
    near(read_rgb(saved(tmp_path, filled)), picture())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is an empty file"),
        (b"<!DOCTYPE html><html></html>", "cannot be decoded as an image"),
        (b"\xff\xd8", "is truncated"),
        (b"\x89PNG\r\n\x1a\n", "cannot be decoded as an image"),
        (bytes(range(256)) * 20, "cannot be decoded as an image"),
    ],
)
def test_what_is_not_an_image(tmp_path: Path, data: bytes, message: str) -> None:
    path = saved(tmp_path, data, "odd.jpg")
    for read in (read_rgb, image_size):
        with pytest.raises(DataError, match=rf"odd\.jpg: {message}"):
            read(path)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: cannot be read: No such file"):
        read_rgb(tmp_path / "gone.jpg")
    with pytest.raises(DataError, match="is a folder, not a file"):
        image_size(tmp_path)


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that is asked for anything fails the test."""

    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("ending", FORMATS)
def test_the_limit_holds_for_every_format_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = saved(tmp_path, encoded(ending, picture(40, 60)), f"a{ending}")
    monkeypatch.setattr(image, "_MAX_PIXELS", 2399)
    for read in (read_rgb, image_size):
        with pytest.raises(DataError, match="60x40 is more than"):
            read(path)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("ending", FORMATS)
def test_a_header_that_promises_more_than_its_file_holds_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = saved(tmp_path, encoded(ending, picture(200, 300)), f"a{ending}")
    monkeypatch.setattr(image, "_FREE_PIXELS", 0)
    header = dataclasses.replace(read_header(path.read_bytes()) or FAR, per_byte=0)
    monkeypatch.setattr(image, "read_header", lambda _: header)
    with pytest.raises(DataError, match=r"promises 300x200 pixels, more than \d+ bytes of"):
        read_rgb(path)


@pytest.mark.parametrize(
    ("ending", "per_byte"),
    [(".bmp", 8), (".ppm", 8), (".png", 8192), (".jpg", 8192), (".jp2", 8192), (".webp", 8192)],
)
def test_what_a_byte_can_hold_goes_by_the_format(ending: str, per_byte: int) -> None:
    assert (read_header(encoded(ending, picture())) or FAR).per_byte == per_byte


def test_a_tiff_s_tile_counts_as_its_sides_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder makes room for a whole tile, however small the image is."""
    tags = [(256, 3), (257, 2), (259, 5), (277, 3), (322, 400), (323, 500)]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4)
    header = read_header(data)
    assert header is not None
    assert (header.height, header.width, header.pixels, header.per_byte) == (2, 3, 200_000, 8192)
    monkeypatch.setattr(image, "_MAX_PIXELS", 199_999)
    with pytest.raises(DataError, match="3x2 is more than"):
        read_rgb(saved(tmp_path, data, "a.tif"))


def test_more_jpeg_2000_tiles_than_bytes_are_no_image() -> None:
    data = bytearray(encoded(".jp2", picture()))
    assert read_header(bytes(data))
    place = data.index(b"\xff\x4f\xff\x51") + 24
    data[place : place + 8] = struct.pack(">II", 1, 1)
    assert read_header(bytes(data)) is None


@pytest.mark.usefixtures("undecoded")
def test_a_format_whose_size_is_not_read_is_not_decoded(tmp_path: Path) -> None:
    for ending in (".hdr", ".ras", ".avif"):
        if cv2.haveImageWriter(f"a{ending}"):
            with pytest.raises(DataError, match="unknown format"):
                read_rgb(saved(tmp_path, encoded(ending, picture()), f"a{ending}"))


@pytest.mark.parametrize("way", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("value", range(1, 9))
def test_rotation_is_that_of_another_reader(tmp_path: Path, way: str, value: int) -> None:
    """Pillow writes the file and turns it."""
    exif = Image.Exif()
    exif[0x0112] = value
    path = tmp_path / "image"
    options = {"lossless": True} if way == "WEBP" else {}
    Image.fromarray(picture()).save(path, way, exif=exif, **options)
    with Image.open(path) as opened:
        assert opened.getexif()[0x0112] == value
        shown, stored = np.asarray(ImageOps.exif_transpose(opened)), np.asarray(opened)
    near(read_rgb(path), shown, 4.0 if way == "JPEG" else 0.1)
    assert image_size(path) == shown.shape[:2]
    if way != "TIFF":  # Pillow turns a TIFF while it opens it
        near(read_rgb(path, exif=False), stored, 4.0 if way == "JPEG" else 0.1)
    near(read_rgb(path, exif=False), picture(), 4.0 if way == "JPEG" else 0.1)
    assert image_size(path, exif=False) == (48, 64)


def test_one_pixel_and_twenty_megapixels(tmp_path: Path) -> None:
    one = saved(tmp_path, encoded(".jpg", np.full((1, 1, 3), 200, np.uint8)))
    assert read_rgb(one, expect=(1, 1)).shape == (1, 1, 3)
    large = saved(tmp_path, encoded(".jpg", np.full((3648, 5472, 3), 90, np.uint8)), "large.jpg")
    assert read_rgb(large).shape == (3648, 5472, 3)
    assert image_size(large) == (3648, 5472)


def test_size_behind_a_long_header(tmp_path: Path) -> None:
    profile = b"\xff\xe2" + struct.pack(">H", 65_000) + bytes(64_998)
    path = saved(tmp_path, JPEG[:2] + profile * 3 + JPEG[2:])
    assert image_size(path) == (48, 64)
    assert read_rgb(path).shape == (48, 64, 3)


@pytest.mark.parametrize("block", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", tiff(9), tiff(6)[:20]])
def test_a_damaged_exif_block_means_no_rotation(block: bytes) -> None:
    body = b"Exif\0\0" + block
    data = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + JPEG[2:]
    assert orientation(data) == 1


@pytest.mark.parametrize("ending", [".png", ".bmp", ".jpg"])
def test_write_and_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    path.write_bytes(b"old")
    write_image(path, picture())
    near(read_rgb(path), picture(), 4.0 if ending == ".jpg" else 0.1)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failed_write_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [OSError(28, "No space left on device"), OSError(5, "Input/output error")]

    def fail(self: Path, target: Path) -> Path:
        raise errors.pop(0)

    path = saved(tmp_path, b"old", "out.png")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):  # the core tells of a full disk
        write_image(path, picture())
    with pytest.raises(StageError, match=r"out\.png: cannot be written: Input/output error"):
        write_image(path, picture())
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_that_is_not_text_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "\udcff\udcfe.png"
    write_image(path, picture())
    near(read_rgb(path), picture(), 0.1)
    with pytest.raises(UsageError, match="cannot write"):
        write_image(tmp_path / "a.\udcff", picture())


def test_write_to_nowhere(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot be written"):
        write_image(tmp_path / "none" / "a.png", picture())
    with pytest.raises(UsageError, match=r"cannot write a '\.txt'"):
        write_image(tmp_path / "a.txt", picture())


def test_importing_vision_imports_no_opencv() -> None:
    program = "import sys, zoo_core.vision; print('cv2' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is not set")
def test_every_real_photo_is_whole_and_of_its_header_s_size() -> None:
    root = Path(os.environ["ZOO_TEST_DATA"])
    photos = sorted((root / "coco-val2017-128" / "images").iterdir())
    photos += sorted((root / "coco-train2017-64" / "images").iterdir())
    assert len(photos) >= 192
    assert all(has_its_end(path.read_bytes()) for path in photos)
    for path in photos[::16]:
        assert read_rgb(path).shape == (*image_size(path), 3)


@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is not set")
def test_half_a_real_photo_is_refused(tmp_path: Path) -> None:
    data = (Path(os.environ["ZOO_TEST_DATA"]) / "photos" / "dog.jpg").read_bytes()
    with pytest.raises(DataError, match="is truncated"):
        read_rgb(saved(tmp_path, data[: len(data) // 2]))
