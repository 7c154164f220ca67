"""A configuration of `vamc compile` as a value: the known is typed, the rest kept as it is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from zoo_vastai.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


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
