"""What a card or `--option KEY=VALUE` may say to this backend, checked strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, UsageError, check_known, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo_core.api import ModelCard, Target

NAME = "onnxruntime"

CALIBRATORS = {
    "auto": "auto",
    "percentile": "percentile",
    "minmax": "minmax",
    "entropy": "entropy",
    "max": "minmax",
    "min_max": "minmax",
    "kl": "entropy",
    "kl_divergence": "entropy",
}
"""Names and aliases -> canonical names; the first is the default."""

_WRONG = "{key} is {value!r}, not {wanted}"


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


def read_options(card: ModelCard, target: Target) -> Options:
    """The card's `backends.onnxruntime` overridden by the target's options.

    Raises RegistryError or UsageError for an unknown key or a value that does not fit.
    """
    merged: dict[str, Any] = {}
    where = f"{card.origin}: {card.id}: backends.{NAME}" if card.origin else card.id
    for key, value in card.backends.get(NAME, {}).items():
        merged[key] = _read(key, value, RegistryError, where)
    merged.update(target_options(target))
    return Options(**merged)


def target_options(target: Target) -> dict[str, Any]:
    """The target's options alone, as the values they stand for."""
    where = "--option"
    return {key: _read(key, value, UsageError, where) for key, value in target.options.items()}


def canonical_calibrator(name: str) -> str:
    """The calibrator a name or an alias means; raises UsageError for an unknown one."""
    key = name.lower().replace("-", "_")
    if key not in CALIBRATORS:
        raise UsageError(f"unknown calibrator '{name}'", next=did_you_mean(key, CALIBRATORS))
    return CALIBRATORS[key]


def _read(key: str, value: Any, kind: type[UsageError], where: str) -> Any:
    check_known((key,), _READERS, where, kind)
    read, wanted = _READERS[key]
    try:
        return read(value)
    except (TypeError, ValueError) as error:
        raise kind(_WRONG.format(key=key, value=value, wanted=wanted), where=where) from error


def _threads(value: Any) -> int:
    count = int(value)
    if isinstance(value, bool | float) or not 1 <= count <= 1024:
        raise ValueError
    return count


def _percentile(value: Any) -> float:
    share = float(value)
    if isinstance(value, bool) or not 50 < share <= 100:
        raise ValueError
    return share


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return read


def _calibrator(value: Any) -> str:
    return CALIBRATORS[_one_of(*CALIBRATORS)(value)]


def _names(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else list(value)
    if not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(item.strip() for item in items if item.strip())


def _flag(value: Any) -> bool:
    return {"true": True, "false": False}[_one_of("true", "false")(str(value).lower())]


_READERS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "threads": (_threads, "a number of threads from 1"),
    "rewrites": (_one_of("all", "none"), "all or none"),
    "calibrator": (_calibrator, "one of " + ", ".join(CALIBRATORS)),
    "percentile": (_percentile, "a number above 50 and up to 100"),
    "sensitive": (_one_of("outputs", "none"), "outputs or none"),
    "float_nodes": (_names, "a list of names or globs"),
    "reduce_range": (_flag, "true or false"),
}
