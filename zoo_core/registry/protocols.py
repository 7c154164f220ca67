"""Scoring protocols: choosing one, and deriving one with other values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import ModelCard, ScoringProtocol
    from zoo_core.vision import Preprocess

PREPROCESS_FIELDS = frozenset({"resize", "interpolation", "pad", "rounding"})


def choose(
    protocols: Mapping[str, ScoringProtocol], card: ModelCard, backend: str, name: str | None
) -> ScoringProtocol:
    """The protocol `name`, else the card's for that backend, else the card's."""
    name = name or card.protocols.get(backend, card.protocol)
    protocol = protocols.get(name)
    if protocol is None:
        raise UsageError(f"no protocol '{name}'", next=did_you_mean(name, protocols))
    if protocol.task != card.task:
        same_task = [known.name for known in protocols.values() if known.task == card.task]
        raise UsageError(
            f"protocol '{name}' is for {protocol.task}, but {card.id} is for {card.task}",
            next=did_you_mean(name, same_task),
        )
    return protocol


def derive(protocol: ScoringProtocol, changes: Mapping[str, Any]) -> ScoringProtocol:
    """The protocol with changed values, named after them; the same protocol if none differs."""
    different = {
        name: value for name, value in changes.items() if protocol.values.get(name) != value
    }
    if not different:
        return protocol
    suffix = ",".join(f"{name}={value}" for name, value in sorted(different.items()))
    return replace(
        protocol,
        name=f"{protocol.name}+{suffix}",
        base=protocol.base or protocol.name,
        values={**protocol.values, **different},
        unknown=tuple(name for name in protocol.unknown if name not in different),
    )


def task_values(protocol: ScoringProtocol) -> dict[str, Any]:
    """The values that the task's evaluator defines."""
    return {k: v for k, v in protocol.values.items() if k not in PREPROCESS_FIELDS}


def overridden(base: Preprocess, protocol: ScoringProtocol) -> dict[str, tuple[Any, Any]]:
    """Fields in which a protocol differs from the card's own resize: (the card's, the protocol's).

    `pad` and `rounding` count only where the card's resize has them, that is for a letterbox.
    """
    step = next(row for row in base.to_data() if row["op"] == "resize")
    own = {"resize": step["mode"], **step}
    return {
        name: (own[name], value)
        for name, value in protocol.values.items()
        if name in PREPROCESS_FIELDS and value is not None and own.get(name, value) != value
    }


def effective_preprocess(
    base: Preprocess, protocol: ScoringProtocol, size: tuple[int, int]
) -> Preprocess:
    """The card's preprocessing at `size` (height, width), with the protocol's overrides."""
    values = protocol.values
    return base.with_resize(
        mode=values.get("resize"),
        size=size,
        interpolation=values.get("interpolation"),
        pad=values.get("pad"),
        rounding=values.get("rounding"),
    )
