from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError
from zoo_core.toolkit.detection_txt import (
    TextDetection,
    one_line,
    read_detections,
    to_line,
    write_lines,
)

if TYPE_CHECKING:
    from pathlib import Path

DOG = TextDetection("dog", 0.958, (114.25, 188.0, 386.5, 536.125))
LIGHT = TextDetection("traffic light", 1e-05, (-1.5, 0.0, 3.3333, 7.0))


def write(path: Path, detections: list[TextDetection]) -> None:
    write_lines(path, [to_line(one_line(row.label), row.score, row.box) for row in detections])


def test_labels_with_blanks_survive_and_numbers_are_equal(tmp_path: Path) -> None:
    path = tmp_path / "dog.txt"
    write(path, [DOG, LIGHT])
    first, second = path.read_text().splitlines()
    assert first == "dog 0.958 114.25 188.0 386.5 536.125"
    assert second.startswith("traffic light 1e-05 -1.5 0.0 3.3333 7.0")
    assert read_detections(path) == [DOG, LIGHT]


def test_nothing_found_is_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "none.txt"
    write(path, [])
    assert path.read_bytes() == b""
    assert read_detections(path) == []


def test_vendor_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(b"hot dog 0.5 1 2 3 4 \r\n\r\nperson 1 0 0 2 2")
    assert [item.label for item in read_detections(path)] == ["hot dog", "person"]


def test_a_label_cannot_break_the_line(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write(path, [TextDetection("a\n b\t c", 0.5, (1.0, 2.0, 3.0, 4.0))])
    assert read_detections(path)[0].label == "a b c"


@pytest.mark.parametrize(
    "line",
    ["0.5 1 2 3 4", "dog 0.5 1 2 3", "dog 0.5 1 2 3 x", "dog nan 1 2 3 4", "dog 0.5 1 2 inf 4"],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(f"dog 0.5 1 2 3 4\n{line}\n")
    with pytest.raises(DataError, match=r"not a line `label score") as caught:
        read_detections(path)
    assert caught.value.where == f"{path}:2"


def test_an_editor_may_add_a_byte_order_mark(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "a.txt").write_bytes("car 0.5 1 2 3 4\n".encode(encoding))
        assert read_detections(tmp_path / "a.txt")[0].label == "car"


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_detections(tmp_path / "absent.txt")
    (tmp_path / "bin.txt").write_bytes(b"\xe9 0.5 1 2 3 4")
    with pytest.raises(DataError, match="not UTF-8"):
        read_detections(tmp_path / "bin.txt")
