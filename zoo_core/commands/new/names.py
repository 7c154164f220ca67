"""Names and kinds of new plugins and models."""

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


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plugin: the providers it registers, its description and what it depends on."""

    providers: tuple[str, ...]
    description: str
    dependencies: tuple[str, ...] = ("numpy>=1.26",)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "exporter": Kind(
            ("exporter", "decoder"),
            "A family of detectors: weights to graphs, and graphs' outputs to boxes.",
            ("numpy>=1.26", "onnx>=1.16", "torch>=2.4"),
        ),
        "backend": Kind(
            ("compiler", "runtime", "backend"),
            "A backend: compiles a graph to an artefact, and runs it.",
            ("numpy>=1.26", "onnx>=1.16", "protobuf>=4"),
        ),
        "decoder": Kind(("decoder",), "A decoder: a network's outputs become boxes."),
        "dataset": Kind(("dataset",), "A data set: a folder of images, and boxes in a CSV.", ()),
        "evaluator": Kind(("evaluator",), "An evaluator: detections and annotations to metrics."),
    }
)

_PREFIX = "zoo-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_MAX_LENGTH = 24
"""Longer names make longer lines in the templates than linters accept."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A plugin's name wherever it appears; `name` is the entry point's."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Naming:
        """From what a user typed; raises UsageError where it is not a valid name."""
        name = text.removeprefix(_PREFIX)
        if not _NAME.fullmatch(name) or len(name) > _MAX_LENGTH or keyword.iskeyword(name):
            step = f"lower-case letters, digits, single dashes, at most {_MAX_LENGTH}: my-net"
            raise UsageError(f"'{text}' is not a valid name of a plugin", next=step)
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
    def class_name(self) -> str:
        """The name as part of a class's name."""
        return "".join(part.capitalize() for part in self.name.split("-"))


def check_new_plugin(naming: Naming, kind: str, plugins: Plugins) -> None:
    """Raises UsageError for an unknown kind, and for a name that a plugin or provider has."""
    if kind not in KINDS:
        raise UsageError(f"no kind '{kind}'", next=did_you_mean(kind, ["model", *KINDS]))
    step = "choose another name"
    for plugin in [*installed(), *plugins.plugins]:
        if plugin.names & {naming.name, naming.module, naming.distribution}:
            what = f"a plugin '{plugin.name}' is installed already ({plugin.origin})"
            raise UsageError(what, next=step)
    for part in KINDS[kind].providers:
        if naming.name in plugins.all(part):
            owner = plugins.owner(part, naming.name).origin
            raise UsageError(f"{owner} already provides {part} '{naming.name}'", next=step)


def check_new_model(name: str, registry: Registry) -> None:
    """Raises UsageError for an invalid name, and for one that another card has."""
    if not _MODEL_NAME.fullmatch(name):
        step = "lower-case letters, digits, dots and dashes"
        raise UsageError(f"'{name}' is not a valid name of a model", next=step)
    if name in registry.models:
        where = registry.models[name].origin
        raise UsageError(f"model '{name}' exists already", where=where, next="choose another name")
