from __future__ import annotations

import pytest

from zoo_core.errors import RegistryError
from zoo_core.system.yaml_text import MOST_BYTES, load_yaml

DOUBLING = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGING = "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: !!int ''", 2),
        ("a: !!float _", 1),
        ("a: !!bool x", 1),
        ("a: !!set {x}", 1),
        ("a: !!binary eA==", 1),
        ("a: !!python/object:os.system 1", 1),
        ("b: 1\n? [1]\n: 2", 2),
        ("? {a: 1}\n: 2", 1),
        ("a: &a [1, *a]", 1),
        ("a0: &a0 {x: 1}\n" + DOUBLING, 16),
        ("a0: &a0 {x: 1}\n" + MERGING, 16),
        ("[" * 61 + "]" * 61, 1),
        ("- " * 5000 + "a", 1),
        ("a: 0x" + "f" * 500, 1),
        ("a: 1\n b: [", 2),
        ("--- a\n--- b", 2),
    ],
)
def test_what_cannot_be_plain_values_is_named_with_its_line(text: str, line: int) -> None:
    with pytest.raises(RegistryError) as error:
        load_yaml(text, "file.yaml")
    assert error.value.where == f"file.yaml:{line}"
    assert error.value.exit_code == 2


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(RegistryError, match="more than 4,000,000 bytes"):
        load_yaml("a" * (MOST_BYTES + 1), "file.yaml")


@pytest.mark.parametrize("date", ["2020-13-45", "2020-01-01", "!!timestamp x", "0000-00-00"])
def test_dates_are_text_possible_or_not(date: str) -> None:
    assert load_yaml(f"a: {date}", "f") == {"a": date.removeprefix("!!timestamp ")}


def test_aliases_and_merges_of_a_sensible_size_are_read() -> None:
    text = "base: &base {x: 1, y: [2]}\nother: {<<: *base, x: 3}\nagain: *base"
    base = {"x": 1, "y": [2]}

    assert load_yaml(text, "f") == {"base": base, "other": {"x": 3, "y": [2]}, "again": base}


def test_keys_given_twice_are_refused_where_asked() -> None:
    text = "a: {b: 1,\n b: 2}"

    assert load_yaml(text, "f") == {"a": {"b": 2}}
    with pytest.raises(RegistryError, match="f:2: duplicate key 'b'"):
        load_yaml(text, "f", unique=True)
