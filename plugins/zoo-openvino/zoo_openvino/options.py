"""What a card or `--option KEY=VALUE` may say to this backend, checked strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo_core.api import ModelCard, Target

NAME = "openvino"

QUANTIZER_KEYS = frozenset(
    {"rewrites", "calibrator", "percentile", "sensitive", "float_nodes", "reduce_range"}
)
"""Options that the compiler which quantises reads and checks."""

_DEVICE = re.compile(r"(cpu|gpu|npu|auto)(\.\d+)?")
_MOST = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The backend's options after card and command line; see `zoo_openvino.OPTIONS`.

    `quantizer` holds those for the compiler that quantises, as it takes them.
    """

    threads: int | None = None
    streams: int | None = None
    cache: str = "auto"
    remainder: str = "auto"
    rewrites: str = "all"
    quantizer: Mapping[str, str] = field(default_factory=dict)


def read_options(card: ModelCard, target: Target) -> Options:
    """The card's `backends.openvino` overridden by the target's options.

    Raises RegistryError or UsageError for an unknown key or a value that does not fit.
    """
    where = f"{card.origin}: {card.id}: backends.{NAME}" if card.origin else card.id
    given = card.backends.get(NAME, {})
    return _options({**_read(given, RegistryError, where), **_read(target.options, UsageError)})


def target_options(target: Target) -> Options:
    """The target's options alone."""
    return _options(_read(target.options, UsageError))


def known_device(name: str) -> str:
    """OpenVINO's name of a device (CPU, GPU, GPU.1, NPU, AUTO); raises UsageError for others."""
    if not _DEVICE.fullmatch(name):
        raise UsageError(
            f"unknown device '{name}'", next=did_you_mean(name, ("cpu", "gpu", "npu", "auto"))
        )
    return name.upper()


def _options(values: Mapping[str, Any]) -> Options:
    own = {key: value for key, value in values.items() if key not in QUANTIZER_KEYS}
    quantizer = {key: value for key, value in values.items() if key in QUANTIZER_KEYS}
    return Options(**own, rewrites=quantizer.get("rewrites", "all"), quantizer=quantizer)


def _read(
    given: Mapping[str, Any], kind: type[UsageError], where: str = "--option"
) -> dict[str, Any]:
    return {key: _value(key, value, kind, where) for key, value in given.items()}


def _value(key: str, value: Any, kind: type[UsageError], where: str) -> Any:
    if key in QUANTIZER_KEYS:
        return _text(value)
    if key not in _READERS:
        hint = did_you_mean(key, {*_READERS, *QUANTIZER_KEYS})
        raise kind(f"unknown key '{key}'", where=where, next=hint)
    read, wanted = _READERS[key]
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        raise kind(f"{key} is {value!r}, not {wanted}", where=where) from error


def _text(value: Any) -> str:
    """A card's value as `--option` would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _count(value: Any) -> int:
    count = int(value)
    if isinstance(value, bool | float) or not 1 <= count <= _MOST:
        raise ValueError
    return count


def _place(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _remainder(value: Any) -> str:
    if value not in {"auto", "bf16", "fp32"}:
        raise ValueError
    return str(value)


_READERS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "threads": (_count, "a number of threads from 1"),
    "streams": (_count, "a number of streams from 1"),
    "cache": (_place, "auto, none or a folder"),
    "remainder": (_remainder, "auto, bf16 or fp32"),
}
