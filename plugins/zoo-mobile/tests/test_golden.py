"""Every decoder equals its repository's own post-processing on seeded outputs.

The arrays in `data` were made by hand with PyTorch: each repository's own functions got the outputs
that `drawn` gives here, for an input of 96 x 128.

- fastestdet.npz: dog-qiuqiu/FastestDet @50473cd, `utils.tool.handle_preds`, boxes in pixels;
  `every` with NMS off (IoU 1), `kept` with a threshold of 0.25 and IoU 0.45
- yolo-fastestv2.npz: dog-qiuqiu/Yolo-FastestV2 @ac2a5e3, `utils.utils.handel_preds` (`every`) and
  `non_max_suppression` with 0.2 and 0.4 (`kept`), anchors of data/coco.data
- nanodet.npz: RangiLyu/nanodet @be9b4a9, `get_bboxes` of `NanoDetHead` with strides 8, 16, 32 and
  of `NanoDetPlusHead` with strides 8, 16, 32, 64 (`boxes`, `scores`: what it gives to its NMS)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_mobile.fastestdet import FastestDetDecoder
from zoo_mobile.fastestv2 import YoloFastestV2Decoder
from zoo_mobile.nanodet import NanoDetDecoder

from zoo_core.toolkit.detection import Candidates, DetectionRules, postprocess
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DATA = Path(__file__).with_name("data")
SIZE = (96, 128)
TOLERANCE = 1e-4


def drawn(*specs: tuple[tuple[int, ...], float, float]) -> list[Floats]:
    """Normal numbers of these shapes, means and deviations, the same everywhere and for ever."""
    state = np.random.RandomState(7)
    return [state.normal(mean, spread, shape).astype(np.float32) for shape, mean, spread in specs]


def sigmoid(values: Floats) -> Floats:
    return (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)


def softmax(values: Floats) -> Floats:
    grown = np.exp(values.astype(np.float64))
    return (grown / grown.sum(axis=0)).astype(np.float32)


def decoded(
    decoder: Any, params: dict[str, Any], outputs: list[Floats], classes: int, floor: float = 0.0
) -> Candidates:
    decode = decoder.bind(params, classes, floor)
    named = {str(number): output for number, output in enumerate(outputs)}
    return Candidates.from_arrays(decode(named, Geometry.identity(SIZE)))


def dense(found: Candidates, boxes: int, classes: int) -> Floats:
    """Scores [boxes, classes] of candidates that hold every pair."""
    assert found.anchor.tolist() == list(range(boxes))
    return found.score.reshape(boxes, classes)


def check_kept(found: Candidates, kept: Floats, **rules: Any) -> None:
    """The protocol leaves what the repository's own NMS leaves: rows of box, score, label."""
    ours = postprocess(found, DetectionRules(**rules))
    assert len(ours) == len(kept)
    kept = kept[np.argsort(-kept[:, 4], kind="stable")]
    np.testing.assert_allclose(ours.boxes, kept[:, :4], atol=TOLERANCE)
    np.testing.assert_allclose(ours.scores, kept[:, 4], atol=TOLERANCE)
    assert ours.labels.tolist() == kept[:, 5].astype(int).tolist()


def fastestdet_outputs(form: str) -> list[Floats]:
    sure, box, classes = drawn(((1, 6, 8), -1, 2), ((4, 6, 8), 0, 1.5), ((5, 6, 8), 0, 3))
    if form == "raw":
        return [sure, box, classes]
    return [np.concatenate([sigmoid(sure), box, softmax(classes)])]


@pytest.mark.parametrize("form", ["exported", "raw"])
def test_fastestdet(form: str) -> None:
    golden = np.load(DATA / "fastestdet.npz")

    found = decoded(FastestDetDecoder(), {}, fastestdet_outputs(form), 5)

    every = golden["every"]
    best = dense(found, 48, 5)
    order = np.argsort(-best.max(axis=1), kind="stable")
    np.testing.assert_allclose(found.boxes[order], every[:, :4], atol=TOLERANCE)
    np.testing.assert_allclose(best.max(axis=1)[order], every[:, 4], atol=TOLERANCE)
    assert best.argmax(axis=1)[order].tolist() == every[:, 5].astype(int).tolist()
    check_kept(found, golden["kept"], conf=0.25, nms=0.45)


def fastestv2_outputs(form: str) -> list[Floats]:
    sizes = [(6, 8), (3, 4)]
    kinds = [(12, 0.0), (3, -0.5), (5, -0.5)]
    raw = drawn(*(((n, *size), mean, 1.5) for size in sizes for n, mean in kinds))
    if form == "raw":
        return raw
    scored = [softmax(part) if len(part) == 5 else sigmoid(part) for part in raw]
    maps = [np.concatenate(scored[:3]), np.concatenate(scored[3:])]
    return [one.transpose(1, 2, 0) for one in maps]


@pytest.mark.parametrize("form", ["exported", "raw"])
def test_yolo_fastestv2(form: str) -> None:
    golden = np.load(DATA / "yolo-fastestv2.npz")

    found = decoded(YoloFastestV2Decoder(), {}, fastestv2_outputs(form), 5)

    centre, sides = golden["every"][:, :2], golden["every"][:, 2:4]
    corners = np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)
    np.testing.assert_allclose(found.boxes, corners, atol=TOLERANCE)
    scores = golden["every"][:, 4:5] * golden["every"][:, 5:]
    np.testing.assert_allclose(dense(found, 180, 5), scores, atol=TOLERANCE)
    check_kept(found, golden["kept"], conf=0.2, nms=0.4, max_detections=300)


STRIDES = {"nanodet": [8, 16, 32], "plus": [8, 16, 32, 64]}


def nanodet_outputs(name: str, form: str) -> list[Floats]:
    """Rows of the export, its older parts of each stride, or the maps of the vendor's change."""
    counts = {"nanodet": 252, "plus": 256}
    arrays = drawn(
        *(((n, wide), m, 1.5) for n in counts.values() for wide, m in ((3, -2), (32, 0)))
    )
    scores, sides = arrays[:2] if name == "nanodet" else arrays[2:]
    if form == "joint":
        return [np.concatenate([sigmoid(scores), sides], axis=1)]
    if form == "logits":
        return [np.concatenate([scores, sides], axis=1)]
    sizes = [(-(-SIZE[0] // stride), -(-SIZE[1] // stride)) for stride in STRIDES[name]]
    cuts = np.cumsum([high * wide for high, wide in sizes])[:-1]
    if form == "parts":
        return [*np.split(sigmoid(scores), cuts), *np.split(sides, cuts)]
    rows = np.split(np.concatenate([scores, sides], axis=1), cuts)
    return [part.T.reshape(35, *size) for part, size in zip(rows, sizes, strict=True)]


@pytest.mark.parametrize("form", ["joint", "logits", "parts", "maps"])
@pytest.mark.parametrize("name", ["nanodet", "plus"])
def test_nanodet(name: str, form: str) -> None:
    golden = np.load(DATA / "nanodet.npz")
    params: dict[str, Any] = {"strides": STRIDES[name], "centre": 0 if name == "plus" else 0.5}
    if form == "logits":
        params["scores"] = "logits"

    found = decoded(NanoDetDecoder(), params, nanodet_outputs(name, form), 3)

    boxes = golden[f"{name}_boxes"]
    np.testing.assert_allclose(found.boxes, boxes, atol=TOLERANCE)
    scores = golden[f"{name}_scores"]
    np.testing.assert_allclose(dense(found, len(boxes), 3), scores, atol=TOLERANCE)
    rules: dict[str, Any] = {"conf": 0.05, "nms": 0.6, "max_detections": 100}
    check_kept(found, golden[f"{name}_kept"], **rules, box_labels="multi")
