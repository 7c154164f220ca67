from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection import (
    AnchorHead,
    Candidates,
    decode_boxes,
    decode_heads,
    decode_rows,
)
from zoo_core.vision import Geometry

DATA = Path(__file__).parents[2] / "data" / "vision"
ANCHORS = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
TINY = ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319))
EVERYTHING = -1.0

Heads = list[NDArray[np.float32]]


def yolov4(*scales: float) -> list[AnchorHead]:
    return [
        AnchorHead(stride, anchors, scale)
        for stride, anchors, scale in zip((8, 16, 32), ANCHORS, scales, strict=True)
    ]


def agree(
    found: Candidates, boxes: NDArray[np.float32], confs: NDArray[np.float32], size: tuple[int, int]
) -> None:
    """All rows are there and equal the stored ones, scaled to the network's pixels."""
    height, width = size
    assert found.anchor.tolist() == list(range(len(confs)))
    assert found.score.shape == (confs.size,)
    np.testing.assert_allclose(found.score.reshape(confs.shape), confs, rtol=0, atol=2e-5)
    scale = np.array([width, height, width, height], np.float32)
    np.testing.assert_allclose(found.boxes / scale, boxes[:, 0], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("scales", "name"), [((1.0, 1.0, 1.0), "boxes"), ((1.2, 1.1, 1.05), "boxes_scale_xy")]
)
def test_golden_heads(scales: tuple[float, ...], name: str) -> None:
    stored = np.load(DATA / "yolov4_ruleB_96x96_n1.npz")
    heads = [stored[f"head{stride}"][0] for stride in (8, 16, 32)]
    found = decode_heads(heads, yolov4(*scales), 80, Geometry.identity((96, 96)), EVERYTHING)
    agree(found, stored[name][0], stored["confs"][0], (96, 96))


def test_golden_heads_of_a_wide_input_and_three_classes() -> None:
    stored = np.load(DATA / "mini_64x224_n2.npz")
    specs = [AnchorHead(16, TINY[3:], 1.05), AnchorHead(8, TINY[:3], 1.2)]
    for image in range(2):
        heads = [stored["head0"][image], stored["head1"][image]]
        found = decode_heads(heads, specs, 3, Geometry.identity((64, 224)), EVERYTHING)
        agree(found, stored["boxes"][image], stored["confs"][image], (64, 224))


def test_golden_heads_of_tiny() -> None:
    stored = np.load(DATA / "yolov4tiny_64x96_n1.npz")
    specs = [AnchorHead(32, TINY[3:], 1.05), AnchorHead(16, TINY[1:4], 1.05)]
    heads = [stored["head0"][0], stored["head1"][0]]
    found = decode_heads(heads, specs, 80, Geometry.identity((64, 96)), EVERYTHING)
    agree(found, stored["boxes"][0], stored["confs"][0], (64, 96))


def random_heads(seed: int, classes: int, size: tuple[int, int]) -> Heads:
    rng = np.random.default_rng(seed)
    heads = []
    for stride in (8, 16, 32):
        shape = (3, 5 + classes, size[0] // stride, size[1] // stride)
        head = rng.normal(0, 2, shape)
        head[:, 4] -= 3
        heads.append(head.reshape(-1, *shape[2:]).astype(np.float32))
    return heads


@pytest.mark.parametrize("floor", [0.0, 0.001, 0.05, 0.4, 0.99])
def test_sparse_is_the_dense_result_cut_at_the_floor(floor: float) -> None:
    geometry = Geometry((333, 500), (64, 96), (0.192, 0.192), (0.0, 3.0))
    for seed in range(8):
        heads = random_heads(seed, 5, (64, 96))
        specs = yolov4(1.2, 1.1, 1.05)
        every = decode_heads(heads, specs, 5, geometry, EVERYTHING)
        dense = Candidates.from_dense(every.boxes, every.score.reshape(-1, 5), floor)
        sparse = decode_heads(heads, specs, 5, geometry, floor)
        for name in ("boxes", "anchor", "box", "label", "score"):
            assert (getattr(sparse, name) == getattr(dense, name)).all()
            assert len(getattr(sparse, name)) == len(getattr(dense, name))
        assert sparse.size == (333, 500)


def test_one_cell_by_hand() -> None:
    head = np.full((2 * 7, 2, 3), -50, np.float32)
    cell = head.reshape(2, 7, 2, 3)[1, :, 1, 2]
    cell[:] = (0, np.log(3), np.log(2), 0, 50, -np.log(3), 0)
    spec = AnchorHead(16, ((8, 8), (10, 20)), 1.2)
    geometry = Geometry((100, 200), (32, 48), (0.5, 0.25), (4.0, 2.0))
    found = decode_heads([head], [spec], 2, geometry, 0.1)
    assert found.anchor.tolist() == [6 + 3 + 2]
    assert found.score.tolist() == pytest.approx([0.25, 0.5])
    x, y = (0.5 * 1.2 - 0.1 + 2) * 16, (0.75 * 1.2 - 0.1 + 1) * 16
    wanted = [(x - 10 - 4) / 0.5, (y - 10 - 2) / 0.25, (x + 10 - 4) / 0.5, (y + 10 - 2) / 0.25]
    assert found.boxes[0].tolist() == pytest.approx(wanted, rel=1e-6)


def test_new_coords_take_activated_values() -> None:
    head = np.zeros((1 * 6, 1, 2), np.float32)
    head[:, 0, 1] = (0.25, 0.5, 0.75, 0.5, 0.8, 0.5)
    spec = AnchorHead(8, ((10, 20),), 2.0, new_coords=True)
    found = decode_heads([head], [spec], 1, Geometry.identity((8, 16)), 0.1)
    assert found.anchor.tolist() == [1]
    assert found.score.tolist() == pytest.approx([0.4])
    x, y, w, h = (0.25 * 2 - 0.5 + 1) * 8, (0.5 * 2 - 0.5) * 8, 1.5**2 * 10, 20.0
    assert found.boxes[0].tolist() == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


@pytest.mark.parametrize("values_last", [False, True])
def test_squares_activate_and_grow_as_squares(values_last: bool) -> None:
    head = np.full((1 * 6, 1, 2), -20, np.float32)
    head[:, 0, 1] = (np.log(0.25 / 0.75), 0, np.log(0.75 / 0.25), 0, np.log(4), 0)
    if values_last:
        head = head.reshape(1, 6, 1, 2).transpose(0, 2, 3, 1)
    spec = AnchorHead(8, ((10, 20),), 2.0, squares=True)
    found = decode_heads([head], [spec], 1, Geometry.identity((8, 16)), 0.1)
    assert found.anchor.tolist() == [1]
    assert found.score.tolist() == pytest.approx([0.4])
    x, y, w, h = (0.25 * 2 - 0.5 + 1) * 8, (0.5 * 2 - 0.5) * 8, 1.5**2 * 10, 20.0
    assert found.boxes[0].tolist() == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def test_rows_are_placed_and_their_scores_multiplied() -> None:
    boxes = np.array([[8, 4, 4, 2], [1, 1, 1, 1], [np.inf, 0, 1, 1], [4, 4, 2, 2]], np.float32)
    scores = np.array([[0.5, 0.5, 1], [0.1, 1, 1], [1, 1, 1], [1.02, 1.01, 0]], np.float32)
    geometry = Geometry((16, 32), (8, 16), (0.5, 0.5), (0.0, 0.0))
    found = decode_rows(boxes, scores, geometry, 0.2)
    assert found.anchor.tolist() == [0, 3]
    assert found.dropped == 1
    assert found.boxes.tolist() == [[12, 6, 20, 10], [6, 6, 10, 10]]
    assert found.label.tolist() == [0, 1, 0]
    assert found.score.tolist() == [0.25, 0.5, 1.0]


def test_overflow_and_nan_drop_the_box_only() -> None:
    head = np.zeros((1 * 6, 1, 4), np.float32)
    head[2, 0, 0] = 1000
    head[0, 0, 1] = np.nan
    head[4, 0, 2] = np.nan
    head[:2, 0, 3] = (-1e30, 1e30)
    found = decode_heads([head], [AnchorHead(8, ((9, 9),))], 1, Geometry.identity((8, 32)), 0.1)
    assert found.anchor.tolist() == [3]
    assert np.isfinite(found.boxes).all()


def test_half_precision_heads() -> None:
    heads = random_heads(4, 3, (32, 64))
    geometry = Geometry.identity((32, 64))
    exact = decode_heads(heads, yolov4(1, 1, 1), 3, geometry, 0.2)
    half = decode_heads(
        [head.astype(np.float16) for head in heads], yolov4(1, 1, 1), 3, geometry, 0.2
    )
    assert half.boxes.dtype == np.float32
    assert abs(len(half) - len(exact)) <= 0.02 * len(exact)


def test_heads_that_do_not_fit() -> None:
    heads, geometry = random_heads(0, 5, (64, 96)), Geometry.identity((64, 96))
    with pytest.raises(UsageError, match=r"shape \[30, 8, 12\] where \[255, 8, 12\]"):
        decode_heads(heads, yolov4(1, 1, 1), 80, geometry, 0.1)
    with pytest.raises(UsageError, match="is due"):
        decode_heads(heads, yolov4(1, 1, 1), 5, Geometry.identity((96, 64)), 0.1)
    with pytest.raises(
        UsageError, match="decoder_params: the network gives 3 heads, 2 are described; describe"
    ):
        decode_heads(heads, yolov4(1, 1, 1)[:2], 5, geometry, 0.1)


@pytest.mark.parametrize("squeezed", [True, False])
def test_graph_outputs(squeezed: bool) -> None:
    stored = np.load(DATA / "yolov4_ruleB_96x96_n1.npz")
    boxes, confs = stored["boxes"][0], stored["confs"][0]
    geometry = Geometry((480, 960), (96, 96), (0.1, 0.2), (0.0, 0.0))
    found = decode_boxes(boxes[:, 0] if squeezed else boxes, confs, geometry, 0.3)
    wanted = np.argwhere(confs > np.float32(0.3))
    assert np.stack([found.anchor[found.box], found.label], 1).tolist() == wanted.tolist()
    assert found.score.tolist() == confs[tuple(wanted.T)].tolist()
    scale = np.array([960, 480, 960, 480])
    np.testing.assert_allclose(found.boxes, boxes[found.anchor, 0] * scale, rtol=1e-6)


def test_graph_outputs_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match=r"boxes \[3, 4\] and confs \[2, 5\]"):
        decode_boxes(np.zeros((3, 4)), np.zeros((2, 5)), Geometry.identity((8, 8)), 0.1)


def test_both_forms_of_a_graph_give_the_same() -> None:
    stored = np.load(DATA / "yolov4_ruleB_96x96_n1.npz")
    geometry = Geometry((96, 96), (96, 96), (1.0, 1.0), (0.0, 0.0))
    heads = [stored[f"head{stride}"][0] for stride in (8, 16, 32)]
    raw = decode_heads(heads, yolov4(1, 1, 1), 80, geometry, 0.3)
    graph = decode_boxes(stored["boxes"][0], stored["confs"][0], geometry, 0.3)
    assert raw.anchor.tolist() == graph.anchor.tolist()
    np.testing.assert_allclose(raw.boxes, graph.boxes, atol=2e-3)
    np.testing.assert_allclose(raw.score, graph.score, atol=2e-5)
