"""The network against golden heads, and each operation against a plain computation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from zoo_darknet.network import DarknetNetwork
from zoo_darknet.random_weights import fill_randomly
from zoo_darknet.readers import ACTIVATIONS
from zoo_darknet.topology import plan_network
from zoo_darknet.weights import file_order, load_weights

from zoo_core.errors import DataError
from zoo_core.toolkit.darknet_cfg import parse_cfg, read_cfg
from zoo_core.toolkit.darknet_weights import WeightsReader, write_weights

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from zoo_core.toolkit.darknet_cfg import Cfg

MINI_SHA256 = "b40a1de457982984d7b70eb8761ebd1882017c15e45dd815a2803eabe240a0b2"
TINY_SHA256 = "f186d34e20f34b1f648ac393391a73b8ee4f2316cf710e053cc2158c906a35e4"
YOLOV4_SHA256 = "015450fec95c5918391d7bae6067aad0aee838012ab0b97e1aa352e034d8dc39"


def heads_of(cfg: Cfg, weights: Path, blob: NDArray[np.float32]) -> list[NDArray[Any]]:
    network = DarknetNetwork(plan_network(cfg, *blob.shape[2:]))
    load_weights(network, WeightsReader(weights))
    with torch.no_grad():
        return [head.numpy() for head in network.eval()(torch.from_numpy(blob))]


def check(found: list[NDArray[Any]], file: Path, names: list[str]) -> None:
    with np.load(file) as expected:
        for head, name in zip(found, names, strict=True):
            np.testing.assert_allclose(head, expected[name], rtol=0, atol=5e-5)


def sha256(golden: ModuleType, path: Path) -> str:
    return str(golden.hashlib.sha256(path.read_bytes()).hexdigest())


def test_mini(golden: ModuleType) -> None:
    assert sha256(golden, golden.DATA / "mini.weights") == MINI_SHA256
    cfg = read_cfg(golden.DATA / "mini.cfg")
    found = heads_of(cfg, golden.DATA / "mini.weights", golden.image(2, 64, 224))
    check(found, golden.DATA / "mini_64x224_n2.npz", ["head0", "head1"])


def test_yolov4_tiny(golden: ModuleType, tmp_path: Path) -> None:
    cfg, weights = golden.yolov4_tiny_cfg(), tmp_path / "tiny.weights"
    scales = golden.column("yolov4tiny_bn_V.csv")
    write_weights(weights, golden.drawn_in_file_order(cfg, 77, scales), seen=32032000)
    assert sha256(golden, weights) == TINY_SHA256
    found = heads_of(parse_cfg(cfg, "tiny"), weights, golden.image(1, 64, 96))
    check(found, golden.DATA / "yolov4tiny_64x96_n1.npz", ["head0", "head1"])


@pytest.mark.slow
def test_yolov4(golden: ModuleType, tmp_path: Path) -> None:
    weights = tmp_path / "yolov4.weights"
    assert golden.write_yolov4(weights) == YOLOV4_SHA256
    cfg = parse_cfg(golden.yolov4_cfg(), "yolov4")
    found = heads_of(cfg, weights, golden.image(1, 96, 96))
    check(found, golden.DATA / "yolov4_ruleB_96x96_n1.npz", ["head8", "head16", "head32"])


def test_weights_that_do_not_fit(golden: ModuleType, tmp_path: Path) -> None:
    content = (golden.DATA / "mini.weights").read_bytes()
    network = DarknetNetwork(plan_network(read_cfg(golden.DATA / "mini.cfg"), 64, 96))
    for name, changed, what in (
        ("short", content[:-400], r"54,724 bytes where the network needs 55,124 \(400 too few\)"),
        ("long", content + b"\0" * 8, r"55,132 bytes .* \(8 too many\)"),
    ):
        (tmp_path / name).write_bytes(changed)
        with pytest.raises(DataError, match=what):
            load_weights(network, WeightsReader(tmp_path / name))


def test_written_weights_are_read_again(golden: ModuleType, tmp_path: Path) -> None:
    cfg = read_cfg(golden.DATA / "mini.cfg")
    network = DarknetNetwork(plan_network(cfg, 64, 96))
    load_weights(network, WeightsReader(golden.DATA / "mini.weights"))
    arrays = (tensor.detach().numpy() for _, tensor in file_order(network))
    write_weights(tmp_path / "again.weights", arrays, seen=32032000)
    assert sha256(golden, tmp_path / "again.weights") == MINI_SHA256


NET = "[net]\nwidth=8\nheight=8\nchannels=4\n"
HEAD = "[convolutional]\nfilters=6\nactivation=linear\n[yolo]\nclasses=1\nnum=1\nanchors=1,2\n"


def output_of(body: str, x: NDArray[Any], layer: int) -> NDArray[Any]:
    """The output of one layer, with seeded weights."""
    network = DarknetNetwork(plan_network(parse_cfg(NET + body + HEAD, "x"), *x.shape[2:])).eval()
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    outputs: dict[int, torch.Tensor] = {-1: torch.from_numpy(x)}
    with torch.no_grad():
        for index in range(layer + 1):
            outputs[index] = network.layers[index](outputs)
    assert tuple(outputs[layer].shape[1:]) == (
        (shape := network.topology.layers[layer].shape).channels,
        shape.height,
        shape.width,
    )
    return outputs[layer].numpy()


@pytest.fixture
def x() -> NDArray[np.float32]:
    return np.random.Generator(np.random.Philox(key=1)).normal(size=(2, 4, 8, 8)).astype("f4")


def pooled(x: NDArray[Any], size: int, stride: int, padding: int, mean: bool) -> NDArray[Any]:
    """Windows over the cells inside the map, written out."""
    side = (x.shape[2] + padding - size) // stride + 1
    out = np.empty((*x.shape[:2], side, side), np.float32)
    for i in range(side):
        for j in range(side):
            top, left = i * stride - padding // 2, j * stride - padding // 2
            rows = slice(max(top, 0), top + size)
            columns = slice(max(left, 0), left + size)
            window = x[:, :, rows, columns]
            out[:, :, i, j] = window.mean((2, 3)) if mean else window.max((2, 3))
    return out


@pytest.mark.parametrize("kind", ["maxpool", "local_avgpool"])
@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, 2, None), (2, 1, None), (3, 1, None), (3, 2, None), (4, 4, None), (5, 1, None), (2, 2, 0)],
)
def test_pools(x: NDArray[Any], kind: str, size: int, stride: int, padding: int | None) -> None:
    given = "" if padding is None else f"padding={padding}\n"
    tail = "[upsample]\nstride=1\n"
    found = output_of(f"[{kind}]\nsize={size}\nstride={stride}\n{given}{tail}", x, 0)
    total = size - 1 if padding is None else padding
    expected = pooled(x, size, stride, total, kind == "local_avgpool")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pool_of_an_odd_map() -> None:
    x = -1 - np.random.Generator(np.random.Philox(key=2)).random((1, 4, 6, 6), np.float32)
    body = "[maxpool]\nsize=2\nstride=2\n[maxpool]\nsize=2\nstride=2\n[upsample]\nstride=3\n"
    found = output_of(body, x, 1)
    expected = pooled(pooled(x, 2, 2, 1, False), 2, 2, 1, False)
    assert found.shape[2:] == (2, 2)
    np.testing.assert_array_equal(found, expected)


def test_grouped_and_strided_convolution(x: NDArray[Any]) -> None:
    body = (
        "[convolutional]\nfilters=4\ngroups=4\nsize=3\npad=1\nstride_x=2\nstride_y=1\n"
        "activation=linear\n[upsample]\nstride=1\n[avgpool]\n[upsample]\nstride=8\n"
    )
    network = DarknetNetwork(plan_network(parse_cfg(NET + body + HEAD, "x"), 8, 8))
    conv = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[:, 0, 1, 2] = 1.0
        assert conv.bias is not None
        conv.bias.copy_(torch.arange(4.0))
        found = network.layers[0]({-1: torch.from_numpy(x)}).numpy()
    expected = np.zeros((2, 4, 8, 4), np.float32)
    expected[:, :, :, :] = np.pad(x, ((0, 0),) * 3 + ((0, 1),))[:, :, :, 1::2]
    np.testing.assert_allclose(found, expected + np.arange(4.0)[:, None, None], atol=1e-6)


def test_route_takes_its_part_of_every_source(x: NDArray[Any]) -> None:
    body = "[dropout]\n[upsample]\nstride=1\nscale=3\n[route]\nlayers=-1,0\ngroups=2\ngroup_id=1\n"
    found = output_of(body, x, 2)
    np.testing.assert_allclose(found, np.concatenate([3 * x[:, 2:], x[:, 2:]], axis=1))


def test_shortcut_of_several_and_activation(x: NDArray[Any]) -> None:
    body = "[dropout]\n[upsample]\nstride=1\nscale=2\n[empty]\n[shortcut]\nfrom=0,-2\n"
    body += "activation=relu\n"
    np.testing.assert_allclose(output_of(body, x, 3), np.maximum(5 * x, 0), rtol=1e-6)


@pytest.mark.parametrize("order", ["narrow", "wide"])
def test_shortcut_between_unequal_channels(x: NDArray[Any], order: str) -> None:
    half = "[dropout]\n[route]\nlayers=0\ngroups=2\ngroup_id=1\n"
    if order == "narrow":
        found = output_of(half + "[shortcut]\nfrom=0\n", x, 2)
        expected = x[:, 2:] + x[:, :2]
    else:
        found = output_of(half + "[route]\nlayers=0\n[shortcut]\nfrom=1\n", x, 3)
        expected = np.concatenate([x[:, :2] + x[:, 2:], x[:, 2:]], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_products(x: NDArray[Any]) -> None:
    sam = "[dropout]\n[upsample]\nstride=1\nscale=2\n[sam]\nfrom=0\nactivation=leaky\n"
    squares = 2 * x * x
    np.testing.assert_allclose(output_of(sam, x, 2), squares, rtol=1e-6)
    means = "[dropout]\n[avgpool]\n[scale_channels]\nfrom=0\n"
    expected = x * x.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(output_of(means, x, 2), expected, rtol=1e-5, atol=1e-6)


def test_space_to_depth(x: NDArray[Any]) -> None:
    found = output_of("[reorg3d]\nstride=2\n", x, 0)
    parts = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    np.testing.assert_array_equal(found, np.concatenate(parts, axis=1))


def test_upsample(x: NDArray[Any]) -> None:
    found = output_of("[maxpool]\nstride=2\nsize=2\n[upsample]\nscale=0.5\n", x, 1)
    expected = pooled(x, 2, 2, 0, False).repeat(2, 2).repeat(2, 3) / 2
    np.testing.assert_allclose(found, expected)


def plain(name: str, v: NDArray[Any]) -> NDArray[Any]:
    logistic = 1 / (1 + np.exp(-v))
    made: dict[str, NDArray[Any]] = {
        "elu": np.where(v >= 0, v, np.expm1(v)),
        "hard_mish": np.where(v > 0, v, np.where(v > -2, v * v / 2 + v, 0)),
        "leaky": np.where(v > 0, v, 0.1 * v),
        "linear": v,
        "logistic": logistic,
        "mish": v * np.tanh(np.log1p(np.exp(v))),
        "relu": np.maximum(v, 0),
        "relu6": np.clip(v, 0, 6),
        "swish": v * logistic,
        "tanh": np.tanh(v),
    }
    return made[name]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(x: NDArray[Any], name: str) -> None:
    values = 4 * x
    body = f"[dropout]\n[upsample]\nstride=1\nscale=0\n[shortcut]\nfrom=0\nactivation={name}\n"
    found = output_of(body, values, 2)
    np.testing.assert_allclose(found, plain(name, values.astype(np.float64)), atol=2e-6)


def test_random_weights_are_sane_and_seeded(golden: ModuleType) -> None:
    topology = plan_network(parse_cfg(golden.yolov4_tiny_cfg(), "x"), 96, 160)
    outputs = []
    for seed in (3, 3, 4):
        network = DarknetNetwork(topology)
        fill_randomly(network, seed)
        with torch.no_grad():
            outputs.append(network.eval()(torch.from_numpy(golden.image(1, 96, 160))))
    for first, second, other in zip(*outputs, strict=True):
        assert torch.equal(first, second)
        assert not torch.allclose(first, other, atol=0.1)
        maps = first.view(1, 3, 85, -1)
        assert 0.3 < float(maps[:, :, 5:].std()) < 3
        assert float(maps[:, :, 4].mean()) < -5
