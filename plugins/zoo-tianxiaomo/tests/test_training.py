"""The training of the sample: loss, windows, scoring and the file it writes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from zoo_sample.scenes import SPLITS
from zoo_tianxiaomo.blocks import Mish
from zoo_tianxiaomo.layout import ANCHORS, STRIDES
from zoo_tianxiaomo.network import EndToEnd, Yolov4

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = Path(__file__).parents[1] / "zoo_tianxiaomo" / "sample" / "yolov4-thin.safetensors"
TRAINING = Path(__file__).parents[1] / "training"
MODULES = ("fast_mish", "loss", "precision", "scene_store", "train_sample")


@pytest.fixture(scope="module")
def training() -> Iterator[SimpleNamespace]:
    import importlib

    sys.path.insert(0, str(TRAINING))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(TRAINING))
        for name in MODULES:
            sys.modules.pop(name, None)


def _heads(size: int, classes: int) -> list[torch.Tensor]:
    shapes = [(1, 3, 5 + classes, size // s, size // s) for s in STRIDES]
    heads = [torch.zeros(shape) for shape in shapes]
    for head in heads:
        head[:, :, 4:] = -9.0
    return heads


def _answer(heads: list[torch.Tensor], box: list[float], label: int) -> None:
    """Write the right answer for one box into every anchor that it belongs to."""
    width, height = box[2] - box[0], box[3] - box[1]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for scale, stride in enumerate(STRIDES):
        column, row = int(x // stride), int(y // stride)
        for anchor, (aw, ah) in enumerate(ANCHORS[scale]):
            ratio = max(width / aw, aw / width, height / ah, ah / height)
            if ratio >= 3:
                continue
            offset = torch.tensor([x / stride - column, y / stride - row]).logit()
            extent = torch.tensor([width / aw, height / ah]).log()
            cell = heads[scale][0, anchor, :, row, column]
            cell[:4] = torch.cat([offset, extent])
            cell[4] = 9.0
            cell[5 + label] = 3.476


def _flat(heads: list[torch.Tensor]) -> list[torch.Tensor]:
    return [head.flatten(1, 2) for head in heads]


def test_right_answers_cost_next_to_nothing(training: SimpleNamespace) -> None:
    box, label = [21.0, 34.0, 61.0, 66.0], 2
    heads = _heads(128, 4)
    _answer(heads, box, label)
    truth = torch.full((1, 3, 5), -1.0)
    truth[0, 1] = torch.tensor([*box, float(label)])
    right = training.loss.detection_loss(_flat(heads), truth)
    assert float(right.box) < 1e-4
    assert float(right.objectness) < 0.2
    truth[0, 1, 4] = 3
    assert float(training.loss.detection_loss(_flat(heads), truth).classes) > (
        float(right.classes) + 3
    )
    truth[0, 1, :4] += 24
    moved = training.loss.detection_loss(_flat(heads), truth)
    assert float(moved.box) > 0.5
    assert float(moved.objectness) > float(right.objectness) + 5


def test_loss_of_an_empty_batch_is_objectness_alone(training: SimpleNamespace) -> None:
    losses = training.loss.detection_loss(_flat(_heads(64, 2)), torch.full((1, 2, 5), -1.0))
    assert float(losses.box) == float(losses.classes) == 0
    assert float(losses.objectness) > 0


def test_free_anchors_on_a_thing_are_left_alone(training: SimpleNamespace) -> None:
    box = [21.0, 34.0, 61.0, 66.0]
    truth = torch.tensor([[[*box, 0.0]]])
    heads = _heads(128, 1)
    _answer(heads, box, 0)
    before = float(training.loss.detection_loss(_flat(heads), truth).objectness)
    column, row = (41 // 8), (50 // 8)
    neighbour = heads[0][0, 2, :, row, column + 1]
    neighbour[:2] = torch.tensor([-9.0, 0.0])
    neighbour[2:4] = torch.tensor([40 / 40, 32 / 28]).log()
    neighbour[4] = 9.0
    after = float(training.loss.detection_loss(_flat(heads), truth).objectness)
    assert after <= before + 1e-3


def test_fast_mish_is_mish(training: SimpleNamespace) -> None:
    x = torch.linspace(-30, 30, 4001, requires_grad=True)
    y = Mish()(x)
    grad = torch.linspace(-1, 2, 4001)
    y.backward(grad)
    torch.testing.assert_close(
        training.fast_mish._forward(x.detach()), y.detach(), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        training.fast_mish._backward(grad, x.detach()), x.grad, atol=1e-5, rtol=1e-5
    )


def _store(training: SimpleNamespace) -> Any:
    rows = [training.scene_store.draw_one(seed, 128) for seed in range(4)]
    images, truth = (np.stack(part) for part in zip(*rows, strict=True))
    return training.scene_store.SceneStore(images, truth)


def test_windows_keep_things_in_place(training: SimpleNamespace) -> None:
    store = _store(training)
    picks = np.arange(4)
    images, truth = training.scene_store.cut_batch(store, picks, 96, np.random.default_rng(3))
    assert images.shape == (4, 96, 96, 3)
    seen = 0
    for image, things, whole, true in zip(images, truth, store.images, store.truth, strict=True):
        for thing, original in zip(things, true, strict=True):
            if thing[4] < 0:
                continue
            assert thing[4] == original[4]
            if not np.array_equal(thing[2:4] - thing[:2], original[2:4] - original[:2]):
                continue
            x1, y1, x2, y2 = thing[:4].astype(int)
            u1, v1, u2, v2 = original[:4].astype(int)
            part, source = image[y1:y2, x1:x2], whole[v1:v2, u1:u2]
            assert np.array_equal(part, source) or np.array_equal(part, source[:, ::-1])
            seen += 1
    assert seen >= 4


def test_true_boxes_score_one(training: SimpleNamespace) -> None:
    store = _store(training)
    found = []
    for things in store.truth:
        rows = things[things[:, 4] >= 0]
        scores = np.full((len(rows), 1), 0.9, np.float32)
        found.append(np.concatenate([rows[:, :4], scores, rows[:, 4:]], 1))
    total, single = training.precision.average_precision(found, store)
    assert total["AP"] == pytest.approx(1)
    assert all(value == pytest.approx(1) for value in single.values())
    nothing = [np.zeros((0, 6), np.float32)] * store.count
    assert training.precision.average_precision(nothing, store)[0]["AP"] == 0


def test_suppression_is_within_a_class(training: SimpleNamespace) -> None:
    boxes = np.array([[0.1, 0.1, 0.5, 0.5]] * 3, np.float32)[:, None]
    confs = np.array([[0.9, 0.1], [0.8, 0.1], [0.1, 0.7]], np.float32)
    rows = training.precision.detections(boxes, confs, 100)
    assert rows[:, 4].tolist() == pytest.approx([0.9, 0.7])
    assert rows[:, 5].tolist() == [0, 1]
    np.testing.assert_allclose(rows[0, :4], [10, 10, 50, 50], rtol=1e-6)


def _load(path: Path) -> tuple[Yolov4, dict[str, str]]:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    widths = tuple(int(w) for w in metadata["widths"].split(","))
    network = Yolov4(int(metadata["classes"]), widths).eval()
    network.load_state_dict(state, strict=True)
    return network, metadata


def test_sample_file_rebuilds_the_network(training: SimpleNamespace, tmp_path: Path) -> None:
    trainer = training.train_sample.make_trainer(1.0)
    path = tmp_path / "sample.safetensors"
    training.train_sample.save_sample(trainer.average, path)
    assert path.stat().st_size <= 3_000_000
    network, metadata = _load(path)
    expected = trainer.average.state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, expected[name], atol=2e-3, rtol=2e-3)
    assert metadata["licence"] == "Apache-2.0"


def test_bundled_sample_finds_things(training: SimpleNamespace) -> None:
    assert SAMPLE.stat().st_size <= 3_000_000
    network, metadata = _load(SAMPLE)
    evaluation = SPLITS["evaluation"]
    assert metadata["seeds_evaluation"] == f"{evaluation.start}:{evaluation.stop}"
    rows = [training.scene_store.draw_one(seed, 416) for seed in evaluation[:16]]
    images, truth = (np.stack(part) for part in zip(*rows, strict=True))
    store = training.scene_store.SceneStore(images, truth)
    model = EndToEnd(network, (416, 416)).eval()

    def detect(blob: np.ndarray[Any, Any]) -> tuple[Any, ...]:
        with torch.no_grad():
            return tuple(output.numpy() for output in model(torch.from_numpy(blob)))

    found = training.precision.find_all(detect, store, 16, batch=4)
    total, _ = training.precision.average_precision(found, store)
    assert total["AP"] > 0.45
    sure = sum(int((rows[:, 4] >= 0.25).sum()) for rows in found)
    assert sure > 0.6 * int((truth[..., 4] >= 0).sum())
