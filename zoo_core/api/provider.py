"""What a hook returns: a name, a summary, and a function that loads the object itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Generic, TypeVar

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

HOOK_API = 1
"""The version of the hooks; a plugin states the one that it was written for as `ZOO_API`."""

T_co = TypeVar("T_co", covariant=True)

_NAME = re.compile("[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolOption:
    """An option of the command line that changes one value of a scoring protocol.

    `name` is the field of the protocol's values; the option is `--NAME` with `-` for `_`. `kind` is
    float, int or str. `choices` are the allowed values of a str; empty means any. `idle` is a field
    of the protocol and the value at which this option has no effect, which is then an error.
    """

    name: str
    kind: type[float | int | str]
    help: str
    choices: tuple[str, ...] = ()
    idle: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        where = f"protocol option {self.name!r}"
        if not _NAME.fullmatch(self.name) or iskeyword(self.name):
            raise UsageError("is not a lower-case name with _ between words", where=where)
        if self.kind not in (float, int, str):
            raise UsageError(f"is of kind {self.kind!r}, not float, int or str", where=where)
        if self.choices and (self.kind is not str or not isinstance(self.choices, tuple)):
            raise UsageError("has choices that are not a tuple of str", where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Generic[T_co]):
    """One object that a plugin provides.

    `name` is lower-case and unique in its kind; `summary` is one line. `load` imports the module
    that does the work and returns the object. It is called only when the object is used, so that
    listing is fast and a missing dependency does not affect other providers. `options` are the
    options that an evaluator adds to the command line; each changes one value of its protocols.
    `needs_repository` is true of an exporter that needs the card's source repository: without
    network and clone, its models need `--source DIR`.
    """

    name: str
    summary: str
    load: Callable[[], T_co]
    options: tuple[ProtocolOption, ...] = ()
    needs_repository: bool = False

    def __post_init__(self) -> None:
        options: object = self.options
        if not isinstance(options, tuple) or not all(
            isinstance(o, ProtocolOption) for o in options
        ):
            where = f"provider {self.name!r}"
            raise UsageError("has options that are not a tuple of ProtocolOption", where=where)
