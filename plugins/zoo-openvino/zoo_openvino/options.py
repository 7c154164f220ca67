"""What a card or `--option KEY=VALUE` may say to this backend, checked strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError, did_you_mean
from zoo_core.toolkit import options as reading
from zoo_core.toolkit.options import Reader, count, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import ModelCard, Target

NAME = "openvino"

QUANTIZER_KEYS = frozenset(
    {
        *("rewrites", "calibrator", "percentile", "sensitive", "float_nodes", "reduce_range"),
        *("equalise", "bias_correction"),
    }
)
"""Options that the compiler which quantises reads and checks."""

CALIBRATORS = reading.calibrators("auto", "percentile", "minmax", "entropy", "mse")
"""Names and aliases -> canonical names of that compiler; the first is the default."""

_DEVICE = re.compile(r"(cpu|gpu|npu|auto)(\.\d+)?")


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
    own = reading.target_options(target, _READERS)
    return _options({**reading.card_options(card, NAME, _READERS), **own})


def target_options(target: Target) -> Options:
    """The target's options alone."""
    return _options(reading.target_options(target, _READERS))


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


def _text(value: Any) -> str:
    """A card's value as `--option` would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _folder(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


_READERS: Mapping[str, Reader] = {
    "threads": count("threads"),
    "streams": count("streams"),
    "cache": Reader(_folder, "auto, none or a folder"),
    "remainder": one_of("auto", "bf16", "fp32"),
    **{key: Reader(_text, "") for key in sorted(QUANTIZER_KEYS)},
}
