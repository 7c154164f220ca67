"""A backend's options: `--option KEY=VALUE` and a card's `backends.NAME`, checked strictly.

A backend states one `Reader` for each key. The names of calibrators and their aliases are the same
for all backends, and so are the graph forms and opsets of exporters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.api import ProtocolOption
from zoo_core.errors import RegistryError, UsageError, check_known, check_one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo_core.api import ModelCard, Target

_NO_NMS = ("nms_kind", "none")
DETECTION_OPTIONS = (
    ProtocolOption(name="conf", kind=float, help="Confidence threshold."),
    ProtocolOption(name="nms", kind=float, help="NMS IoU threshold.", idle=_NO_NMS),
    ProtocolOption(
        name="nms_kind",
        kind=str,
        help="Overlap measure; none: no NMS.",
        choices=("iou", "diou", "none"),
    ),
    ProtocolOption(
        name="beta_nms", kind=float, help="Exponent of the distance in DIoU.", idle=_NO_NMS
    ),
    ProtocolOption(
        name="box_labels", kind=str, help="Labels kept per box.", choices=("best", "multi")
    ),
)
"""Options for the fields of `zoo_core.toolkit.detection.DetectionRules`."""

FORMS = ("heads", "e2e")
"""Forms of a graph: raw heads, or decoded boxes."""

OPSETS = range(11, 21)
"""The ONNX opsets that exporters write."""

_OPSET = 17
_MOST = 1024
_SYNONYMS = (("minmax", "min_max", "max"), ("entropy", "kl", "kl_divergence"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the value of one key; `expected` completes "KEY is VALUE, not ...".

    `read` raises TypeError or ValueError for a value that does not fit.
    """

    read: Callable[[Any], Any]
    expected: str


def card_options(card: ModelCard, backend: str, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The values in the card's `backends.BACKEND`; raises RegistryError where one is wrong."""
    where = f"{card.origin}: {card.id}: backends.{backend}" if card.origin else card.id
    return _read(card.backends.get(backend, {}), readers, where, RegistryError)


def target_options(target: Target, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The values of the command line; raises UsageError for an unknown key or a wrong value."""
    return _read(target.options, readers, "--option", UsageError)


def one_of(*choices: str, expected: str = "") -> Reader:
    """One of these words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return Reader(read, expected or f"{', '.join(choices[:-1])} or {choices[-1]}")


def count(of: str) -> Reader:
    """A whole number from 1 to 1024, of `of`."""

    def read(value: Any) -> int:
        number = int(value)
        if isinstance(value, bool | float) or not 1 <= number <= _MOST:
            raise ValueError
        return number

    return Reader(read, f"a number of {of} from 1")


def share(above: float) -> Reader:
    """A number in percent, above a limit and up to 100."""

    def read(value: Any) -> float:
        percent = float(value)
        if isinstance(value, bool) or not above < percent <= 100:
            raise ValueError
        return percent

    return Reader(read, f"a number above {above:g} and up to 100")


def flag() -> Reader:
    """True or false, in any case."""
    words = one_of("true", "false")
    return Reader(lambda value: words.read(str(value).lower()) == "true", words.expected)


def names() -> Reader:
    """A list of texts, or one text with commas between them."""

    def read(value: Any) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else list(value)
        if not all(isinstance(item, str) for item in items):
            raise ValueError
        return tuple(item.strip() for item in items if item.strip())

    return Reader(read, "a list of names or globs")


def calibrator(known: Mapping[str, str]) -> Reader:
    """The canonical name of a calibrator; `known` is what `calibrators` returns."""
    words = one_of(*known, expected=f"one of {', '.join(known)}")
    return Reader(lambda value: known[words.read(value)], words.expected)


def calibrators(*canonical: str) -> dict[str, str]:
    """Names and aliases of calibrators -> the canonical names; the first one is the default."""
    table = {name: name for name in canonical}
    for name in canonical:
        for group in _SYNONYMS:
            if name in group:
                table.update(dict.fromkeys((word for word in group if word != name), name))
    return table


def canonical_calibrator(name: str, known: Mapping[str, str]) -> str:
    """The calibrator that a name or an alias means; raises UsageError for an unknown one."""
    key = name.lower().replace("-", "_")
    check_one_of("calibrator", key, known)
    return known[key]


def opset(params: Mapping[str, Any], where: str) -> int:
    """The opset in a card's `exporter_params`; raises RegistryError for one out of range."""
    number = params.get("opset", _OPSET)
    if type(number) is not int or number not in OPSETS:
        what = f"must be a whole number from {OPSETS[0]} to {OPSETS[-1]}, is {number!r}"
        raise RegistryError(what, where=f"{where}.opset")
    return number


def _read(
    values: Mapping[str, Any], readers: Mapping[str, Reader], where: str, kind: type[UsageError]
) -> dict[str, Any]:
    check_known(values, readers, where, kind)
    options = {}
    for key, value in values.items():
        try:
            options[key] = readers[key].read(value)
        except (TypeError, ValueError) as error:
            what = f"{key} is {value!r}, not {readers[key].expected}"
            raise kind(what, where=where) from error
    return options
