"""The decoder against golden boxes, and its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from zoo_darknet.boxes import Decoded
from zoo_darknet.decoder import DarknetDecoder
from zoo_darknet.heads import heads_to_data
from zoo_darknet.topology import plan_network

from zoo_core.errors import UsageError
from zoo_core.toolkit.darknet_cfg import parse_cfg, read_cfg
from zoo_core.toolkit.detection import Candidates
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from numpy.typing import NDArray
    from zoo_darknet.topology import Topology

    from zoo_core.api import Arrays
    from zoo_core.toolkit.darknet_cfg import Cfg

HEAD: dict[str, Any] = {"anchors": [[1, 2]], "classes": 80, "stride": 8}


def facts(cfg: Cfg, size: tuple[int, int]) -> dict[str, Any]:
    return {"heads": heads_to_data(plan_network(cfg, *size).heads)}


def dense(found: Arrays, rows: int, classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """All boxes and scores by row; what is below the floor stays zero."""
    candidates = Candidates.from_arrays(found)
    boxes, scores = np.zeros((rows, 4), np.float32), np.zeros((rows, classes), np.float32)
    boxes[candidates.anchor] = candidates.boxes
    scores[candidates.anchor[candidates.box], candidates.label] = candidates.score
    return boxes, scores


def check(
    outputs: Mapping[str, NDArray[Any]],
    expected: tuple[NDArray[Any], NDArray[Any]],
    params: dict[str, Any],
    size: tuple[int, int],
) -> None:
    """Candidates of an image that is the network's input equal the expected boxes, in pixels."""
    boxes, confs = expected
    decode = DarknetDecoder().bind(params, confs.shape[1], 1e-9)
    found = dense(decode(outputs, Geometry.identity(size)), *confs.shape)
    height, width = size
    pixels = boxes[:, 0] * np.array([width, height, width, height], np.float32)
    np.testing.assert_allclose(found[0], pixels, rtol=2e-5, atol=2e-3)
    np.testing.assert_allclose(found[1], confs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("row", [0, 1])
def test_golden_heads(golden: ModuleType, row: int) -> None:
    size = (64, 224)
    params = facts(read_cfg(golden.DATA / "mini.cfg"), size)
    with np.load(golden.DATA / "mini_64x224_n2.npz") as file:
        outputs = {name: file[name][row] for name in ("head0", "head1")}
        expected = file["boxes"][row], file["confs"][row]
    check(outputs, expected, params, size)


def test_golden_tiny(golden: ModuleType) -> None:
    size = (64, 96)
    params = facts(parse_cfg(golden.yolov4_tiny_cfg(), "tiny"), size)
    with np.load(golden.DATA / "yolov4tiny_64x96_n1.npz") as file:
        outputs = {name: file[name][0] for name in ("head0", "head1")}
        expected = file["boxes"][0], file["confs"][0]
    check(outputs, expected, params, size)


class Stored(nn.Module):
    """Stands in for a network that gives these heads."""

    def __init__(self, topology: Topology, heads: list[torch.Tensor]) -> None:
        super().__init__()
        self.topology = topology
        self.heads = heads

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.heads


def test_scaled_yolov4_heads_alike_in_graph_and_decoder() -> None:
    text = (
        "[net]\nwidth=32\nheight=64\nchannels=3\n[convolutional]\nfilters=21\nstride=8\n"
        "activation=logistic\n[yolo]\nclasses=2\nnum=3\nanchors=10,20,30,40,50,60\n"
        "new_coords=1\nscale_x_y=2.0\n"
    )
    topology = plan_network(parse_cfg(text, "x"), 64, 32)
    values = np.random.Generator(np.random.Philox(key=4)).random((1, 21, 8, 4), np.float32)
    graph = Decoded(Stored(topology, [torch.from_numpy(values)]))  # type: ignore[arg-type]
    boxes, confs = (output[0].numpy() for output in graph(torch.zeros(1)))
    params = {"heads": heads_to_data(topology.heads)}
    check({"head0": values[0]}, (boxes, confs), params, (64, 32))
    maps = values[0].reshape(3, 7, 8, 4)
    row, column, anchor = 5, 3, 1
    at = anchor * 32 + row * 4 + column
    tx, ty, tw, th, thing, *classes = maps[anchor, :, row, column]
    centre = np.array([(2 * tx - 0.5 + column) * 8, (2 * ty - 0.5 + row) * 8])
    half = np.array([4 * tw**2 * 30, 4 * th**2 * 40]) / 2
    expected = np.concatenate([centre - half, centre + half]) / [32, 64, 32, 64]
    np.testing.assert_allclose(boxes[at, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(confs[at], thing * np.array(classes), rtol=1e-5)


def test_decoded_graphs_need_no_heads(golden: ModuleType) -> None:
    with np.load(golden.DATA / "mini_64x224_n2.npz") as file:
        boxes, confs = file["boxes"][0], file["confs"][0]
    check({"boxes": boxes, "confs": confs}, (boxes, confs), {}, (64, 224))


def test_raw_heads_without_anchors_are_refused() -> None:
    decode = DarknetDecoder().bind({}, 80, 0.1)
    with pytest.raises(UsageError, match="without their anchors"):
        decode({"head0": np.zeros((255, 2, 2), np.float32)}, Geometry.identity((16, 16)))


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"head": []}, "unknown 'head'; did you mean 'heads'"),
        ({"heads": 3}, "must be a list"),
        ({"heads": [3]}, r"heads\[0\]: a head must be a mapping"),
        ({"heads": [{**HEAD, "mask": 1}]}, "unknown 'mask'"),
        ({"heads": [{"anchors": [[1, 2]], "classes": 80}]}, "'stride' is missing"),
        ({"heads": [{**HEAD, "anchors": [1, 2]}]}, "wrong form"),
        ({"heads": [{**HEAD, "stride": "x"}]}, "wrong form"),
        ({"heads": [HEAD, {**HEAD, "stride": 0}]}, r"heads\[1\]: needs anchors"),
        ({"heads": [{**HEAD, "classes": 3}]}, "3 classes where there are 80 labels"),
    ],
)
def test_wrong_parameters(params: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        DarknetDecoder().bind(params, 80, 0.1)
