"""What a new plugin, and what is in it, are called."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo_core.errors import UsageError, did_you_mean
from zoo_core.plugins.plugin import installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "exporter": ("exporter", "decoder"),
        "backend": ("compiler", "runtime", "backend"),
        "decoder": ("decoder",),
        "dataset": ("dataset",),
        "evaluator": ("evaluator",),
    }
)
"""What can be new -> the kinds of providers that the plugin gives under its name."""

_PREFIX = "zoo-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 24
"""Longer names make lines longer than the house has them."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A plugin's name in each place where it stands; `name` is that of the entry point."""

    name: str

    @classmethod
    def of(cls, text: str) -> Naming:
        """From what a user typed; raises UsageError where that can be no name."""
        name = text.removeprefix(_PREFIX)
        short = len(name) <= _LONGEST
        if not _NAME.fullmatch(name) or not short or keyword.iskeyword(name):
            step = (
                f"lower-case letters, digits and single dashes, at most {_LONGEST}, such as my-net"
            )
            raise UsageError(f"'{text}' can be no name of a plugin", next=step)
        return cls(name)

    @property
    def distribution(self) -> str:
        """What pip installs."""
        return f"{_PREFIX}{self.name}"

    @property
    def short(self) -> str:
        """The name as part of a Python name."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """What Python imports."""
        return f"zoo_{self.short}"

    @property
    def words(self) -> str:
        """The name as part of a class's name."""
        return "".join(part.capitalize() for part in self.name.split("-"))


def check_free(naming: Naming, kind: str, plugins: Plugins) -> None:
    """Raises UsageError where a plugin or provider of this name is there, or for another kind."""
    if kind not in KINDS:
        raise UsageError(f"no kind '{kind}'", next=did_you_mean(kind, ["model", *KINDS]))
    step = "choose another name"
    for plugin in [*installed(), *plugins.plugins]:
        if plugin.names & {naming.name, naming.module, naming.distribution}:
            what = f"a plugin '{plugin.name}' is installed already ({plugin.origin})"
            raise UsageError(what, next=step)
    for part in KINDS[kind]:
        if naming.name in plugins.all(part):
            owner = plugins.owner(part, naming.name).origin
            raise UsageError(f"{part} '{naming.name}' is given by {owner} already", next=step)


def check_free_model(name: str, registry: Registry) -> None:
    """Raises UsageError where a card has this name, or where it can be no name of one."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        step = "lower-case letters, digits, dots and dashes"
        raise UsageError(f"'{name}' can be no name of a model", next=step)
    if name in registry.models:
        where = registry.models[name].origin
        raise UsageError(f"a model '{name}' is there already", where=where, next="choose another")
