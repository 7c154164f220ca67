"""Parses the mappings of a registry file into cards and protocols."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo_core.api import (
    ModelCard,
    Repository,
    ScoringProtocol,
    Source,
    WeightsOption,
)
from zoo_core.errors import RegistryError, did_you_mean
from zoo_core.registry.published import published

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.registry.reader import Reader

PROTOCOL_KEYS = ("task", "values", "unknown", "note")
REPOSITORY_KEYS = ("name", "url", "commit", "license")
WEIGHTS_KEYS = ("format", "files")
SOURCE_KEYS = ("name", "url", "resource", "path", "by_hand", "size", "sha256", "md5")

MODEL_KEYS = (
    "family",
    "task",
    "summary",
    "source",
    "license",
    "exporter",
    "exporter_params",
    "exporters",
    "decoder",
    "decoder_params",
    "evaluator",
    "dataset",
    "given_dataset",
    "size",
    "preprocess",
    "labels",
    "protocol",
    "protocols",
    "weights",
    "sample",
    "sample_dataset",
    "published",
    "training_overlap",
    "backends",
)


def protocol(name: str, reader: Reader) -> ScoringProtocol:
    """One entry of `protocols:`."""
    reader.only(*PROTOCOL_KEYS)
    return ScoringProtocol(
        name=name,
        task=reader.text("task"),
        values=dict(reader.mapping("values")),
        unknown=reader.strings("unknown"),
        note=reader.text("note", ""),
    )


def to_data(found: ScoringProtocol) -> dict[str, Any]:
    """The entry that `protocol` reads."""
    own = {"task": found.task, "values": dict(found.values), "unknown": list(found.unknown)}
    return {**own, "note": found.note}


def merge(family: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """The family's values overridden by the model's; mappings are merged one level deep."""
    result = dict(family)
    for key, value in model.items():
        base = result.get(key)
        both = isinstance(base, dict) and isinstance(value, dict)
        result[key] = {**(base or {}), **value} if both else value
    return result


def card(
    model: str, reader: Reader, labels: Mapping[str, tuple[str, ...]], origin: str
) -> ModelCard:
    """One entry of `models:`, merged with its family."""
    reader.only(*MODEL_KEYS)
    protocols = {key: str(value) for key, value in reader.mapping("protocols").items()}
    return ModelCard(
        id=model,
        task=reader.text("task"),
        family=reader.optional("family", str),
        summary=reader.text("summary", ""),
        repository=_repository(reader.inner("source")),
        license=reader.text("license"),
        exporter=reader.text("exporter"),
        exporter_params=reader.mapping("exporter_params"),
        decoder=reader.text("decoder"),
        decoder_params=reader.mapping("decoder_params"),
        evaluator=reader.text("evaluator"),
        dataset=reader.text("dataset"),
        given_dataset=reader.optional("given_dataset", str),
        size=reader.size("size"),
        preprocess=tuple(reader.get("preprocess", list)),
        labels=_labels(reader, labels),
        protocol=reader.text("protocol"),
        protocols=protocols,
        weights=tuple(_weights(row) for row in reader.rows("weights")),
        sample=_weights(reader.inner("sample")) if reader.mapping("sample") else None,
        sample_dataset=reader.optional("sample_dataset", str),
        published=tuple(published(row) for row in reader.rows("published")),
        training_overlap=reader.optional("training_overlap", str),
        backends={name: inner.whole() for name, inner in reader.readers("backends")},
        exporters={name: inner.whole() for name, inner in reader.readers("exporters")},
        origin=origin,
    )


def _repository(reader: Reader) -> Repository:
    reader.only(*REPOSITORY_KEYS)
    return Repository(
        name=reader.text("name"),
        url=reader.text("url"),
        commit=reader.optional("commit", str),
        license=reader.optional("license", str),
    )


def _labels(reader: Reader, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if not isinstance(reader.get("labels", (str, list)), str):
        return reader.strings("labels")
    name = reader.text("labels")
    if name not in known:
        hint = did_you_mean(name, known)
        raise RegistryError(f"no labels '{name}'", where=f"{reader.where}.labels", next=hint)
    return known[name]


def _weights(reader: Reader) -> WeightsOption:
    reader.only(*WEIGHTS_KEYS)
    files = {role: _source(inner) for role, inner in reader.readers("files")}
    if "weights" not in files:
        raise RegistryError("key 'weights' is missing", where=f"{reader.where}.files")
    return WeightsOption(format=reader.text("format"), files=files)


def _source(reader: Reader) -> Source:
    reader.only(*SOURCE_KEYS)
    url, resource = reader.optional("url", str), reader.optional("resource", str)
    by_hand, path = reader.optional("by_hand", str), reader.optional("path", str)
    if sum(place is not None for place in (url, resource, path, by_hand)) != 1:
        what = "needs exactly one of 'url', 'resource', 'path', 'by_hand'"
        raise RegistryError(what, where=reader.where)
    sha256 = _digest(reader, "sha256")
    if url and not sha256:
        raise RegistryError("a url needs a sha256", where=reader.where)
    _check_path(path, reader)
    place = _path_of(url, reader) if url else (resource or path or "")
    name = reader.text("name", PurePosixPath(place.rpartition(":")[2]).name)
    if not name or "/" in name:
        raise RegistryError("key 'name' must be a file name", where=reader.where)
    return Source(
        name=name,
        url=url,
        resource=resource,
        path=path,
        by_hand=by_hand,
        size=reader.optional("size", int),
        sha256=sha256,
        md5=_digest(reader, "md5"),
    )


_STRANGE = {"\\", "\0"}
"""Characters that no path of a repository has on all systems."""


def _check_path(path: str | None, reader: Reader) -> None:
    """A path of the repository stays in it."""
    parts = PurePosixPath(path or "x").parts
    if path is not None and (
        not parts or path.startswith("/") or ".." in parts or _STRANGE & {*path}
    ):
        what = f"must be a path inside the source repository, is {path!r}"
        raise RegistryError(what, where=f"{reader.where}.path")


def _path_of(url: str, reader: Reader) -> str:
    try:
        return urlsplit(url).path
    except ValueError as error:
        raise RegistryError(f"is not an address: {error}", where=f"{reader.where}.url") from error


def _digest(reader: Reader, key: str) -> str | None:
    """A digest in hexadecimal, lower case."""
    text = reader.optional(key, str)
    length = hashlib.new(key, usedforsecurity=False).digest_size * 2
    if text is not None and not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", text):
        what = f"must be {length} hexadecimal digits, is '{text}'"
        step = f"`{key}sum FILE` prints them"
        raise RegistryError(what, where=f"{reader.where}.{key}", next=step)
    return text.lower() if text else None
