"""What a hook returns: a name, a sentence, and the function that loads the real object."""

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
    float, int or str. `choices` are the values that a text may have; none means any.
    """

    name: str
    kind: type[float | int | str]
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Generic[T_co]):
    """One thing a plugin offers.

    `name` is lower-case and unique among its kind; `summary` is one line. `load` imports the
    module that does the work and returns the object; it is called only when the thing is used,
    so listing stays cheap and a missing dependency breaks nothing else. An evaluator's `options`
    are those of the command line that change its protocols.
    """

    name: str
    summary: str
    load: Callable[[], T_co]
    options: tuple[ProtocolOption, ...] = ()
