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
            "A family of detectors: exports weights to graphs and decodes outputs to boxes.",
            ("numpy>=1.26", "onnx>=1.16", "torch>=2.4"),
        ),
        "backend": Kind(
            ("compiler", "runtime", "backend"),
            "A backend: compiles a graph to an artefact, and runs it.",
            ("numpy>=1.26", "onnx>=1.16", "protobuf>=4"),
        ),
        "decoder": Kind(("decoder",), "A decoder: decodes a network's outputs to boxes."),
        "dataset": Kind(("dataset",), "A data set: a folder of images, and boxes in a CSV.", ()),
        "evaluator": Kind(("evaluator",), "An evaluator: scores detections against annotations."),
    }
)

_PREFIX = "zoo-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_MAX_LENGTH = 24
"""Longer names would make lines of the templates too long for linters."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A plugin's name wherever it appears; `name` is the entry point's."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Naming:
        """Parse a user's name; raises UsageError for an invalid one."""
        name = text.removeprefix(_PREFIX)
        if not _NAME.fullmatch(name) or len(name) > _MAX_LENGTH or keyword.iskeyword(name):
            step = f"use at most {_MAX_LENGTH} lower-case letters, digits and single dashes: my-net"
            raise UsageError(f"invalid plugin name '{text}'", next=step)
        return cls(name)

    @property
    def distribution(self) -> str:
        """The name for pip."""
        return f"{_PREFIX}{self.name}"

    @property
    def short(self) -> str:
        """The name as part of a Python name."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """The name of the Python module."""
        return f"zoo_{self.short}"

    @property
    def class_name(self) -> str:
        """The name as part of a class's name."""
        return "".join(part.capitalize() for part in self.name.split("-"))


def check_new_plugin(naming: Naming, kind: str, plugins: Plugins) -> None:
    """Raises UsageError for an unknown kind, and for the name of another plugin or provider."""
    if kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'", next=did_you_mean(kind, ["model", *KINDS]))
    step = "choose another name"
    for plugin in [*installed(), *plugins.plugins]:
        if plugin.names & {naming.name, naming.module, naming.distribution}:
            what = f"plugin '{plugin.name}' is already installed ({plugin.origin})"
            raise UsageError(what, next=step)
    for part in KINDS[kind].providers:
        if naming.name in plugins.all(part):
            owner = plugins.owner(part, naming.name).origin
            raise UsageError(f"{owner} already provides {part} '{naming.name}'", next=step)


def check_new_model(name: str, registry: Registry) -> None:
    """Raises UsageError for an invalid name, and for the name of another card."""
    if not _MODEL_NAME.fullmatch(name):
        step = "use lower-case letters, digits, dots and dashes"
        raise UsageError(f"invalid model name '{name}'", next=step)
    if name in registry.models:
        where = registry.models[name].origin
        raise UsageError(f"model '{name}' already exists", where=where, next="choose another name")
