"""What a card's `backends.vastai` and `--option KEY=VALUE` may say, checked strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, UsageError, did_you_mean
from zoo_core.toolkit.options import calibrators, canonical_calibrator
from zoo_vastai import OPTIONS
from zoo_vastai.names import ARITHMETICS, NAME
from zoo_vastai.stream.options import stream_options
from zoo_vastai.vamp.settings import vamp_settings

if TYPE_CHECKING:
    from zoo_core.api import ModelCard, Target

NMS_PLACES = ("auto", "device", "host")
PRECISIONS = ("fp16", "int8")

CALIBRATORS: Mapping[str, str] = MappingProxyType(
    calibrators("percentile", "max", "kl_divergence", "mse")
)
"""Names and aliases -> `calibrate_mode`; the first is the default, the commonest of the vendor's.

A card that names a mode under `quantize` goes before the default, `--calibrator` before both.
"""

_MODE = "calibrate_mode"
_OPAQUE = ("compile", "quantize")
_KEYS = (*_OPAQUE, "extra_ops", "nms", "variants")
_VARIANTS = (*PRECISIONS, "device", "host")
_OP_KEYS = ("type", "params")
_DAY = 86400.0
_FOUR_HOURS = 14400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraOp:
    """The operator that a card lets vamc append to the graph, with the parameters it states."""

    type: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardOptions:
    """A card's map.

    `compile` and `quantize` go to vamc as they stand, whatever they hold. `variants` are further
    ones for a precision, and for where boxes are suppressed (device, host).
    """

    compile: Mapping[str, Any] = field(default_factory=dict)
    quantize: Mapping[str, Any] = field(default_factory=dict)
    extra_op: ExtraOp | None = None
    nms: str = NMS_PLACES[0]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def variant(self, name: str) -> CardOptions:
        """With what the variant of that name says laid over the maps."""
        over = self.variants.get(name, {})
        return replace(
            self,
            compile={**self.compile, **over.get("compile", {})},
            quantize={**self.quantize, **over.get("quantize", {})},
        )


def card_options(card: ModelCard, precision: str) -> CardOptions:
    """The card's `backends.vastai` for a precision.

    Raises RegistryError for an unknown key or a value of another form.
    """
    where = f"{card.origin}: {card.id}: backends.{NAME}" if card.origin else card.id
    told = _section(card.backends.get(NAME, {}), _KEYS, where)
    variants = {
        name: _maps(_section(section, _OPAQUE, place), place)
        for name, section in _section(
            told.get("variants", {}), _VARIANTS, f"{where}.variants"
        ).items()
        for place in [f"{where}.variants.{name}"]
    }
    plain = CardOptions(
        **_maps(told, where),
        extra_op=_extra_op(told.get("extra_ops"), f"{where}.extra_ops"),
        nms=_place(told.get("nms", NMS_PLACES[0]), RegistryError, f"{where}.nms"),
        variants=variants,
    )
    return plain.variant(precision)


def check_options(target: Target) -> None:
    """Raises UsageError for an option of the target that is unknown, or has a wrong value.

    Those of the runtime and of vamp are checked too, before anything is compiled for them.
    """
    options = target.options
    for key in options:
        if key not in OPTIONS:
            hint = did_you_mean(key, OPTIONS)
            raise UsageError(f"unknown option '{key}'", where="--option", next=hint)
    stream_options(options)
    vamp_settings(options)
    arithmetic = options.get("arithmetic", ARITHMETICS[0])
    if arithmetic not in ARITHMETICS:
        hint = did_you_mean(arithmetic, ARITHMETICS)
        raise UsageError(f"unknown arithmetic '{arithmetic}'", where="--option", next=hint)


def nms_place(card: CardOptions, target: Target) -> str:
    """auto, device or host, by the target's options and then by the card's."""
    return _place(target.options.get("nms", card.nms), UsageError, "--option nms")


def compile_timeout(target: Target) -> float:
    """Seconds that vamc may take."""
    text = target.options.get("compile_timeout", str(_FOUR_HOURS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 7 * _DAY:
        what = f"compile_timeout is '{text}', not a number of seconds"
        raise UsageError(what, where="--option", next="give one of up to a week")
    return seconds


def calibrate_mode(card: CardOptions, calibrator: str | None) -> str:
    """The calibrator by its name in vamc; raises UsageError for an unknown one."""
    if calibrator is None:
        return str(card.quantize.get(_MODE, next(iter(CALIBRATORS))))
    return canonical_calibrator(calibrator, CALIBRATORS)


def _section(value: Any, known: tuple[str, ...], where: str) -> Mapping[str, Any]:
    section = _mapping(value, where)
    for key in section:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise RegistryError(f"unknown key '{key}'", where=where, next=hint)
    return section


def _maps(told: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    return {key: dict(_mapping(told.get(key, {}), f"{where}.{key}")) for key in _OPAQUE}


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RegistryError(f"must be a mapping, is {value!r}", where=where)
    return value


def _extra_op(value: Any, where: str) -> ExtraOp | None:
    if value is None:
        return None
    section = _section(value, _OP_KEYS, where)
    name = section.get("type")
    if not isinstance(name, str) or not name:
        what = "needs a 'type', the operator's name"
        raise RegistryError(what, where=where, next="such as {type: yolov4_nms}")
    params = _mapping(section.get("params", {}), f"{where}.params")
    return ExtraOp(type=name, params=params)


def _place(value: Any, kind: type[UsageError], where: str) -> str:
    if value not in NMS_PLACES:
        hint = did_you_mean(str(value), NMS_PLACES)
        raise kind(f"nms is {value!r}, not auto, device or host", where=where, next=hint)
    return str(value)
