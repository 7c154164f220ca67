"""What a card or `--option KEY=VALUE` may say to this backend, checked strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.toolkit import options as reading
from zoo_core.toolkit.options import calibrators, count, flag, names, one_of, share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import ModelCard, Target
    from zoo_core.toolkit.options import Reader

NAME = "onnxruntime"

CALIBRATORS = calibrators("auto", "percentile", "minmax", "entropy", "mse")
"""Names and aliases -> canonical names; the first is the default."""

_READERS: Mapping[str, Reader] = {
    "threads": count("threads"),
    "rewrites": one_of("all", "none"),
    "calibrator": reading.calibrator(CALIBRATORS),
    "percentile": share(above=50),
    "sensitive": one_of("outputs", "none"),
    "float_nodes": names(),
    "reduce_range": flag(),
    "equalise": one_of("none", "free", "all"),
    "bias_correction": flag(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The backend's options after card and command line; see `zoo_onnxruntime.OPTIONS`."""

    threads: int | None = None
    rewrites: str = "all"
    calibrator: str = next(iter(CALIBRATORS))
    percentile: float = 99.99
    sensitive: str = "outputs"
    float_nodes: tuple[str, ...] = field(default=())
    reduce_range: bool = False
    equalise: str = "none"
    bias_correction: bool = False


def read_options(card: ModelCard, target: Target) -> Options:
    """The card's `backends.onnxruntime` overridden by the target's options.

    Raises RegistryError or UsageError for an unknown key or a value that does not fit.
    """
    return Options(**{**reading.card_options(card, NAME, _READERS), **target_options(target)})


def target_options(target: Target) -> dict[str, Any]:
    """The target's options alone, as the values they stand for."""
    return reading.target_options(target, _READERS)
