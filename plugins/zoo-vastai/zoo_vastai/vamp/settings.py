"""What `--option` says of a run of vamp."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo_core.errors import UsageError
from zoo_vastai.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "instances": "of the model that vamp runs at once on the die (1)",
        "processes": "that vamp starts (1)",
        "iterations": "samples that vamp runs; by default its own, 1024",
        "shape": "of the raw input for vamp, such as [3,416,416]; by default what the build says",
        "vamp_timeout": "seconds that vamp may take (900)",
    }
)
"""Keys of `--option` that the profiler reads, each with one line."""

_MOST = {"instances": 64, "processes": 64, "iterations": 100_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class VampSettings:
    """The options, checked; `timeout` is in seconds."""

    instances: int = 1
    processes: int = 1
    iterations: int | None = None
    shape: str | None = None
    timeout: float = 900.0


def vamp_settings(options: Mapping[str, str]) -> VampSettings:
    """The options that concern vamp, others being left alone; raises UsageError for a bad one."""
    return VampSettings(
        instances=_whole(options, "instances") or 1,
        processes=_whole(options, "processes") or 1,
        iterations=_whole(options, "iterations"),
        shape=_shape(options.get("shape")),
        timeout=_seconds(options.get("vamp_timeout", "900")),
    )


def _whole(options: Mapping[str, str], key: str) -> int | None:
    text = options.get(key)
    if text is None:
        return None
    if not is_whole(text) or not 1 <= int(text) <= _MOST[key]:
        what = f"{key} is '{text}', not a whole number from 1 to {_MOST[key]}"
        raise UsageError(what, where="--option", next=f"such as {key}=2")
    return int(text)


def _shape(text: str | None) -> str | None:
    """The shape as vamp wants it: "[3,416,416]", or "[[1,512],[1,512]]" for several inputs."""
    if text is None:
        return None
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    shapes = data if isinstance(data, list) and data and isinstance(data[0], list) else [data]
    if not all(_is_shape(shape) for shape in shapes):
        what = f"shape is '{text}', not a list of sizes"
        raise UsageError(what, where="--option", next="such as shape=[3,416,416]")
    return json.dumps(data, separators=(",", ":"))


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, list)
        and bool(shape)
        and all(type(size) is int and size > 0 for size in shape)
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86400:
        what = f"vamp_timeout is '{text}', not a number of seconds"
        raise UsageError(what, where="--option", next="give one of up to a day")
    return seconds
