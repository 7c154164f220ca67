"""Vdsp files from JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError, RegistryError
from zoo_vastai.vdsp.model import KEYS, VdspOp

if TYPE_CHECKING:
    from pathlib import Path

_TRIPLES = ("Mean", "Std")
_TEXTS = ("IimageFormat", "ResizeType", "ColorCvtCode", "NormaType")


def parse_vdsp(data: Any, where: str = "") -> VdspOp:
    """The operation that parsed JSON holds.

    Raises `RegistryError` for what is none, for the two forms that vamp took until release 2.0,
    and for a known key that holds another type.
    """
    if not isinstance(data, Mapping):
        raise RegistryError("is no vdsp operation: not a JSON object", where=where)
    if is_legacy(data):
        raise RegistryError(
            "is a vdsp file of the old form (vdsp_op_type), which vamp since 2.1 does not read",
            where=where,
            next='write it anew as {"OpType": ..., "OpConfig": {...}}',
        )
    op, config = data.get("OpType"), data.get("OpConfig", {})
    if not isinstance(op, str):
        raise RegistryError("is no vdsp operation: no OpType", where=where)
    if not isinstance(config, Mapping):
        raise RegistryError(f"OpConfig must be an object, not {config!r}", where=where)
    typed = {
        KEYS[key]: _value(key, value, where)
        for key, value in config.items()
        if key in KEYS and value is not None
    }
    return VdspOp(
        op=op,
        **typed,
        other={key: value for key, value in config.items() if key not in KEYS or value is None},
        has_config="OpConfig" in data,
        beside={key: value for key, value in data.items() if key not in ("OpType", "OpConfig")},
    )


def is_legacy(data: Mapping[str, Any]) -> bool:
    """Whether it has one of the forms before vamp 2.1."""
    return "vdsp_op_type" in data


def read_vdsp(path: Path) -> VdspOp:
    """The operation in a file; raises `DataError` for no file, `RegistryError` for a bad one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError("is no text in UTF-8", where=str(path)) from error
    return parse_vdsp(load_json(text, str(path)), str(path))


def load_json(text: str, where: str) -> Any:
    """What the JSON holds; raises `RegistryError` with the line for what is no JSON."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise RegistryError("is nested too deeply", where=where) from error
    except ValueError as error:
        place = f"{where}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else where
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise RegistryError(f"is no JSON: {what}", where=place) from error


def vdsp_text(op: VdspOp) -> str:
    """The JSON file."""
    return json.dumps(op.to_data(), indent=4) + "\n"


def _value(key: str, value: Any, where: str) -> Any:
    if key in _TEXTS:
        _require(isinstance(value, str), key, "text", value, where)
        return value
    if key in _TRIPLES or key == "Padding":
        numbers = isinstance(value, list) and all(_is_number(item) for item in value)
        _require(numbers, key, "a list of numbers", value, where)
        _require(key == "Padding" or len(value) == 3, key, "three numbers", value, where)
        return tuple(value)
    _require(isinstance(value, int) and _is_number(value), key, "a whole number", value, where)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(good: bool, key: str, words: str, value: Any, where: str) -> None:
    if not good:
        raise RegistryError(f"OpConfig.{key} must be {words}, not {value!r}", where=where)
