"""What a hook returns: a name, a summary, and a function that loads the object itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

HOOK_API = 1
"""The version of the hooks; a plugin states the one that it was written for as `ZOO_API`."""

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolOption:
    """An option of the command line that changes one value of a scoring protocol.

    `name` is the field of the protocol's values; the option is `--NAME` with `-` for `_`. `kind` is
    float, int or str. `choices` are the allowed values of a str; empty means any.
    """

    name: str
    kind: type[float | int | str]
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Generic[T_co]):
    """One object that a plugin provides.

    `name` is lower-case and unique in its kind; `summary` is one line. `load` imports the module
    that does the work and returns the object. It is called only when the object is used, so that
    listing is fast and a missing dependency does not affect other providers. `options` are the
    options that an evaluator adds to the command line; each changes one value of its protocols.
    """

    name: str
    summary: str
    load: Callable[[], T_co]
    options: tuple[ProtocolOption, ...] = ()
