"""What a plugin author implements: small Protocols, and the values they are called with.

Everything named `stages` or `plan` is called while planning: it must be pure (no network, no
writing), quick, and free of heavy imports; it raises `UsageError` for what it refuses. The
functions that `Stage.run` names do the work and may import anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api.backend import Target
    from zoo_core.api.card import ModelCard
    from zoo_core.api.graph import TensorSpec
    from zoo_core.api.protocol import ScoringProtocol
    from zoo_core.api.results import Metrics, Sample, Shard
    from zoo_core.api.stage import Stage
    from zoo_core.vision.geometry import Geometry

Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Named arrays: a network's outputs, one image's candidates, one image's prediction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to export.

    `weights` is published, given, random or sample; `format` is that of the weights file, by its
    name ending or its card; `files` maps a role (`weights`, `cfg`) to "stage/file" in the plan, and
    is empty for random weights but for a cfg. `seed` is that of random weights. `size` is (height,
    width). `source` is builtin, repo, or a folder. `form` is heads or e2e, as the compiler wants
    it.
    """

    weights: str
    format: str
    files: Mapping[str, str]
    seed: int
    size: tuple[int, int]
    classes: int
    source: str
    form: str
    options: Mapping[str, str] = field(default_factory=dict)


class Exporter(Protocol):
    """Weights or a source repository become a graph."""

    formats: tuple[str, ...]
    """Graph formats it can make, the preferred one first."""

    suffixes: Mapping[str, str]
    """Weights file name ending -> weights format, for files given by hand."""

    companions: Mapping[str, str]
    """Role -> name ending of further files that lie beside the weights, such as cfg -> .cfg."""

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """Stages whose last graph-making one outputs `graph.json` (see `Graph`).

        A `verify.json` output of any stage holds {"max_abs", "max_rel", "reference"}: the graph
        against the network it was made from, on a seeded input.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRequest:
    """What to compile.

    `graph` is "stage/graph.json"; `format` its format. `calibration` is "stage/images.json" (read
    it with `zoo_core.api.calibration.tensors`) or None when the compiler said it needs none.
    `calibrator` is the user's choice or None; `preprocess` the effective specification as data.
    `others` finds another compiler by its name, for one that builds on it, or raises `UsageError`.
    """

    card: ModelCard
    target: Target
    graph: str
    format: str
    form: str
    calibration: str | None
    calibrator: str | None
    preprocess: Sequence[Mapping[str, Any]]
    protocol: ScoringProtocol
    size: tuple[int, int]
    others: Callable[[str], Compiler] | None = None


class Compiler(Protocol):
    """A graph becomes an artefact."""

    formats: tuple[str, ...]
    """Graph formats it takes, the preferred one first."""

    form: str
    """The graph form it wants: heads or e2e."""

    calibrators: Mapping[str, str]
    """Calibrator name or common alias -> canonical name; the first entry is the default."""

    def needs_calibration(self, precision: str) -> bool:
        """Whether artefacts of this precision are calibrated."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """Stages whose last one outputs `artefact.json` and `precision.json`.

        The artefact is that stage's whole folder. `precision.json` says what was done, not what
        was asked: {"requested", "int8_nodes", "float_nodes", "float_node_names", "tool", ...}.
        """


class OfflineBuilder(Protocol):
    """Files that a machine elsewhere needs to compile a graph, made without the vendor's tools."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """Stages whose last one is named `emit` and outputs the folder `files`."""


class Session(Protocol):
    """A loaded artefact, ready to run."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    threads: int | None
    """How many threads one run uses; None where that is not known."""

    workers: int
    """How many threads may call `run` at once, and should where many images wait; 1 for one."""

    input_kind: str
    """`tensor`: preprocessed batches. `image`: one image as read, uint8 [1, 3, height, width] in
    RGB, which the device preprocesses by what its artefact holds; batches are then its own affair.
    `name`: the sample's name, str [1], for outputs that another program has stored.
    """

    def run(self, feeds: Arrays) -> Arrays:
        """One batch through the network; arrays are C-contiguous, batch first, in output order.

        Raises `SampleError` where this image alone failed and others can go on, else `StageError`.
        """


class Runtime(Protocol):
    """An artefact becomes tensors."""

    def open(
        self, artefact: Path, target: Target, hint: str = "latency"
    ) -> AbstractContextManager[Session]:
        """Load the artefact folder for the target; raises `UnavailableError` or `StageError`.

        `hint` is `latency`, where one run shall be quick, or `throughput`, where many wait.
        """


Decode: TypeAlias = "Callable[[Arrays, Geometry], Arrays]"
"""One image's outputs (no batch axis) -> its candidates, in the pixels of the image as read."""


class Decoder(Protocol):
    """Tensors become candidates: pure, float32, no threshold but the floor."""

    task: str

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function for a card's parameters; raises `UsageError` for wrong ones.

        For detection it returns `Candidates.to_arrays()`. `floor` is the score below which
        candidates need not be kept.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One image's settled prediction (for detection, `Detections.to_arrays()`)."""

    sample: Sample
    arrays: Arrays


class Predictions(Protocol):
    """Predictions of a data set, read from the store image by image, as often as wanted."""

    def __iter__(self) -> Iterator[Prediction]: ...
    def __len__(self) -> int: ...


class Evaluator(Protocol):
    """Predictions and truth become metrics; owns the protocol fields of its task."""

    task: str

    versions: tuple[str, ...]
    """Distributions whose version its figures depend on."""

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises `UsageError` for an unknown field or a value out of range."""

    def floor(self, values: Mapping[str, Any]) -> float:
        """The lowest score that these values let through; decoders keep what is above."""

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """Apply the protocol to one image's candidates."""

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """The task's metrics; no prediction at all scores 0.0, undefined ones are None."""

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """Leave the predictions in the field's own file formats in `folder`.

        `truth` is given where there is one, for ids and names that belong to it.
        """

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """The image (uint8 H x W x 3, RGB) with what scores above `least` drawn on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """Which data: `purpose` is evaluate, calibrate or predict; `limit` None means all of it.

    `images` and `annotations` are given by the user for data sets that take a folder. `others`
    finds another data set by its name, for a set that is made of it, or raises `UsageError`.
    """

    purpose: str
    images: Path | None = None
    annotations: Path | None = None
    limit: int | None = None
    others: Callable[[str], Dataset] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlan:
    """A data set as a plan sees it.

    `kind` is published, given or sample. `stages` bring the data (none where it lies there);
    `inputs` and `locations` say where reading finds it, as in `Stage`. `shards` cover the chosen
    samples in order; `count` is their number and `of` that of the whole set. `content` digests the
    whole choice including its truth.
    """

    dataset: str
    kind: str
    stages: tuple[Stage, ...]
    inputs: Mapping[str, str]
    locations: Mapping[str, str]
    params: Mapping[str, Any]
    shards: tuple[Shard, ...]
    count: int
    of: int
    content: str
    has_truth: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DataView:
    """A `DataPlan` whose stages have run: `paths` holds its inputs and locations by argument."""

    paths: Mapping[str, Path]
    params: Mapping[str, Any]


class Dataset(Protocol):
    """Samples, truth and calibration lists, in a fixed order."""

    task: str

    def plan(self, request: DataRequest) -> DataPlan:
        """Raises `DataError` for files that are missing or do not fit together."""

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Samples [start, stop) of the set's order; raises `DataError` for a missing image."""

    def truth(self, view: DataView) -> Path:
        """The truth's file, in the form the task's evaluator reads."""


class Profiler(Protocol):
    """The vendor's own tool measures an artefact."""

    def profile(
        self, artefact: Path, target: Target, options: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """The tool's figures under its own names, with units in the names, and its raw text."""
