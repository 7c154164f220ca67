"""The stage `equalise`: channels between two convolutions are given like ranges before int8."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zoo_core.api.calibration import tensors
from zoo_core.toolkit.artefact import read_graph, write_graph
from zoo_core.toolkit.files import write_json
from zoo_core.toolkit.machine import cpu_threads
from zoo_core.toolkit.onnx_file import load, save
from zoo_core.toolkit.similarity import seeded_feeds
from zoo_onnxruntime.activations import activations
from zoo_onnxruntime.channels import channel_peaks
from zoo_onnxruntime.files import EQUALISED_FILE, MODEL_FILE
from zoo_onnxruntime.graph import constant, constants, consumers, replace_nodes
from zoo_onnxruntime.rewrites.proof import BATCH, Reference, demand, outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto

    from zoo_core.api import StageContext
    from zoo_onnxruntime.activations import Activation

_LARGEST = 1e3
"""The largest factor of a channel; next to dead ones would get any."""

_DEEPEST_SILU = 1.278
"""SiLU is least, -0.278, at the negative of this."""

_WORTH_DB = 12.0
"""What the mean channel of a tensor has to gain before a factor of its own is multiplied in."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Convolutions `readers` that alone read what `first` makes, with `activation` between or none.

    `tensor` is what they read.
    """

    first: NodeProto
    readers: tuple[NodeProto, ...]
    tensor: str
    activation: Activation | None

    @property
    def free(self) -> bool:
        """Whether a factor passes from the first to the others with nothing to compute."""
        return self.activation is None or self.activation.homogeneous


def build(ctx: StageContext) -> None:
    """Leave `model.onnx`, its `graph.json`, and what was equalised by how much.

    Raises StageError where the outputs on seeded feeds agree to less than 90 dB.
    """
    listing = ctx.inputs["graph"]
    graph = read_graph(listing)
    source, target = listing.parent / graph.path, ctx.out / MODEL_FILE
    model = load(source)
    found = [] if graph.facts.get("quantised") else list(pairs(model.graph))
    if ctx.params["equalise"] == "free":
        found = [pair for pair in found if pair.free]
    images = tensors(ctx.inputs["images"], ctx.params["preprocess"], graph.batch)
    ctx.progress(0, 2, "ranges of channels")
    names = list(dict.fromkeys(pair.first.output[0] for pair in found))
    ends = channel_peaks(load(source), names, images, cpu_threads()) if names else {}
    made = (equalise(model.graph, pair, ends[pair.first.output[0]]) for pair in found)
    rows = [row for row in made if row]
    save(model, target)
    ctx.progress(1, 2, "prove")
    proof: dict[str, Any] = {}
    if rows:
        feeds = seeded_feeds(graph.inputs, BATCH)
        reference = Reference.of(source, feeds, str(source))
        agreement = reference.agreement(outputs(target, feeds, str(source), plain=True))
        demand("equalise", agreement)
        proof = {"snr_db": round(agreement.snr_db, 1), "max_abs": agreement.max_abs}
    write_graph(ctx.out, dataclasses.replace(graph, path=MODEL_FILE))
    write_json(ctx.out / EQUALISED_FILE, {"pairs": rows, **proof})
    ctx.progress(2, 2)


def pairs(graph: GraphProto) -> Iterator[Pair]:
    """All pairs of a graph in order; weights are float32 constants that one node reads."""
    read, known = consumers(graph), constants(graph)
    outputs_ = {value.name for value in graph.output}
    follows = activations(graph)

    def own(node: NodeProto) -> bool:
        return node.op_type == "Conv" and all(
            name in known and known[name].data_type == TensorProto.FLOAT and len(read[name]) == 1
            for name in node.input[1:]
            if name
        )

    for node in graph.node:
        if not own(node) or node.output[0] in outputs_:
            continue
        activation = follows.get(node.output[0])
        tensor = activation.result if activation else node.output[0]
        readers = tuple(read.get(tensor, ()))
        possible = activation is None or activation.homogeneous or activation.name == "SiLU"
        if readers and possible and tensor not in outputs_ and all(map(own, readers)):
            yield Pair(node, readers, tensor, activation)


def equalise(graph: GraphProto, pair: Pair, ends: NDArray[np.float64]) -> dict[str, Any] | None:
    """Multiply channels in the first convolution and divide them in its readers, in place.

    f(s x) = s f(x) for s > 0 passes ReLU, leaky ReLU and the identity (Nagel et al. 2019,
    arXiv:1906.04721, section 4.1); for SiLU x sigmoid(x / s) is multiplied in, where that is worth
    it. Weights have a scale for each output channel here, so what counts of the first is the peak
    of its activations: s = sqrt(w / a) with a that peak and w the largest weight that reads the
    channel, as a share of its output's (Xiao et al. 2022, arXiv:2211.10438, with the exponent .5).
    Depthwise readers have a scale for each channel as well: s = 1 / a. Factors are rounded to
    powers of two, which change no digit of a float. `ends` are the highest value of each channel of
    the first convolution's result and the lowest, negated. Returns what was done.
    """
    peaks = _used(pair.activation, ends)
    known = constants(graph)
    shares = np.stack([_shares(node, known, len(peaks)) for node in pair.readers]).max(axis=0)
    depthwise = all(known[node.input[1]].dims[1] == 1 for node in pair.readers)
    alive = (peaks > 0) & (shares > 0)
    if alive.sum() < 2:
        return None
    factors = np.ones(len(peaks))
    factors[alive] = 1 / peaks[alive] if depthwise else np.sqrt(shares[alive] / peaks[alive])
    after = peaks * factors
    factors[alive] *= peaks.max() / after.max()
    factors = np.exp2(np.rint(np.log2(np.clip(factors, 1 / _LARGEST, _LARGEST))))
    gain = float(np.mean(20 * np.log10(factors[alive] * peaks.max() / (peaks * factors).max())))
    if np.ptp(factors) == 0 or (not pair.free and gain < _WORTH_DB):
        return None
    _scale_first(pair.first, known, factors)
    for node in pair.readers:
        _scale_reader(node, known, factors)
    if not pair.free:
        _scale_sigmoid(graph, pair, factors)
    return {
        "convolution": pair.first.name,
        "readers": [node.name for node in pair.readers],
        "activation": pair.activation.name if pair.activation else None,
        "largest_factor": float(factors.max() / factors.min()),
        "gain_db": round(gain, 1),
    }


def _used(activation: Activation | None, ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest magnitude in each channel that makes a difference after the activation.

    Where what comes before an activation is quantised too, the geometric mean of both.
    """
    high, low = np.maximum(ends, 0.0)
    if activation is None:
        return np.asarray(np.maximum(high, low))
    before = np.maximum(high, np.minimum(low, -activation.low))
    deepest = low if activation.homogeneous else np.minimum(low, _DEEPEST_SILU)
    after = np.maximum(high, np.abs(activation.function(-deepest)))
    return np.asarray(after if activation.clamps else np.sqrt(before * after))


def _groups(node: NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def _by_input(node: NodeProto, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights as [groups, outputs of a group, inputs of a group, kernel]."""
    groups = _groups(node)
    return weights.reshape(groups, weights.shape[0] // groups, weights.shape[1], -1)


def _shares(node: NodeProto, known: Mapping[str, Any], channels: int) -> NDArray[np.float64]:
    """For each input channel the largest weight as a share of its output channel's largest."""
    sizes = np.abs(_by_input(node, numpy_helper.to_array(known[node.input[1]]))).max(axis=3)
    largest = np.maximum(sizes.max(axis=2, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray((sizes / largest).max(axis=1).reshape(channels), np.float64)


def _scale_first(node: NodeProto, known: Mapping[str, Any], factors: NDArray[np.float64]) -> None:
    for name in filter(None, node.input[1:]):
        values = numpy_helper.to_array(known[name])
        column = factors.reshape(-1, *[1] * (values.ndim - 1))
        _replace(known, name, values * column)


def _scale_reader(node: NodeProto, known: Mapping[str, Any], factors: NDArray[np.float64]) -> None:
    values = numpy_helper.to_array(known[node.input[1]])
    column = factors.reshape(_groups(node), 1, -1, 1)
    _replace(known, node.input[1], (_by_input(node, values) / column).reshape(values.shape))


def _scale_sigmoid(graph: GraphProto, pair: Pair, factors: NDArray[np.float64]) -> None:
    """Let the sigmoid of a SiLU read what the convolution made before it was scaled."""
    source = pair.first.output[0]
    name = f"{source}/unscaled"
    graph.initializer.append(
        constant(f"{name}/factor", (1 / factors).astype(np.float32).reshape(1, -1, 1, 1))
    )
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "Sigmoid" and node.input[0] == source:
            inputs = [source, f"{name}/factor"]
            nodes.append(helper.make_node("Mul", inputs, [name], name=f"{name}/multiply"))
            node.input[0] = name
        nodes.append(node)
    replace_nodes(graph, nodes)


def _replace(known: Mapping[str, Any], name: str, values: NDArray[Any]) -> None:
    known[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
