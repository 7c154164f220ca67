"""What `--option KEY=VALUE` may say, checked strictly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.toolkit.options import Reader, one_of, target_options
from zoo_vastai.names import ARITHMETICS, NMS_PLACES
from zoo_vastai.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Target

_HOUR, _DAY = 3600.0, 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The values of one target, with defaults; timeouts are in seconds. See `zoo_vastai.OPTIONS`.

    `nms` is None where the card decides, `iterations` and `shape` where vamp does.
    """

    nms: str | None = None
    sdk_python: str = ""
    compile_timeout: float = 4 * _HOUR
    queue: int = 8
    timeout: float = 60.0
    restarts: int = 20
    instances: int = 1
    processes: int = 1
    iterations: int | None = None
    shape: str | None = None
    vamp_timeout: float = 900.0
    outputs: str | None = None
    datalist: str | None = None
    arithmetic: str = ARITHMETICS[0]


def options_of(target: Target) -> Options:
    """The target's options; raises UsageError for an unknown key or a wrong value."""
    return Options(**target_options(target, READERS))


def _count(least: int, most: int) -> Reader:
    def read(text: str) -> int:
        if not is_whole(text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return Reader(read, f"a whole number from {least} to {most}")


def _seconds(most: float) -> Reader:
    def read(text: str) -> float:
        if not _SHORTEST <= float(text) <= most:
            raise ValueError
        return float(text)

    return Reader(read, f"a number of seconds from {_SHORTEST:g} to {most:g}")


def _shape(text: str) -> str:
    """The shape as vamp reads it: "[3,416,416]", or "[[1,512],[1,512]]" for several inputs."""
    data = json.loads(text)
    shapes = data if isinstance(data, list) and data and isinstance(data[0], list) else [data]
    if not all(map(_is_shape, shapes)):
        raise ValueError
    return json.dumps(data, separators=(",", ":"))


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and bool(shape)
        and all(type(size) is int and size > 0 for size in shape)
    )


_SHORTEST = 0.1
_TEXT = Reader(str, "text")

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "nms": one_of(*NMS_PLACES),
        "sdk_python": _TEXT,
        "compile_timeout": _seconds(7 * _DAY),
        "queue": _count(1, 256),
        "timeout": _seconds(600),
        "restarts": _count(0, 10_000),
        "instances": _count(1, 64),
        "processes": _count(1, 64),
        "iterations": _count(1, 100_000_000),
        "shape": Reader(_shape, "a list of sizes such as [3,416,416]"),
        "vamp_timeout": _seconds(_DAY),
        "outputs": _TEXT,
        "datalist": _TEXT,
        "arithmetic": one_of(*ARITHMETICS),
    }
)
"""How the value of each key of `zoo_vastai.OPTIONS` is read."""
