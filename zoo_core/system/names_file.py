"""Files of class names: one per line, or as YAML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo_core.errors import DataError, RegistryError
from zoo_core.system.files import read_text
from zoo_core.system.yaml_text import yaml_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MOST_BYTES = 4_000_000
"""ImageNet's 21,000 names take 700,000."""

_STEP = "give a text file with one class name per line, or a YAML file with `names`"
_YAML_FILES = (".yaml", ".yml", ".json")
_YAML_LINES = (re.compile(r"\d+\s*:(\s|$)"), re.compile(r"-\s"))
"""Lines of a mapping by number, and of a list."""
_YAML_BRACKETS = re.compile(r"\[.*\]|\{.*\}", re.DOTALL)
_QUOTED = re.compile(r"""(["'])(?P<name>.*)\1\s*,?""")


def read_names(path: Path) -> tuple[str, ...]:
    """The class names in a file, in the order of the network's classes.

    One name per line, also where all are in quotes; or YAML: a list, a mapping by number
    (`0: person`), or either of them under `names`, as in a data set's data.yaml. Raises `DataError`
    for other content.
    """
    try:
        text = read_text(path, _MOST_BYTES)
    except DataError as error:
        why = f"it {error.what}".removeprefix("it cannot be read: ")
        what = f"cannot be read as class names: {why}"
        raise DataError(what, where=error.where, next=error.next or _STEP) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError("contains no class names", where=str(path), next=_STEP)
    if path.suffix.lower() in _YAML_FILES or _is_yaml(lines):
        return _names_in_yaml(text, str(path))
    quoted = [_QUOTED.fullmatch(line) for line in lines]
    return (
        tuple(match["name"] if match else "" for match in quoted) if all(quoted) else tuple(lines)
    )


def _is_yaml(lines: Sequence[str]) -> bool:
    if any(re.match(r"names\s*:", line) for line in lines):
        return True
    plain = [line for line in lines if not line.startswith("#")]
    in_brackets = _YAML_BRACKETS.fullmatch(" ".join(plain)) is not None
    return in_brackets or any(plain and all(map(form.match, plain)) for form in _YAML_LINES)


def _names_in_yaml(text: str, where: str) -> tuple[str, ...]:
    try:
        data = yaml_texts(text, where)
    except RegistryError as error:
        what = f"cannot be read as class names: it {error.what}"
        raise DataError(what, where=error.where, next=error.next or _STEP) from error
    names = data.get("names", data) if isinstance(data, dict) else data
    if isinstance(names, dict):
        names = [names.get(str(number)) for number in range(len(names))]
    whole = isinstance(names, list) and all(isinstance(n, str) and n.strip() for n in names)
    if not names or not whole:
        what = "holds no list of class names, and no mapping of all numbers from 0 to names"
        raise DataError(what, where=where, next=_STEP)
    return tuple(name.strip() for name in names)
