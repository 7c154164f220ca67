"""Configurations of `vamc compile`, third generation: read from YAML and written back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import yaml

from zoo_core.errors import RegistryError
from zoo_core.toolkit.files import load_yaml, read_text
from zoo_vastai.formats.plain import plain

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What all parts of a configuration share: field names are the keys of the file.

    An absent key is None; a key that the file sets to null stands in `other`, beside the keys that
    are not known here.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ()
    other: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """The keys that have a field."""
        return tuple(item.name for item in fields(cls) if item.name != "other")

    def to_data(self) -> dict[str, Any]:
        """The mapping that the file holds, as plain dicts and lists."""
        values = {key: getattr(self, key) for key in self.known()}
        known = {key: plain(value) for key, value in values.items() if value is not None}
        return {**known, **plain(self.other)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend(Part):
    """What is compiled: a path, its input shapes by the graph's own names, and its kind."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("checkpoint", "shape")
    checkpoint: str
    shape: Mapping[str, Any]
    type: str | None = None
    dtype: str | None = None
    model_kwargs: Mapping[str, Any] | None = None
    quantize: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPart(Part):
    """What is appended to the graph: {"type": ..., "params": {...}}."""

    extra_ops: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler(Part):
    """Which files of the calibration folder count: their ending without a dot, and how many."""

    suffix: str | None = None
    get_data_num: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPart(Part):
    """The calibration set, and the operations that bring its files to the network's input."""

    type: str | None = None
    path: str | None = None
    sampler: Sampler | None = None
    process_ops: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendPart(Part):
    """Target, precision, and the compiler's own options, which pass through unread."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("dtype",)
    type: str | None = None
    dtype: str
    quantize: Mapping[str, Any] | None = None
    compile: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace(Part):
    """The folder, relative to the current one, in which a folder `name` gets mod.json and so on."""

    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VamcConfig(Part):
    """One configuration; `name` names the folder of the results."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("frontend", "backend")
    name: str | None = None
    frontend: Frontend
    graph: GraphPart | None = None
    dataset: DatasetPart | None = None
    backend: BackendPart
    workspace: Workspace | None = None


PartT = TypeVar("PartT", bound=Part)
_UNFOLDED = 4096

BUILD_FILE = "build.json"
"""What zoo says of a build, beside its configuration; no file of the vendor's."""

_PARTS: Mapping[str, type[Part]] = MappingProxyType(
    {
        "frontend": Frontend,
        "graph": GraphPart,
        "dataset": DatasetPart,
        "sampler": Sampler,
        "backend": BackendPart,
        "workspace": Workspace,
    }
)
_KINDS: Mapping[str, tuple[type, str]] = MappingProxyType(
    {
        **{key: (Mapping, "a mapping") for key in (*_PARTS, "shape", "extra_ops", "model_kwargs")},
        **{key: (Mapping, "a mapping") for key in ("compile", "quantize")},
        **{key: (str, "text") for key in ("name", "checkpoint", "type", "dtype", "path", "suffix")},
        "get_data_num": (int, "a whole number"),
        "process_ops": (list, "a list"),
    }
)


def parse_config(data: Any, where: str = "") -> VamcConfig:
    """The configuration that parsed YAML holds.

    Raises `RegistryError` that names the key for what is no configuration, for the second
    generation (model, engine), for a missing checkpoint, shape or dtype, and for a
    known key that holds another type.
    """
    if not isinstance(data, Mapping):
        raise RegistryError("is not a vamc configuration: not a mapping", where=where)
    if is_second_generation(data):
        raise RegistryError(
            "is a configuration of vamc 2 (model, engine), which `vamc compile` does not take",
            where=where,
            next="write it anew with frontend, backend and workspace",
        )
    return _part(VamcConfig, data, where, "")


def is_second_generation(data: Mapping[str, Any]) -> bool:
    """Whether it has the shape that `vamc build` took until 2023."""
    model = data.get("model")
    has_model = isinstance(model, Mapping) and bool({"checkpoint", "inputs"} & model.keys())
    return "frontend" not in data and (has_model or ("engine" in data and "workspace" in data))


def read_config(path: Path) -> VamcConfig:
    """The configuration in a file; raises `DataError` and `RegistryError`."""
    return parse_config(load_yaml(read_text(path), str(path)), str(path))


def config_text(config: VamcConfig) -> str:
    """The YAML file: parts in the model's order, short lists on one line."""
    return yaml.dump(
        config.to_data(),
        Dumper=yaml.SafeDumper,
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=_UNFOLDED,
    )


def _part(kind: type[PartT], data: Mapping[str, Any], where: str, key: str) -> PartT:
    known = kind.known()
    typed: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name, value in data.items():
        if name in known and value is not None:
            typed[name] = _value(name, value, where, f"{key}.{name}" if key else name)
        else:
            other[name] = value
    for name in kind.REQUIRED:
        if name not in typed:
            raise RegistryError(f"lacks {f'{key}.{name}' if key else name}", where=where)
    return kind(**typed, other=other)


def _value(name: str, value: Any, where: str, key: str) -> Any:
    _check_kind(name, value, where, key)
    if name in _PARTS:
        return _part(_PARTS[name], cast("Mapping[str, Any]", value), where, key)
    return _ops(value, where, key) if name == "process_ops" else value


def _check_kind(name: str, value: Any, where: str, key: str) -> None:
    kind, words = _KINDS[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RegistryError(f"{key} must be {words}, not {value!r}", where=where)


def _ops(items: list[Any], where: str, key: str) -> tuple[Mapping[str, Any], ...]:
    for at, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise RegistryError(f"{key}[{at}] must be a mapping, not {item!r}", where=where)
    return tuple(items)
