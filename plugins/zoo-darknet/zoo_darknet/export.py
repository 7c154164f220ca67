"""The stage that turns a .cfg and its .weights into ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Graph, TensorSpec
from zoo_core.toolkit.artefact import write_graph
from zoo_core.toolkit.darknet_cfg import read_cfg
from zoo_darknet.boxes import Decoded
from zoo_darknet.heads import check_params, heads_to_data
from zoo_darknet.network_file import build_network, read_topology
from zoo_darknet.onnx_file import write_onnx

if TYPE_CHECKING:
    from torch import nn

    from zoo_core.api import StageContext
    from zoo_darknet.topology import Topology

MODEL_FILE = "model.onnx"
_BATCH = "batch"


def export(context: StageContext) -> None:
    """Writes model.onnx, batch dynamic, and graph.json with what a decoder needs of the cfg."""
    params = context.params
    cfg = read_cfg(context.inputs["cfg"])
    topology = read_topology(cfg, params)
    check_params(params["decoder"], topology, cfg.file)
    context.progress(0, 2, "weights")
    network: nn.Module = build_network(context.inputs, params)
    context.progress(1, 2, "graph")
    if params["form"] == "e2e":
        network = Decoded(network).eval()  # type: ignore[arg-type]
    given, outputs = _input(topology), _outputs(topology, params["form"])
    opset = write_onnx(network, given, outputs, params["opset"], context.out / MODEL_FILE)
    context.progress(2, 2, "done")
    graph = Graph(
        format="onnx",
        path=MODEL_FILE,
        inputs=(given,),
        outputs=outputs,
        form=params["form"],
        facts={
            "opset": opset,
            "cfg": context.inputs["cfg"].name,
            "cfg_size": [cfg.height, cfg.width],
            "letter_box": bool(cfg.net.integer("letter_box", 0)),
            "decoder": {"heads": heads_to_data(topology.heads)},
        },
        warnings=(*cfg.warnings, *topology.warnings),
    )
    write_graph(context.out, graph)


def _outputs(topology: Topology, form: str) -> tuple[TensorSpec, ...]:
    shapes = topology.head_shapes
    if form == "heads":
        return tuple(
            _spec(f"head{number}", shape.channels, shape.height, shape.width)
            for number, shape in enumerate(shapes)
        )
    pairs = zip(topology.heads, shapes, strict=True)
    count = sum(len(head.anchors) * shape.height * shape.width for head, shape in pairs)
    return _spec("boxes", count, 1, 4), _spec("confs", count, topology.classes)


def _spec(name: str, *extent: int) -> TensorSpec:
    return TensorSpec(name=name, shape=(_BATCH, *extent))


def _input(topology: Topology) -> TensorSpec:
    given = topology.input
    return _spec("input", given.channels, given.height, given.width)
