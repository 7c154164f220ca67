"""The origin of each value of a card: card or family, file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from zoo_core.registry.reader import read_registry_file
from zoo_core.system.yaml_text import compose_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.registry.load import Registry

_FIELDS = {"source": "repository"}
_ITSELF = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """`layer` is "card" or "family NAME", perhaps with "labels NAME"; `where` is "file:line"."""

    layer: str
    where: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A mapping of a registry file: key -> (line from 1, node)."""

    path: Path
    keys: Mapping[str, tuple[int, yaml.Node]]

    def inner(self, key: str) -> _Entry | None:
        node = self.keys[key][1] if key in self.keys else None
        return _Entry(self.path, _keys(node)) if isinstance(node, yaml.MappingNode) else None

    def text(self, key: str) -> str:
        node = self.keys[key][1] if key in self.keys else None
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    def origin(self, key: str, layer: str) -> Origin:
        return Origin(layer, f"{self.path}:{self.keys[key][0]}")

    def origins(self, key: str, layer: str) -> dict[str, Origin]:
        """The origins of the key itself and of the keys below it."""
        own = {_ITSELF: self.origin(key, layer)}
        below = self.inner(key)
        return own | {name: below.origin(name, layer) for name in below.keys} if below else own


def origins(registry: Registry, model: str) -> dict[str, Origin]:
    """Field of the card -> origin; "field.key" for a mapping merged from card and family.

    The files are parsed again, for their lines. Defaults, which no file states, are omitted.
    """
    documents = [_document(path) for path in registry.files]
    own = _find(documents, "models", model)
    if own is None:
        return {}
    name = own.text("family")
    family = _find(documents, "families", name) if name else None
    layer = f"family {name}"
    layers = {key: family.origins(key, layer) for key in family.keys} if family else {}
    for key in own.keys:
        merged = family is not None and family.inner(key) and own.inner(key)
        layers[key] = (layers[key] if merged else {}) | own.origins(key, "card")
    _add_labels(layers, documents, own if "labels" in own.keys else family)
    flat: dict[str, Origin] = {}
    for key, parts in layers.items():
        flat |= _flat(_FIELDS.get(key, key), parts)
    return flat


def _flat(key: str, parts: Mapping[str, Origin]) -> dict[str, Origin]:
    if len({origin.layer for origin in parts.values()}) == 1:
        return {key: parts[_ITSELF]}
    return {f"{key}.{name}": origin for name, origin in parts.items() if name != _ITSELF}


def _add_labels(
    layers: dict[str, dict[str, Origin]], documents: list[_Entry], entry: _Entry | None
) -> None:
    """The origin of labels given by name: where the name stands, and the labels' own place."""
    name = entry.text("labels") if entry else ""
    home = next((doc for doc in reversed(documents) if name in _names(doc, "labels")), None)
    part = home.inner("labels") if home else None
    if name and part:
        use = layers["labels"][_ITSELF]
        layer = f"{use.layer} ({use.where}), labels {name}"
        layers["labels"] = {_ITSELF: part.origin(name, layer)}


def _find(documents: list[_Entry], part: str, name: str) -> _Entry | None:
    """The effective entry: that of the last file which has it."""
    for document in reversed(documents):
        section = document.inner(part)
        if section and name in section.keys:
            return section.inner(name)
    return None


def _names(document: _Entry, part: str) -> Mapping[str, object]:
    section = document.inner(part)
    return section.keys if section else {}


def _document(path: Path) -> _Entry:
    return _Entry(path, _keys(compose_yaml(read_registry_file(path), str(path))))


def _keys(node: yaml.Node | None) -> dict[str, tuple[int, yaml.Node]]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {str(key.value): (key.start_mark.line + 1, value) for key, value in pairs}
