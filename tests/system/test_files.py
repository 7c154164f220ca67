from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from zoo_core.errors import DataError
from zoo_core.system.files import (
    add_json_line,
    copy_file,
    kind_of,
    read_json_lines,
    read_limited,
    read_text,
    replacing,
    temporary_folder,
    write_json,
    write_text,
)


def test_the_new_file_appears_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("half")
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "text")
    finally:
        os.umask(umask)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a"):
        pass


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("n" * 255), "text")
    assert (tmp_path / ("n" * 255)).read_text() == "text"


def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    for text in ("first", "second"):
        write_text(link, text)
        assert link.is_symlink()
        assert target.read_text() == text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_stays_and_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(pipe.read_text()), daemon=True)
    reader.start()
    write_json(pipe, {"a": 1})
    reader.join(10)
    assert [json.loads(text) for text in texts] == [{"a": 1}]
    assert pipe.is_fifo()


def test_a_device_is_written_through() -> None:
    write_text(Path(os.devnull), "text")
    assert Path(os.devnull).is_char_device()


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "folder", "text")


def test_file_names_of_any_bytes_can_be_recorded(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "\udcff")
    assert (tmp_path / "a.txt").read_text() == "\\udcff"


def test_a_copy_has_the_source_s_permissions(tmp_path: Path) -> None:
    source, target = tmp_path / "run.sh", tmp_path / "copy.sh"
    source.write_text("exit")
    source.chmod(0o750)
    copy_file(source, target)
    assert target.read_text() == "exit"
    assert target.stat().st_mode & 0o777 == 0o750


def test_a_journal_is_read_without_lines_that_were_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    assert read_json_lines(path) == []
    for number in (1, 2):
        add_json_line(path, {"number": number})
    with path.open("ab") as stream:
        stream.write(b'[3]\n\xff\n{"number": 4}\n{"numb')
    assert read_json_lines(path) == [{"number": 1}, {"number": 2}, {"number": 4}]


def test_a_temporary_folder_goes_with_what_is_left_in_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), temporary_folder(tmp_path) as folder:
        (folder / "sub").mkdir()
        (folder / "kept").write_text("text")
        (folder / "kept").rename(tmp_path / "kept")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\x03\x04...", "a zip archive (PyTorch checkpoints are zip files)"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>", "an HTML page"),
        (b"<?xml?><html>", "an HTML page"),
        (b"<?xml?><svg>", "a JSON or XML text"),
        (b' {"a": 1}', "a JSON or XML text"),
        (b"{\x00\x01", None),
        (b"\x80\x02}q", "a Python pickle"),
        (b"\x80\x02\x00", None),
        (b"\x08\x07", None),
        (b"", None),
    ],
)
def test_kinds_are_recognised_by_the_first_bytes(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


def test_a_pipe_a_folder_and_a_device_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    """None of them must be opened: the pipe would wait, /dev/zero has no end."""
    os.mkfifo(tmp_path / "pipe")
    kinds = {tmp_path / "pipe": "a pipe", tmp_path: "a folder", Path("/dev/zero"): "a device"}
    for path, kind in kinds.items():
        with pytest.raises(DataError, match=f"is {kind}, not a file"):
            read_limited(path)


@pytest.mark.parametrize("name", ["missing", "x" * 300, "zero\0byte", "file/below"])
def test_a_name_that_cannot_be_opened_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be read"):
        read_limited(tmp_path / name)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")

    assert read_limited(path, 5) == b"12345"
    with pytest.raises(DataError, match="has 5 bytes, more than 4"):
        read_limited(path, 4)


def test_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbfperson")
    assert read_text(path) == "person"
    path.write_bytes("person".encode("utf-16"))
    assert read_text(path) == "person"
    path.write_bytes("café".encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8 text"):
        read_text(path)
