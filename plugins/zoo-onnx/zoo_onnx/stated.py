"""What a card states in `exporter_params` of the file it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, check_known, check_one_of
from zoo_core.toolkit.options import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import ModelCard

HEIGHT_WIDTH, WIDTH_HEIGHT = "height_width", "width_height"
"""Words for the network's input size as the value of a further input."""

_PARAMS = ("input", "outputs", "form", "inputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """Names and form of the file's ends, and the values of inputs other than the image."""

    form: str = "heads"
    input: str | None = None
    outputs: list[str] = field(default_factory=list)
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """As parameters of a stage."""
        return {
            "form": self.form,
            "input": self.input,
            "outputs": self.outputs,
            "inputs": dict(self.inputs),
        }


def stated(card: ModelCard) -> Stated:
    """The card's `exporter_params`; raises RegistryError for what cannot be."""
    where = f"{card.origin}: models.{card.id}.exporter_params"
    given = card.exporter_params
    check_known(given, _PARAMS, where, RegistryError)
    found = Stated(**given)
    check_one_of("form", str(found.form), FORMS, where, RegistryError)
    if found.input is not None and not isinstance(found.input, str):
        raise RegistryError(f"'input' must be a name, is {found.input!r}", where=where)
    names = found.outputs
    if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
        raise RegistryError(f"'outputs' must be a list of names, is {names!r}", where=where)
    if not isinstance(found.inputs, dict) or not all(map(_is_value, found.inputs.values())):
        raise RegistryError(
            f"'inputs' must give each name a value, is {found.inputs!r}",
            where=where,
            next=f"a value is a number, lists of numbers, {HEIGHT_WIDTH} or {WIDTH_HEIGHT}",
        )
    return found


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(not isinstance(item, str) and _is_value(item) for item in value)
    return isinstance(value, bool | int | float) or value in (HEIGHT_WIDTH, WIDTH_HEIGHT)
