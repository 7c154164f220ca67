from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError
from zoo_core.system.files import read_text
from zoo_core.system.names_file import read_names

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("person", "traffic light", "café")
LINES = "\n".join(NAMES) + "\n"


def put(tmp_path: Path, data: bytes | str, name: str = "my.names") -> Path:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    "data",
    [
        LINES.encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        LINES.replace("\n", "\r\n").encode("utf-8-sig"),
        LINES.encode("utf-16"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
        LINES.encode("utf-32"),
    ],
    ids=["plain", "mark", "windows", "utf-16", "utf-16-be", "utf-32"],
)
def test_names_are_those_of_the_file_whatever_its_encoding(tmp_path: Path, data: bytes) -> None:
    assert read_names(put(tmp_path, data)) == NAMES


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (LINES.encode("latin-1"), r"is not UTF-8 text \(byte 0xe9 at position 24\); .* Latin-1"),
        (LINES.encode("utf-16-le"), "zero bytes: it is not text, or UTF-16 without a byte-order"),
        (codecs.BOM_UTF16_LE + b"a", "is damaged UTF-16"),
    ],
)
def test_another_encoding_is_told_by_name(tmp_path: Path, data: bytes, told: str) -> None:
    path = put(tmp_path, data)
    with pytest.raises(DataError, match=told) as caught:
        read_text(path)
    assert caught.value.where == str(path)
    assert caught.value.next == "save it as UTF-8"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_text(tmp_path / "absent.names")
    with pytest.raises(DataError, match="cannot be read as class names: No such file"):
        read_names(tmp_path / "absent.names")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\n".join(f"'{name}'" for name in NAMES), "quotes.names"),
        ("\n".join(f'  "{name}",' for name in NAMES), "commas.txt"),
        ("\n".join(f"{n}: {name}" for n, name in enumerate(NAMES)), "numbered.names"),
        ("# mine\n" + "\n".join(f"- {name}" for name in NAMES), "list.txt"),
        (str(list(NAMES)), "python.txt"),
        (json.dumps(NAMES, indent=1), "indented.txt"),
        (json.dumps(dict(enumerate(NAMES))), "labels.json"),
        ("path: data\nnc: 3\nnames:\n" + "\n".join(f"- {name}" for name in NAMES), "data.yaml"),
        ("nc: 3\nnames: ['person', 'traffic light', 'café']\n", "data.txt"),
        ("names:\n  2: café\n  0: person\n  1: traffic light\n", "coco.yml"),
    ],
)
def test_other_forms_of_the_same_list(tmp_path: Path, text: str, name: str) -> None:
    assert read_names(put(tmp_path, text, name)) == NAMES


@pytest.mark.parametrize("text", ["no\nyes\n1", "- no\n- yes\n- 1\n", "0: no\n1: yes\n2: 1\n"])
def test_names_are_text_in_yaml_too(tmp_path: Path, text: str) -> None:
    assert read_names(put(tmp_path, text)) == ("no", "yes", "1")


@pytest.mark.parametrize("text", ["# a\nb\n", "'a'\nb\n", "a: b\nc\n", "-a\n- b\n", "[a\nb]c\n"])
def test_what_only_looks_like_another_form_is_kept(tmp_path: Path, text: str) -> None:
    assert read_names(put(tmp_path, text)) == tuple(text.split("\n")[:2])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n \n", "contains no class names"),
        ("1: person\n2: car\n", "no mapping of all numbers from 0"),
        ("names: {person: 0}\n", "no mapping of all numbers"),
        ("nc: 2\nnames: person\n", "no list of class names"),
        ("names: [person, [car]]\n", "no list of class names"),
        ("names: &a [*a]\n", "a part of it holds itself"),
        ("names: [person\n", "cannot be read as class names: it is not valid YAML"),
        ("names: []\n", "no list of class names"),
    ],
)
def test_no_names_are_one_clear_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        read_names(put(tmp_path, text))
    assert caught.value.next
    assert "\n" not in str(caught.value)
