"""Rules on names: keys and values that are misspelt, misplaced, missing, stale or repeated."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from zoo_vastai_lint.known import (
    CALIBRATE_MODES,
    DTYPES,
    EXTRA_OPS,
    FRONTEND_DTYPES,
    FRONTENDS,
    LEVELS,
    OPAQUE,
    OPTIONAL_PARAMS,
    PROCESS_OPS,
    STALE,
    TEXT_KEYS,
)
from zoo_vastai_lint.result import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_vastai_lint.source import Source

_IGNORED = "vamc ignores keys that it does not know"


def key_findings(source: Source) -> Iterator[Finding]:
    """Every rule of this module on a configuration."""
    for level, known in LEVELS.items():
        yield from _level(source, level, known)
    yield from _params(source)
    yield from _process_ops(source)
    yield from _missing(source)
    yield from _values(source)
    for key, place in STALE.items():
        if _holds(source, key):
            step = f"write {place} instead" if place else "remove it"
            yield Finding("stale-key", "warning", key, "is a key of vamc 2, without effect", step)
    for key in source.repeated:
        what = "is given twice, only the last one counts"
        yield Finding("duplicate-key", "error", key, what, "remove one")


def unknown_keys(
    mapping: Mapping[str, Any], known: Sequence[str], level: str, opaque: bool = False
) -> Iterator[Finding]:
    """A finding for every key that is not known, with the nearest one where there is one."""
    for key in mapping:
        place = f"{level}.{key}" if level else str(key)
        if key in known or place in STALE:
            continue
        near = nearest(str(key), known, 0.85 if opaque else 0.7)
        if near:
            what = f"is not a key here: {_IGNORED}"
            yield Finding("misspelt-key", "error", place, what, f"did you mean '{near}'?")
            continue
        homes = [home for home, keys in LEVELS.items() if key in keys and home != level]
        if homes:
            what = f"is not a key here: {_IGNORED}"
            step = f"it belongs under {homes[0] or 'the top level'}"
            yield Finding("misplaced-key", "warning", place, what, step)
        elif opaque:
            what = "is in none of the vendor's configurations; it is passed on unread"
            yield Finding("unknown-option", "info", place, what)
        else:
            what = f"is not known here: {_IGNORED}"
            yield Finding("unknown-key", "warning", place, what, f"known: {', '.join(known)}")


def nearest(name: str, known: Sequence[str], cutoff: float = 0.7) -> str:
    """The known spelling that is nearest, else nothing."""
    folded = {item.lower(): item for item in known}
    if name.lower() in folded:
        return folded[name.lower()]
    close = get_close_matches(name.lower(), folded, n=1, cutoff=cutoff)
    return folded[close[0]] if close else ""


def value_finding(rule: str, where: str, value: str, known: Sequence[str]) -> Finding:
    """A value that is not among the known ones: an error where it is a misspelling."""
    near = nearest(value, known)
    step = f"did you mean '{near}'?" if near else f"known: {', '.join(known)}"
    what = f"'{value}' is not known"
    return Finding(rule, "error" if near else "warning", where, what, step)


def _level(source: Source, level: str, known: Sequence[str]) -> Iterator[Finding]:
    keys = level.split(".") if level else []
    value = source.at(*keys) if keys else source.data
    if isinstance(value, Mapping):
        yield from unknown_keys(value, known, level, level in OPAQUE)
    elif value is not None:
        what = f"must be a mapping, not {_short(value)}"
        yield Finding("wrong-type", "error", level, what)


def _params(source: Source) -> Iterator[Finding]:
    kind, where = source.at("graph", "extra_ops", "type"), "graph.extra_ops"
    if source.mapping("graph", "extra_ops") and kind is None:
        what = "has no type: nothing is appended to the graph"
        yield Finding("missing-key", "warning", where, what, "name an operator or remove graph")
    if not isinstance(kind, str):
        return
    if kind not in EXTRA_OPS:
        yield value_finding("unknown-operator", f"{where}.type", kind, tuple(EXTRA_OPS))
        return
    params, required = source.mapping("graph", "extra_ops", "params"), EXTRA_OPS[kind]
    known = (*required, *(OPTIONAL_PARAMS if required else ()))
    yield from unknown_keys(params, known, f"{where}.params")
    for name in required:
        if name not in params:
            what = f"{kind} needs {name}"
            yield Finding("missing-key", "error", f"{where}.params", what, f"add {name}")


def _process_ops(source: Source) -> Iterator[Finding]:
    ops = source.at("dataset", "process_ops")
    if ops is not None and not isinstance(ops, list):
        yield Finding("wrong-type", "error", "dataset.process_ops", "must be a list")
        return
    for number, op in enumerate(ops or ()):
        where = f"dataset.process_ops[{number}]"
        kind = op.get("type") if isinstance(op, Mapping) else None
        if not isinstance(kind, str):
            yield Finding("wrong-type", "error", where, "must be a mapping with a type")
        elif kind not in PROCESS_OPS:
            yield value_finding("unknown-operation", f"{where}.type", kind, tuple(PROCESS_OPS))
        else:
            yield from unknown_keys(op, ("type", *PROCESS_OPS[kind]), where)


def _missing(source: Source) -> Iterator[Finding]:
    for key in ("frontend", "backend"):
        if not source.mapping(key):
            yield Finding("missing-key", "error", key, "is missing", f"add {key}")
    for section, name in (("frontend", "checkpoint"), ("frontend", "shape"), ("backend", "dtype")):
        if source.mapping(section) and source.at(section, name) is None:
            step = f"add {name} to {section}"
            yield Finding("missing-key", "error", f"{section}.{name}", "is missing", step)
    if source.mapping("backend") and source.at("backend", "type") is None:
        step = "add type: tvm_vacc"
        yield Finding("missing-key", "warning", "backend.type", "is missing", step)
    if source.at("name") is None:
        what = "is missing: it names the folder of the results"
        yield Finding("missing-key", "warning", "name", what, "add name")
    if source.at("workspace", "path") is None:
        what = "is missing: it names where the results go"
        yield Finding("missing-key", "warning", "workspace.path", what, "add workspace.path")


def _values(source: Source) -> Iterator[Finding]:
    for keys in TEXT_KEYS:
        value = source.at(*keys)
        if value is not None and not isinstance(value, str):
            what = f"must be text, not {_short(value)}"
            yield Finding("wrong-type", "error", ".".join(keys), what)
    for keys, known in (
        (("backend", "type"), ("tvm_vacc",)),
        (("backend", "dtype"), DTYPES),
        (("frontend", "type"), tuple(FRONTENDS)),
        (("frontend", "dtype"), FRONTEND_DTYPES),
        (("dataset", "type"), ("tvm", "huggingface")),
        (("backend", "quantize", "calibrate_mode"), CALIBRATE_MODES),
    ):
        value = source.at(*keys)
        if isinstance(value, str) and value not in known:
            yield value_finding("unknown-value", ".".join(keys), value, known)


def _holds(source: Source, key: str) -> bool:
    *parents, name = key.split(".")
    parent = source.mapping(*parents) if parents else source.data
    return name in parent


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
