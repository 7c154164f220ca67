"""Finds the registry files, and merges them into a registry."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, UsageError, did_you_mean
from zoo_core.registry.cards import card, merge, protocol, to_data
from zoo_core.registry.reader import Reader, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zoo_core.api import ModelCard, ScoringProtocol

SCHEMA = 1
PARTS = ("labels", "protocols", "families", "models")


class _Merged:
    """The raw entries of all files, by part and name, each with the file it comes from."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, tuple[Any, Path]]] = {part: {} for part in PARTS}

    def copy(self) -> _Merged:
        """Another one, to which a file can be added on trial."""
        other = _Merged()
        other.entries = {part: dict(entries) for part, entries in self.entries.items()}
        return other

    def add(self, path: Path, document: Any, override: bool = False) -> None:
        """Add a file; raises RegistryError for a name that exists, unless it may override."""
        reader = Reader(document, str(path))
        reader.only("schema", *PARTS)
        version = reader.get("schema", int)
        if version != SCHEMA:
            what = f"schema {version} is not supported, expected {SCHEMA}"
            step = f"write `schema: {SCHEMA}`, or update zoo if the file is for a newer one"
            raise RegistryError(what, where=f"{path}: schema", next=step)
        for part in PARTS:
            for name, value in reader.mapping(part).items():
                known = self.entries[part].get(str(name))
                if known and not override:
                    what = f"{part}.{name} already exists in {known[1]}"
                    raise RegistryError(what, where=str(path), next="rename one of them")
                self.entries[part][str(name)] = (value, path)


@dataclass(frozen=True, slots=True)
class Registry:
    """All cards and protocols, by name; `faults` are the errors of the plugins' files left out.

    `entries` are the models as a registry file would state them, merged with their families.
    """

    models: dict[str, ModelCard]
    protocols: dict[str, ScoringProtocol]
    files: tuple[Path, ...]
    faults: tuple[RegistryError, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def labels_name(self, labels: Sequence[str]) -> str | None:
        """The name under which a registry file keeps these labels, such as coco80."""
        return next((name for name, known in self.labels.items() if known == tuple(labels)), None)

    def model(self, name: str) -> ModelCard:
        """A model's card; raises UsageError with a hint."""
        if name not in self.models:
            left_out = "".join(f"; left out: {fault}" for fault in self.faults)
            step = f"{did_you_mean(name, self.models)}{left_out}"
            raise UsageError(f"no model '{name}'", next=step)
        return self.models[name]

    def extract(self, model: str, protocols: Iterable[str]) -> dict[str, Any]:
        """A registry file of its own with one model, and the protocols that it and a run name."""
        card, entry = self.models[model], dict(self.entries[model])
        entry |= {"labels": list(card.labels)}
        entry.pop("family", None)
        rows = (row.protocol for row in card.published)
        names = dict.fromkeys((card.protocol, *card.protocols.values(), *rows, *protocols))
        known = {name: self.protocols[name] for name in names if name in self.protocols}
        texts = {name: to_data(found) for name, found in known.items()}
        return {"schema": SCHEMA, "protocols": texts, "models": {model: entry}}


def load_registry(
    plugin_files: Iterable[Path] = (), last: tuple[Path, Any] | None = None
) -> Registry:
    """The bundled file and the plugins', overridden by `./registry.yaml` and ZOO_REGISTRY.

    A plugin may not use a name that exists; a plugin's file that is wrong is left out. The user's
    files override entry by entry. ZOO_REGISTRY is one file, or several separated as in PATH. `last`
    is a document that overrides all of them, and the file it is from. Raises RegistryError for
    these and for the bundled one.
    """
    merged = _Merged()
    faults: list[RegistryError] = []
    used: list[Path] = []
    packed = packed_registry()
    own = _own_files(packed)
    merged.add(packed, read_yaml([packed])[0])
    for path in plugin_files:
        trial = merged.copy()
        try:
            trial.add(path, read_yaml([path])[0])
            _build(trial, ())
        except RegistryError as error:
            faults.append(error)
        else:
            merged = trial
            used.append(path)
    for path, document in zip(own, read_yaml(own), strict=True):
        merged.add(path, document, override=True)
    if last is not None:
        merged.add(*last, override=True)
    return _build(merged, (packed, *used, *own), faults)


def packed_registry() -> Path:
    """The bundled registry: in the wheel, or at the top of the checkout."""
    inside = Path(__file__).parent.parent / "registry.yaml"
    return inside if inside.exists() else inside.parent.parent / "registry.yaml"


def _own_files(packed: Path) -> list[Path]:
    here = Path("registry.yaml")
    own = [here.absolute()] if here.is_file() and not here.samefile(packed) else []
    variable = os.environ.get("ZOO_REGISTRY", "")
    own += [Path(text).absolute() for text in variable.split(os.pathsep) if text]
    return [path for path in own if not (path.exists() and path.samefile(packed))]


def _build(
    merged: _Merged, files: tuple[Path, ...], faults: Iterable[RegistryError] = ()
) -> Registry:
    parts = merged.entries
    labels = {
        name: Reader({"labels": value}, f"{path}: labels.{name}").strings("labels")
        for name, (value, path) in parts["labels"].items()
    }
    protocols = {
        name: protocol(name, Reader(value, f"{path}: protocols.{name}"))
        for name, (value, path) in parts["protocols"].items()
    }
    models, entries = {}, {}
    for name, (value, path) in parts["models"].items():
        reader = Reader(value, f"{path}: models.{name}")
        family = reader.optional("family", str)
        full = merge(_family(family, parts, reader.where), value) if family else value
        models[name] = card(name, Reader(full, reader.where), labels, str(path))
        entries[name] = full
        _check_protocols(models[name], protocols, reader.where)
    return Registry(dict(sorted(models.items())), protocols, files, tuple(faults), labels, entries)


def _family(name: str, parts: dict[str, dict[str, tuple[Any, Path]]], where: str) -> Any:
    if name not in parts["families"]:
        hint = did_you_mean(name, parts["families"])
        raise RegistryError(f"no family '{name}'", where=f"{where}.family", next=hint)
    value, path = parts["families"][name]
    return Reader(value, f"{path}: families.{name}").whole()


def _check_protocols(model: ModelCard, protocols: dict[str, ScoringProtocol], where: str) -> None:
    names = [model.protocol, *model.protocols.values(), *(row.protocol for row in model.published)]
    for name in names:
        if name not in protocols:
            hint = did_you_mean(name, protocols)
            raise RegistryError(f"no protocol '{name}'", where=where, next=hint)
