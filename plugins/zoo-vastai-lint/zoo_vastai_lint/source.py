"""A file as people wrote it: its data, and its lines, repeated keys and words beside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from zoo_core.toolkit.files import compose_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMENT = re.compile(r"(?:^|\s)#(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """Parsed text; `lines` maps a dotted key to its line where the format tells it."""

    path: Path
    text: str
    data: Any
    lines: Mapping[str, int] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()

    def at(self, *keys: str) -> Any:
        """The value under the keys, None where there is none."""
        return at(self.data, *keys)

    def mapping(self, *keys: str) -> Mapping[str, Any]:
        """The mapping under the keys, an empty one where there is none."""
        value = self.at(*keys)
        return value if isinstance(value, Mapping) else {}

    @property
    def words(self) -> str:
        """Names and comments, where people say what a file is meant for; lower case."""
        comments = " ".join(_COMMENT.findall(self.text))
        return f"{self.at('name')} {self.path.stem} {comments}".lower()


def at(data: Any, *keys: str) -> Any:
    """The value under nested keys, None where there is none."""
    for key in keys:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def yaml_source(path: Path, text: str, data: Any) -> Source:
    """A YAML file, with lines and repeated keys."""
    lines: dict[str, int] = {}
    repeated: list[str] = []
    root = compose_yaml(text, str(path))
    for key, line in _keys(root, ""):
        if key in lines:
            repeated.append(key)
        lines[key] = line
    return Source(path, text, data, lines, tuple(repeated))


def json_source(path: Path, text: str, data: Any) -> Source:
    """A JSON file, with repeated keys."""
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in items]
        repeated.extend(sorted({name for name in names if names.count(name) > 1}))
        return dict(items)

    json.loads(text, object_pairs_hook=pairs)
    return Source(path, text, data, {}, tuple(repeated))


def _keys(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            key = f"{prefix}.{name.value}" if prefix else str(name.value)
            yield key, name.start_mark.line + 1
            yield from _keys(value, key)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            key = f"{prefix}[{number}]"
            yield key, item.start_mark.line + 1
            yield from _keys(item, key)
