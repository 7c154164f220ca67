"""The error tree; every handled failure is one of these and carries its exit code.

    ZooError                1   a stage, tool or assumption failed
    ├── StageError          1   a stage failed; names its log and its partial folder
    │   └── SampleError     1   one sample failed; the others can run
    ├── UsageError          2   unknown name, bad option
    │   └── RegistryError   2   a registry or configuration file is wrong
    ├── AccuracyGateError   3   a measured accuracy fails its gate, or a replay is different
    ├── SpeedGateError      4   a measured speed fails its gate
    ├── UnavailableError    5   a backend, device or plugin cannot be used here
    └── DataError           6   data, weights or images are missing, wrong or refused

Anything else that escapes is a defect of zoo and shows its traceback.
"""

from __future__ import annotations

import signal
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_MOST_HINTS = 6
"""Names that a hint offers at most."""

_MOST_NAMES = 3
"""Names that a message gives as examples."""

_LONGEST = 3000
"""Letters of each part of an error: a damaged file may hold values without end."""


class ZooError(Exception):
    """A failure with one clear line: what happened, where, and what to do next."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "failed"

    def __init__(self, what: str, *, where: str = "", next: str = "") -> None:
        self.what = _limited(what)
        self.where = _limited(where)
        self.next = _limited(next)
        super().__init__(self.what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        step = f"; {self.next}" if self.next else ""
        return f"{place}{self.what}{step}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.next))


def _limited(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _rebuild(kind: type[ZooError], what: str, where: str, next_step: str) -> ZooError:
    return kind(what, where=where, next=next_step)


class StageError(ZooError):
    """A stage failed; its log and partial folder are kept."""

    code = "stage"


class SampleError(StageError):
    """One sample failed; the others can run."""

    code = "sample"


class UsageError(ZooError):
    """The request is invalid or contradicts itself."""

    exit_code = 2
    code = "usage"


class RegistryError(UsageError):
    """A registry or configuration file is wrong."""

    code = "registry"


class AccuracyGateError(ZooError):
    """A measured accuracy fails its gate, or a replay is not what the run was."""

    exit_code = 3
    code = "accuracy_gate"


class SpeedGateError(ZooError):
    """A measured speed fails its gate."""

    exit_code = 4
    code = "speed_gate"


class UnavailableError(ZooError):
    """A backend, device or plugin cannot be used here."""

    exit_code = 5
    code = "unavailable"


class DataError(ZooError):
    """Data, weights or images are missing, wrong or refused."""

    exit_code = 6
    code = "data"


def install_step(distribution: str) -> str:
    """How to install a distribution of zoo's own repository; none of them is on an index."""
    return f"pip install ./plugins/{distribution} in a checkout of zoo's repository"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a program of zoo; a plugin that raises KeyboardInterrupt itself is no Ctrl-C."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for one-line output."""
    return (str(error).strip() or "no message").splitlines()[0]


def raise_ctrl_c(error: BaseException) -> None:
    """Raises the error if it is a person's Ctrl-C, and not a plugin's own KeyboardInterrupt.

    Programs of zoo raise their own kind; others leave Python's handler in place.
    """
    plain = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if isinstance(error, Interrupted) or (plain and isinstance(error, KeyboardInterrupt)):
        raise error


def is_interrupt(error: BaseException | None) -> bool:
    """Whether it is a KeyboardInterrupt, or comes from an ImportError that was one.

    A native module that Ctrl-C hits while it is loaded raises an ImportError instead.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, KeyboardInterrupt):
            return isinstance(error, ImportError)
        error = cause
    return error is not None


def some(names: Sequence[object]) -> str:
    """The first three of the names, and how many more there are."""
    left = len(names) - _MOST_NAMES
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(map(str, names[:_MOST_NAMES])) + more


def counted(count: int, one: str, many: str = "") -> str:
    """`1 image`, `2 images`; `many` is the plural where that is not `one` with an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the known names that begin like it, else the closest one, else all of them."""
    names = {other.casefold(): other for other in sorted(known)}
    word = str(name).casefold()  # values of a registry may be anything
    longer = [other for other in names if other.startswith(word)] if len(word) > 2 else []
    close = longer or get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        *first, last = (f"'{names[other]}'" for other in close[:_MOST_HINTS])
        more = f" ({len(close)} begin so)" if len(close) > _MOST_HINTS else ""
        return f"did you mean {', '.join(first)}{' or ' if first else ''}{last}{more}?"
    return f"known: {', '.join(names.values())}" if names else "none is registered"


def check_known(
    values: Iterable[str],
    known: Iterable[str],
    where: str,
    kind: type[UsageError] = UsageError,
) -> None:
    """Raises `kind`, with a hint, for the first of `values` that is not known.

    `where` says what the values are, such as `decoder_params`.
    """
    names = tuple(known)
    for name in values:
        if name not in names:
            raise kind(f"unknown '{name}'", where=where, next=did_you_mean(str(name), names))


def check_one_of(
    what: str,
    name: str,
    known: Iterable[str],
    where: str = "",
    kind: type[UsageError] = UsageError,
) -> None:
    """Raises `kind`, with a hint, for a name that is not known; `what` is the noun for it."""
    choices = tuple(known)
    if name not in choices:
        raise kind(f"unknown {what} '{name}'", where=where, next=did_you_mean(name, choices))
