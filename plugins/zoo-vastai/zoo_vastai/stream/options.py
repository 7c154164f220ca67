"""The options that a session on the device reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM_OPTIONS: Mapping[str, str] = {
    "queue": "images in flight on each die (8)",
    "timeout": "seconds that an image may take on the device before it counts as hung (60)",
    "restarts": "how often the process with the SDK is started again after it failed (20)",
}
"""Keys of `--option`, each with one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """See `STREAM_OPTIONS`; `timeout` is in seconds."""

    queue: int = 8
    timeout: float = 60.0
    restarts: int = 20


def stream_options(options: Mapping[str, str]) -> StreamOptions:
    """From a target's options, whose other keys are left alone; raises `UsageError`."""
    default = StreamOptions()
    return StreamOptions(
        queue=int(_number(options, "queue", default.queue, (1, 256), whole=True)),
        timeout=_number(options, "timeout", default.timeout, (0.1, 600), whole=False),
        restarts=int(_number(options, "restarts", default.restarts, (0, 10000), whole=True)),
    )


def _number(
    options: Mapping[str, str],
    key: str,
    default: float,
    limits: tuple[float, float],
    *,
    whole: bool,
) -> float:
    text = options.get(key)
    if text is None:
        return default
    least, most = limits
    try:
        value = float(int(text) if whole else text)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or not least <= value <= most:
        kind = "whole number" if whole else "number"
        what = f"{key} is '{text}', not a {kind} from {least:g} to {most:g}"
        raise UsageError(what, where="--option")
    return value
