from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from zoo_core.system.hashing import canonical, digest, file_digest


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest({"a": 1, "b": [1, {"d": 2, "c": 3}]}) == digest(
        {"b": [1, {"c": 3, "d": 2}], "a": 1}
    )


def test_the_order_of_lists_matters() -> None:
    assert digest([1, 2]) != digest([2, 1])


def test_numbers_text_and_truth_values_differ() -> None:
    values = [1, 1.5, "1", True, None, [], {}, "", "true"]
    assert len({digest(value) for value in values}) == len(values)


def test_the_canonical_form_is_pinned() -> None:
    assert canonical({"b": (1, 2.5), "a": "é"}) == '{"a":"é","b":[1,2.5]}'
    expected = hashlib.sha256('{"a":"é","b":[1,2.5]}'.encode()).hexdigest()
    assert digest({"b": (1, 2.5), "a": "é"}) == expected


@pytest.mark.parametrize("value", [Path("a"), {1, 2}, b"bytes", object()])
def test_what_json_does_not_know_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        digest(value)


def test_a_file_name_of_any_bytes_has_a_digest() -> None:
    one, other = os.fsdecode(b"caf\xe9.jpg"), os.fsdecode(b"caf\xe8.jpg")
    assert digest(one) != digest(other)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_files_are_read_whole(tmp_path: Path, size: int) -> None:
    data = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:size])
    assert file_digest(path) == hashlib.sha256(data[:size]).hexdigest()
    assert file_digest(path, "md5") == hashlib.md5(data[:size]).hexdigest()
