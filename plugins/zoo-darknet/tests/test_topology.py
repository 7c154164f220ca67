"""Extents, sources and heads of networks, and what is refused with file, line and layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zoo_darknet.operations import Convolution, Pool, Shape, Yolo
from zoo_darknet.topology import heads_spec, plan_network

from zoo_core.errors import UsageError
from zoo_core.toolkit.darknet_cfg import parse_cfg

if TYPE_CHECKING:
    from types import ModuleType

    from zoo_darknet.topology import Topology

NET = "[net]\nwidth=64\nheight=64\nchannels=3\n"
HEAD = "[convolutional]\nfilters=21\n[yolo]\nclasses=2\nnum=3\nanchors=1,2,3,4,5,6\n"


def planned(body: str, height: int = 64, width: int = 64) -> Topology:
    return plan_network(parse_cfg(NET + body, "x.cfg"), height, width)


def refused(body: str, height: int = 64, width: int = 64) -> UsageError:
    with pytest.raises(UsageError) as caught:
        planned(body, height, width)
    return caught.value


def test_sizes_of_weights_files(golden: ModuleType) -> None:
    full = plan_network(parse_cfg(golden.yolov4_cfg(), "x"), 416, 416)
    tiny = plan_network(parse_cfg(golden.yolov4_tiny_cfg(), "x"), 416, 416)
    assert (len(full.layers), 20 + 4 * full.values) == (162, 257_717_640)
    assert (len(tiny.layers), 20 + 4 * tiny.values) == (38, 24_251_276)


def test_heads_in_cfg_order(golden: ModuleType) -> None:
    heads = heads_spec(parse_cfg(golden.yolov4_cfg(), "x"), 320, 640)
    assert [head.stride for head in heads] == [8, 16, 32]
    assert [head.scale_x_y for head in heads] == [1.2, 1.1, 1.05]
    assert heads[2].anchors == ((142, 110), (192, 243), (459, 401))
    assert [head.classes for head in heads] == [80] * 3
    tiny = heads_spec(parse_cfg(golden.yolov4_tiny_cfg(), "x"), 416, 416)
    assert [head.stride for head in tiny] == [32, 16]
    assert tiny[1].anchors == ((23, 27), (37, 58), (81, 82))


def test_defaults() -> None:
    topology = planned(
        "[conv]\n[conv]\nactivation=linear\nfilters=6\n[yolo]\nanchors=7,9\nclasses=1\n"
    )
    first, _, head = (layer.operation for layer in topology.layers)
    assert first == Convolution(
        inputs=3,
        filters=1,
        groups=1,
        size=1,
        stride=(1, 1),
        dilation=1,
        padding=0,
        normalized=False,
        activation="logistic",
    )
    assert head == Yolo(anchors=((7, 9),), stride=1, classes=1, scale_x_y=1.0, new_coords=False)


def test_convolution_extents() -> None:
    body = "[dropout]\n[conv]\nsize=5\nstride_x=2\nstride_y=1\npadding=1\nfilters=4\n"
    layers = planned(f"{body}[route]\nlayers=0\n{HEAD}", 16, 17).layers
    assert layers[1].shape == Shape(4, 14, 8)


def test_dilation_reaches_further() -> None:
    body = f"[conv]\nsize=3\ndilation=2\npad=1\nfilters=4\n{HEAD}"
    first = planned(body).layers[0]
    assert isinstance(first.operation, Convolution)
    assert (first.operation.padding, first.shape) == (2, Shape(4, 64, 64))
    assert "odd size" in str(refused(body.replace("pad=1", "pad=0")))


@pytest.mark.parametrize(
    ("options", "extent", "padding"),
    [
        ("size=2\nstride=2", 32, (0, 0, 0, 0)),
        ("size=2\nstride=1", 64, (0, 1, 0, 1)),
        ("size=5\nstride=1", 64, (2, 2, 2, 2)),
        ("size=3\nstride=2", 32, (1, 0, 1, 0)),
        ("size=4\nstride=4", 16, (1, 0, 1, 0)),
        ("size=2\nstride=2\npadding=0", 32, (0, 0, 0, 0)),
    ],
)
def test_pool_extents(options: str, extent: int, padding: tuple[int, ...]) -> None:
    layer = planned(f"[maxpool]\n{options}\n{HEAD}").layers[0]
    assert isinstance(layer.operation, Pool)
    assert (layer.shape, layer.operation.padding) == (Shape(3, extent, extent), padding)


def test_pool_of_an_odd_map_reaches_over_its_end() -> None:
    body = "[dropout]\n[maxpool]\nsize=2\nstride=2\n"
    layer = planned(f"{body}[route]\nlayers=0\n{HEAD}", 13, 13).layers[1]
    assert isinstance(layer.operation, Pool)
    assert (layer.shape, layer.operation.padding) == (Shape(3, 7, 7), (0, 1, 0, 1))


def test_cells_are_squares_of_whole_pixels() -> None:
    error = refused(f"[maxpool]\nsize=2\nstride=2\n{HEAD}", 13, 13)
    assert "7x7 cells do not divide the input 3x13x13" in str(error)
    assert "into squares" in str(refused(f"[maxpool]\nsize=1\nstride_x=2\n{HEAD}"))


def test_outputs_are_dropped_after_their_last_use() -> None:
    body = "[conv]\n[conv]\n[route]\nlayers=-2\n[shortcut]\nfrom=1\n" + HEAD
    topology = planned(body)
    assert topology.drops == ((-1,), (), (0,), (1, 2), (3,), (4,))


def test_an_error_says_where() -> None:
    error = refused(f"[conv]\n[route]\nlayers=-1,5\n{HEAD}")
    assert error.where == "x.cfg:7"
    assert str(error).startswith("x.cfg:7: layer 1 [route]: there is no layer 5 before it")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("[crnn]\n" + HEAD, "layer 0 [crnn]: is not supported"),
        ("[conv]\nactivation=selu\n" + HEAD, "activation 'selu' is not supported; supported: elu,"),
        ("[conv]\nxnor=1\n" + HEAD, "'xnor' is not supported"),
        ("[conv]\nshare_index=-1\n" + HEAD, "'share_index' is not supported"),
        ("[conv]\ngroups=2\nfilters=4\n" + HEAD, "2 groups do not divide 3 channels"),
        ("[conv]\nfilters=0\n" + HEAD, "'filters=0' must be at least 1"),
        ("[conv]\nsize=99\n" + HEAD, "leaves 1x-34x-34"),
        ("[conv]\npadding=-1\n" + HEAD, "must not be negative"),
        ("[maxpool]\nsize=2\npadding=5\n" + HEAD, "'padding=5' must be within 0..2"),
        ("[maxpool]\nmaxpool_depth=1\n" + HEAD, "'maxpool_depth' is not supported"),
        ("[route]\nlayers=-1\n" + HEAD, "there is no layer -1 before it"),
        ("[route]\nlayers=0\n" + HEAD, "there is no layer 0 before it"),
        ("[conv]\n[route]\n" + HEAD, "'layers' is missing"),
        ("[conv]\n[route]\nlayers=,\n" + HEAD, "names no layer"),
        ("[conv]\n[route]\nlayers=0\ngroups=2\n" + HEAD, "2 groups do not divide the 1 channels"),
        ("[conv]\n[route]\nlayers=0\ngroup_id=1\n" + HEAD, "must be within 0..0"),
        ("[conv]\n[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=0\n" + HEAD, "cannot join layer 0"),
        ("[conv]\n[conv]\n[shortcut]\nfrom=0\nweights_type=per_channel\n" + HEAD, "weights_type"),
        ("[conv]\nfilters=2\n[conv]\n[sam]\nfrom=0\n" + HEAD, "needs one layer of 1x64x64"),
        ("[conv]\n[conv]\n[scale_channels]\nfrom=0\n" + HEAD, "needs 1x1x1"),
        ("[reorg3d]\nstride=3\n" + HEAD, "stride 3 does not divide 3x64x64"),
        ("[upsample]\nstride=-2\n" + HEAD, "must be at least 1"),
        (HEAD.replace("classes=2", "classes=3"), "3 anchors and 3 classes need 24"),
        (HEAD.replace("5,6", ""), "'mask' must lie within 0..1: 2 anchors are listed"),
        (HEAD.replace("num=3", f"num={10**15}"), "'mask' must lie within 0..2"),
        (HEAD.replace("5,6", "5"), "5 numbers are not pairs of width and height"),
        (HEAD + "mask=0,1,3\n", "'mask' must lie within 0..2: 3 anchors are listed"),
        (HEAD + "[conv]\n", "takes the output of layer 1, which is a head"),
        (HEAD + "[route]\nlayers=1\n[conv]\n", "takes the output of layer 1, which is a head"),
        ("[conv]\n", "has no [yolo] layer"),
    ],
)
def test_refused(body: str, what: str) -> None:
    error = refused(body)
    assert what in str(error)
    assert error.where.startswith("x.cfg")


def test_a_size_that_does_not_fit_says_what_does(golden: ModuleType) -> None:
    with pytest.raises(UsageError, match=r"cannot join .* multiples of 32"):
        plan_network(parse_cfg(golden.yolov4_cfg(), "x"), 400, 400)


def test_heads_must_agree_on_classes() -> None:
    other = HEAD.replace("filters=21", "filters=24").replace("classes=2", "classes=3")
    assert "[2, 3] classes" in str(refused(HEAD + "[route]\nlayers=0\n" + other))


@pytest.mark.parametrize(
    ("num", "mask", "warned"), [(9, "0,1,2", False), (2, "2,1,0", True), (2, "0,1,1", False)]
)
def test_the_list_of_anchors_counts_not_num(num: int, mask: str, warned: bool) -> None:
    topology = planned(HEAD.replace("num=3", f"num={num}") + f"mask={mask}\n")
    (head,) = topology.heads
    listed = ((1, 2), (3, 4), (5, 6))
    assert head.anchors == tuple(listed[int(index)] for index in mask.split(","))
    told = "x.cfg: num=2 is below the 3 anchors listed, and the list counts: line 9"
    assert topology.warnings == ((told,) if warned else ())


def test_an_activation_that_darknet_does_not_know_is_relu() -> None:
    layer = "[conv]\nactivation=hard_swish\n"
    topology = planned(f"{5 * layer}[conv]\nactivation=leeky\n{HEAD}")
    operations = [item.operation for item in topology.layers[:6]]
    assert {item.activation for item in operations if isinstance(item, Convolution)} == {"relu"}
    known = "x.cfg: AlexeyAB's darknet does not know activation"
    assert topology.warnings == (
        f"{known} 'hard_swish' and takes relu: lines 6, 8, 10 and 2 more",
        f"{known} 'leeky' and takes relu: line 16",
    )
