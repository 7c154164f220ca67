"""Configurations of `vamc compile`, third generation: read from YAML and written back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import yaml

from zoo_core.errors import DataError, RegistryError
from zoo_vastai.formats.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
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
_MOST_VALUES = 1_000_000

BUILD_FILE = "build.json"
"""What zoo says of a build, beside its configuration; no file of the vendor's."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, ten times as fast where libyaml is there."""

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


def read_text(path: Path) -> str:
    """The text of a file; raises `DataError`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", where=str(path)) from error


def load_yaml(text: str, where: str) -> Any:
    """What the YAML holds; raises `RegistryError` with the line for what is not YAML.

    Also where a part holds itself, or references unfold to more than a million values.
    """
    try:
        data = yaml.load(text, Loader=LOADER)
        _check_extent(data, where)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RegistryError(f"is not YAML: {problem}", where=place) from error
    except RecursionError as error:
        raise RegistryError("is nested too deeply", where=where) from error
    return data


def _check_extent(data: Any, where: str) -> None:
    for count, loops in enumerate(_nodes(data, ())):
        if loops:
            raise RegistryError("a part of it holds itself", where=where, next="write it without *")
        if count > _MOST_VALUES:
            raise RegistryError("its references unfold without end", where=where)


def _nodes(value: Any, above: tuple[int, ...]) -> Iterator[bool]:
    """One item per value: whether it stands within itself."""
    yield id(value) in above
    if isinstance(value, dict | list) and id(value) not in above:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _nodes(item, (*above, id(value)))


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
