"""The facts about one model, as registry.yaml states them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one file comes from and how it is identified.

    Exactly one of `url` (http, https or file), `resource` ("package:path/inside"), `path` (in the
    card's source repository) and `by_hand` (where a person can get it) is set. `size` is in bytes,
    digests are in lower case. A file by hand may lack a digest: the exporter then checks its
    content, and the digest of the file is recorded.
    """

    name: str
    url: str | None = None
    resource: str | None = None
    path: str | None = None
    by_hand: str | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsOption:
    """One of several sources of the weights: a format and its files by role (`weights`, `cfg`)."""

    format: str
    files: Mapping[str, Source]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The source repository a model comes from, pinned."""

    name: str
    url: str
    commit: str | None = None
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedResult:
    """A published result, with the conditions that a run must match to be compared with it.

    `metrics` are fractions under the evaluator's names; `performance` and `conditions` are copied
    as published (units are in the key names). `size` is (height, width).
    """

    id: str
    protocol: str
    dataset: str
    weights: str
    precision: str
    device: str
    size: tuple[int, int]
    metrics: Mapping[str, float]
    performance: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    provenance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One model, as data.

    `size` is the default network input (height, width). `preprocess` is the data form of
    `zoo_core.vision.Preprocess`. `dataset` is the data set of the published figures,
    `given_dataset` the one that reads the user's folder and annotations, `sample_dataset` the one
    for the sample weights. `labels` are the class names in the network's output order. `protocols`
    maps a backend to its default protocol. `backends` maps a backend to settings that its plugin
    reads; the core does not read them. `exporters` maps further exporters to their parameters; they
    read weights of formats that `exporter` does not read.
    """

    id: str
    task: str
    family: str | None = None
    summary: str
    repository: Repository
    license: str
    exporter: str
    exporter_params: Mapping[str, Any]
    decoder: str
    decoder_params: Mapping[str, Any]
    evaluator: str
    dataset: str
    given_dataset: str | None = None
    size: tuple[int, int]
    preprocess: tuple[Mapping[str, Any], ...]
    labels: tuple[str, ...]
    protocol: str
    protocols: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[WeightsOption, ...] = ()
    sample: WeightsOption | None = None
    sample_dataset: str | None = None
    published: tuple[PublishedResult, ...] = ()
    training_overlap: str | None = None
    backends: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exporters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origin: str
