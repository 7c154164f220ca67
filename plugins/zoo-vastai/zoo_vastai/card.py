"""What a card's `backends.vastai` may say, checked strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, check_known, check_one_of
from zoo_core.toolkit.options import calibrators, canonical_calibrator
from zoo_vastai.names import NAME, NMS_PLACES
from zoo_vastai.options import options_of

if TYPE_CHECKING:
    from zoo_core.api import ModelCard, Target

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
    section = _section(card.backends.get(NAME, {}), _KEYS, where)
    variants = {
        name: _maps(_section(values, _OPAQUE, place), place)
        for name, values in _section(
            section.get("variants", {}), _VARIANTS, f"{where}.variants"
        ).items()
        for place in [f"{where}.variants.{name}"]
    }
    plain = CardOptions(
        **_maps(section, where),
        extra_op=_extra_op(section.get("extra_ops"), f"{where}.extra_ops"),
        nms=_nms(section.get("nms", NMS_PLACES[0]), f"{where}.nms"),
        variants=variants,
    )
    return plain.variant(precision)


def nms_place(card: CardOptions, target: Target) -> str:
    """auto, device or host, by the target's options and then by the card's."""
    return options_of(target).nms or card.nms


def calibrate_mode(card: CardOptions, calibrator: str | None) -> str:
    """The calibrator by its name in vamc; raises UsageError for an unknown one."""
    if calibrator is None:
        return str(card.quantize.get(_MODE, next(iter(CALIBRATORS))))
    return canonical_calibrator(calibrator, CALIBRATORS)


def _section(value: Any, known: tuple[str, ...], where: str) -> Mapping[str, Any]:
    section = _mapping(value, where)
    check_known(section, known, where, RegistryError)
    return section


def _maps(section: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    return {key: dict(_mapping(section.get(key, {}), f"{where}.{key}")) for key in _OPAQUE}


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


def _nms(value: Any, where: str) -> str:
    check_one_of("place for NMS", str(value), NMS_PLACES, where, RegistryError)
    return str(value)
