"""What a compiler offers to find out where a reduced precision loses accuracy, and to mend it.

All protocols are optional for a compiler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api.backend import Compiler, CompileRequest, Target
    from zoo_core.api.card import ModelCard
    from zoo_core.api.stage import Stage

LAYERS_FILE = "layers.json"
"""How far each tensor of the compiled network is from the float one; see `ComparesLayers`."""


RANK_FILE = "rank.json"
"""What each layer, alone in the reduced precision, does to the outputs; see `RanksLayers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningStep:
    """A setting to try: options of the backend, and in words what it changes.

    `kind` is `calibrator`, `range`, `bias`, `equalisation` or another word for steps of one sort:
    the best step of a kind is kept before the next kind is tried.
    """

    name: str
    kind: str
    summary: str
    options: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Tunable(Protocol):
    """A compiler whose options can win accuracy back."""

    float_option: str
    """The option whose value is a comma-separated list of layers that stay in float."""

    float_operators: tuple[str, ...]
    """Operators whose nodes it takes, as layers.json calls them."""

    def tuning(
        self, card: ModelCard, target: Target, others: Callable[[str], Compiler]
    ) -> Sequence[TuningStep]:
        """The steps to try, those that cost no speed first.

        `others` finds another compiler by name, whose steps may serve as well.
        """


@runtime_checkable
class ComparesLayers(Protocol):
    """A compiler that can say how far each layer of an artefact is from the float network."""

    def layer_stages(self, request: CompileRequest, artefact: str, images: int) -> Sequence[Stage]:
        """Stages after those of `Compiler.stages`; the last one is `layers`, outputs layers.json.

        `artefact` is "stage/artefact.json"; the first `images` of the calibration images run,
        streamed. The file holds {"images", "reference", "layers": [{"tensor", "node", "operator",
        "module", "precision", "snr_db", "cosine", "own_snr_db", "own_cosine"}]}, the lowest
        `snr_db` first: for each compared tensor the ONNX node that makes it ("" for the network's
        input), the module path of the source network where the exporter tells it, else null, the
        precision of the node, 10 log10(signal power / error power) and the cosine similarity of all
        values over all images. `snr_db` and `cosine` compare the whole networks: the errors of all
        earlier layers are in them. `own_snr_db` and `own_cosine` are those of a layer that gets the
        float tensors, so that the error is its own; null for what computes in float. `snr_db` is
        null where there is no error (then `cosine` is 1), and where the float tensor is 0.
        `node` is a name that `Tunable.float_option` takes, if that node can stay in float.
        Raises UsageError where the build has no float network to compare with.
        """


@runtime_checkable
class RanksLayers(Protocol):
    """A compiler that can say which layers the accuracy of the whole network suffers from."""

    def rank_stages(self, request: CompileRequest) -> Sequence[Stage]:
        """Stages after those of `Compiler.stages`; the last one is `rank`, outputs rank.json.

        The file holds {"images", "layers": [{"node", "snr_db"}]}, the lowest first: for each layer
        that may stay in float the mean of 10 log10(signal power / error power) of the network's
        outputs, where this layer alone has the reduced precision. Later layers may enlarge an
        error, which `own_snr_db` of layers.json does not tell. `node` is as there. Raises
        UsageError where the build has no float network.
        """
