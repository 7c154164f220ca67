"""Gates as they are written: `AP>=0.42`, `drop<=0.01`, `yolo-99`, `p90<=20`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from zoo_core.errors import DataError, UsageError, check_known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Evaluator
    from zoo_core.planning.resolve import Resolved

OPTION, FIGURES = "--gate", "--min-metric"
SPEEDS = {"p90": "<=", "p99": "<=", "median": "<=", "throughput": ">=", "speedup": ">="}
"""Speeds that can be limited: milliseconds of latency, images/s, times as fast as --vs."""

_LIMIT = re.compile(r"([^<>=]+?)\s*(<=|>=)\s*([0-9.eE+-]+)")
_SHARE = re.compile(r"yolo-(99|999)(?::(.+))?")
_FORMS = "write 'AP>=0.42', 'drop<=0.01', 'drop:AP50<=0.01', 'yolo-99', 'p90<=20'"
_FRACTION = "metrics are fractions: 30 percent is 0.30"


class Kind(StrEnum):
    """What a gate limits, and how it is decided."""

    FIGURE = "figure"
    """A metric, by the figure alone (--min-metric)."""

    FLOOR = "floor"
    """A metric, by its interval."""

    DROP = "drop"
    """How far a metric is below that of a reference, by the interval of the difference."""

    SHARE = "share"
    """A metric, as a share of the reference's."""

    SPEED = "speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate; `metric` None is the evaluator's first one, or the name of a speed.

    `title` is how sentences call it.
    """

    text: str
    kind: Kind
    limit: float
    metric: str | None = None
    option: str = OPTION

    @property
    def title(self) -> str:
        """The gate as a person wrote it."""
        return self.text if self.option == OPTION else f"{self.option} {self.text}"

    @property
    def name(self) -> str:
        """What a report calls it: the expression, or the option that it came by."""
        return self.option if self.kind is Kind.SPEED and self.option != OPTION else self.title

    @property
    def is_relative(self) -> bool:
        """Whether it needs a reference."""
        return self.kind in (Kind.DROP, Kind.SHARE)


def parse_gates(texts: Iterable[str]) -> tuple[Gate, ...]:
    """Gates from expressions; raises UsageError."""
    if isinstance(texts, str):
        raise UsageError(f"must be a list of gates, not {texts!r}", where=OPTION)
    return tuple(_parsed(text) for text in texts)


def _parsed(text: str) -> Gate:
    if not isinstance(text, str):
        raise UsageError(f"must be a string, not {text!r}", where=OPTION, next=_FORMS)
    shown = text.strip()
    if share := _SHARE.fullmatch(shown):
        limit = 0.99 if share[1] == "99" else 0.999
        return Gate(text=shown, kind=Kind.SHARE, limit=limit, metric=share[2])
    found = _LIMIT.fullmatch(shown)
    name, sign, limit = (found[1], found[2], _number(found[3])) if found else ("", "", math.nan)
    head, colon, metric = name.partition(":")
    if SPEEDS.get(name) == sign and 0 < limit < math.inf:
        return Gate(text=shown, kind=Kind.SPEED, limit=limit, metric=name)
    drop = head == "drop" and sign == "<=" and bool(metric) >= bool(colon)
    floor = head != "drop" and head not in SPEEDS and not colon and sign == ">="
    if not (drop or floor) or not 0 <= limit <= 1:
        step = _FRACTION if (drop or floor) and 1 < limit < math.inf else _FORMS
        raise UsageError(f"invalid gate '{text}'", where=OPTION, next=step)
    kind, own = (Kind.DROP, metric.strip() or None) if drop else (Kind.FLOOR, name)
    return Gate(text=shown, kind=kind, limit=limit, metric=own)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def parse_figures(texts: Iterable[str]) -> tuple[Gate, ...]:
    """Gates of --min-metric from NAME=VALUE; the last of one name counts; raises UsageError."""
    gates = {}
    for text in texts:
        name, _, value = text.partition("=")
        limit = _number(value)
        if not math.isfinite(limit):
            step = "write NAME=FRACTION as in AP=0.43"
            raise UsageError(f"invalid gate '{text}'", where=FIGURES, next=step)
        gates[name] = Gate(text=text, kind=Kind.FIGURE, limit=limit, metric=name, option=FIGURES)
    return tuple(gates.values())


def speed_gates(**limits: float | None) -> tuple[Gate, ...]:
    """Gates of --max-p90-ms, --max-p99-ms, --min-throughput and --min-speedup, where not None."""
    gates = []
    for key, limit in limits.items():
        option = f"--{key.replace('_', '-')}"
        if limit is None:
            continue
        if not limit > 0:
            raise UsageError(f"must be greater than 0, got {limit:g}", where=option)
        metric = key.split("_")[1]
        gate = Gate(text=f"{limit:g}", kind=Kind.SPEED, limit=limit, metric=metric, option=option)
        gates.append(gate)
    return tuple(gates)


def refuse_accuracy(
    gates: Iterable[Gate], resolved: Resolved, evaluator: Evaluator | None, measures: str = ""
) -> None:
    """Raises, before the work, for gates on accuracy that cannot be judged after it.

    UsageError for a name that is none of the evaluator's `metrics`, if it lists them, and for any
    where nothing is scored; DataError for weights whose accuracy says nothing about the model, and
    for images without ground truth.
    """
    weights = resolved.weights.kind
    for gate in (gate for gate in gates if gate.kind is not Kind.SPEED):
        if evaluator is None:
            what = f"'{gate.text}' limits accuracy, and {measures}"
            raise UsageError(what, where=gate.option, next="use `zoo run` or `zoo eval`")
        names = [gate.metric] if gate.metric else []
        check_known(names, getattr(evaluator, "metrics", names), gate.option)
        if not (resolved.data and resolved.data.has_truth):
            what = "a gate needs ground truth, and these images have none"
            raise DataError(what, where=gate.option, next="give --annotations FILE")
        if weights in ("sample", "random"):
            raise DataError(
                f"a gate on {weights} weights would say nothing about the model",
                where=gate.option,
                next="use --assets published, or --weights FILE",
            )


def refuse_speed(
    gates: Iterable[Gate], resolved: Resolved, *, timed: bool, versus: bool = False
) -> None:
    """Raises, before the work, for gates on a speed that is not measured or would say nothing.

    UsageError where nothing is timed, or nothing compared; DataError for sample weights and
    emulated devices. Random weights are as fast as any others.
    """
    for gate in (gate for gate in gates if gate.kind is Kind.SPEED):
        option = gate.option
        if not timed:
            what = f"'{gate.text}' limits a speed, and none is measured"
            raise UsageError(what, where=option, next="use `zoo run` or `zoo bench`")
        if gate.metric == "speedup" and not versus:
            needs = "--min-speedup needs --vs" if option != OPTION else "speedup needs --vs"
            raise UsageError(needs, next="say to `zoo bench` which build it is against")
        if resolved.emulated:
            what = "an emulated device has no speed"
            raise DataError(what, where=option, next="leave the gate out, or use a real device")
        if resolved.weights.kind == "sample":
            what = "the sample's thin network says nothing about the model's speed"
            step = "use --weights random, --assets published, or --weights FILE"
            raise DataError(what, where=option, next=step)


def doubts(gates: Iterable[Gate], resolved: Resolved) -> tuple[str, ...]:
    """Warnings of gates that no run can meet, or that are judged on a subset of the data set."""
    own = [gate for gate in gates if gate.kind in (Kind.FIGURE, Kind.FLOOR)]
    never = tuple(
        f"gate {g.text} is never met: metrics are fractions, 30 percent is {g.metric}=0.30"
        for g in own
        if g.limit > 1
    )
    data = resolved.data
    if not own or data is None or data.count == data.of:
        return never
    names = ", ".join(gate.text for gate in own)
    part = f"{data.count:,} of {data.of:,} images"
    return (
        *never,
        f"gate {names}: judged on {part} only, which says little about the whole data set",
    )
