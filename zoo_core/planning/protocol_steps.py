"""From one scoring protocol to another, one change at a time, in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.registry.protocols import PREPROCESS_FIELDS, effective_preprocess, task_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api import ProtocolOption, ScoringProtocol
    from zoo_core.vision import Preprocess

SIZE = "size"
_PREPROCESS = (SIZE, "resize", "interpolation", "pad", "rounding")
_OF_A_LETTERBOX = ("pad", "rounding")
ORDER = "size, resize, interpolation, pad, rounding, the evaluator's options, its other values"
"""What is changed first: what the network sees, then what is made of its candidates."""


@dataclass(frozen=True, slots=True)
class ProtocolStep:
    """One change: the names of the values that change together, and what they are after it.

    A value that is missing after the change is not stated then.
    """

    names: tuple[str, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def applied_to(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Another state with this change alone."""
        return _changed(state, self.after, self.names)

    @property
    def changes_input(self) -> bool:
        """Whether the network gets other images."""
        return any(name in _PREPROCESS for name in self.names)

    @property
    def text(self) -> str:
        """In words: `resize stretch -> letterbox, pad 114`."""
        return ", ".join(_told(name, self.before, self.after) for name in self.names)


def state_of(protocol: ScoringProtocol, size: tuple[int, int], base: Preprocess) -> dict[str, Any]:
    """All that a protocol decides at a size (height, width): of images and of candidates.

    `base` is the preprocessing whose resize counts where the protocol states none.
    """
    steps = effective_preprocess(base, protocol, size).to_data()
    resize = next(step for step in steps if step["op"] == "resize")
    found = {"resize": resize["mode"], **resize}
    own = {name: found[name] for name in _PREPROCESS[1:] if name in found}
    return {SIZE: tuple(size), **own, **task_values(protocol)}


def protocol_steps(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    options: Sequence[ProtocolOption],
    check: Callable[[Mapping[str, Any]], None],
) -> list[ProtocolStep]:
    """The changes that lead from one state to another; see `state_of`.

    Pad and rounding change with the resize mode; a value without effect at one of the ends changes
    with the one that idles it; a state that `check` refuses (of the evaluator's values) is passed
    by together with the next change.
    """
    names = [name for name in _ordered(before, after, options) if _differ(before, after, name)]
    groups = _groups(names, before, after, options)
    steps: list[ProtocolStep] = []
    state = dict(before)
    waiting: tuple[str, ...] = ()
    for group in groups:
        waiting = (*waiting, *group)
        changed = _changed(state, after, waiting)
        if _is_refused(changed, check) and group is not groups[-1]:
            continue
        steps.append(ProtocolStep(waiting, state, changed))
        state, waiting = changed, ()
    return steps


def _ordered(
    before: Mapping[str, Any], after: Mapping[str, Any], options: Sequence[ProtocolOption]
) -> list[str]:
    offered = [option.name for option in options]
    return list(dict.fromkeys([*_PREPROCESS, *offered, *after, *before]))


def _differ(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    return (name in before, before.get(name)) != (name in after, after.get(name))


def _groups(
    names: Sequence[str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    options: Sequence[ProtocolOption],
) -> list[tuple[str, ...]]:
    """The names, those that change together in one group, which stands at its leader's place."""
    leaders = {name: "resize" for name in _OF_A_LETTERBOX}
    for option in options:
        name, value = option.idle or ("", None)
        if name and value in (before.get(name), after.get(name)):
            leaders[option.name] = name
    follows = {name for name in names if leaders.get(name) in names}
    return [
        (name, *(other for other in names if other in follows and leaders[other] == name))
        for name in names
        if name not in follows
    ]


def _changed(
    state: Mapping[str, Any], after: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    kept = {name: value for name, value in state.items() if name not in names}
    return {**kept, **{name: after[name] for name in names if name in after}}


def _is_refused(state: Mapping[str, Any], check: Callable[[Mapping[str, Any]], None]) -> bool:
    own = {k: v for k, v in state.items() if k not in PREPROCESS_FIELDS and k != SIZE}
    try:
        check(own)
    except UsageError:
        return True
    return False


def _told(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if name not in before:
        return f"{name} {_word(name, after[name])}"
    later = _word(name, after[name]) if name in after else "not stated"
    return f"{name} {_word(name, before[name])} -> {later}"


def _word(name: str, value: Any) -> str:
    if name == SIZE:
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
