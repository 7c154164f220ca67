from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_vastai
from zoo_vastai.decoder import DeviceNmsDecoder
from zoo_vastai.vendor_boxes import npz_boxes, unrounded_boxes, vsx_boxes

from zoo_core.errors import StageError, UsageError
from zoo_core.testing import DecoderContract
from zoo_core.toolkit.detection import Candidates, DetectionRules, postprocess
from zoo_core.vision import Geometry, iou

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo_core.api import Arrays
    from zoo_core.testing import Box

ROWS = 16


def outputs(rows: Sequence[tuple[float, float, tuple[float, ...]]], dtype: Any = np.float32) -> Any:
    """Ids, scores and boxes as the device gives them, padded with -1."""
    ids, scores = np.full((ROWS, 1), -1, dtype), np.full((ROWS, 1), -1, dtype)
    boxes = np.full((ROWS, 4), -1, dtype)
    for row, (label, score, box) in enumerate(rows):
        ids[row], scores[row], boxes[row] = label, score, box
    return {"ids": ids, "scores": scores, "boxes": boxes}


def decoded(found: Any, geometry: Geometry, **params: Any) -> Candidates:
    decode = DeviceNmsDecoder().bind(params, 80, params.pop("floor", 0.001))
    return Candidates.from_arrays(decode(found, geometry))


def letterbox(source: tuple[int, int], size: int = 416) -> Geometry:
    height, width = source
    share = min(size / height, size / width)
    high, wide = round(height * share), round(width * share)
    return Geometry(
        source=source,
        network=(size, size),
        scale=(wide / width, high / height),
        offset=((size - wide) // 2, (size - high) // 2),
    )


class TestContract(DecoderContract):
    plugin, name = zoo_vastai, "vastai-nms"
    params = MappingProxyType({"conf": 0.001, "iou": 0.65})

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        found: Arrays = outputs([(box.label, 0.9, box.xyxy) for box in boxes])
        return found


def test_padding_ends_the_rows() -> None:
    found = outputs([(3, 0.9, (1, 2, 30, 40)), (5, 0.5, (4, 4, 8, 8))])
    found["ids"][4], found["scores"][4] = 7, 0.99  # what stands behind the padding counts for none
    candidates = decoded(found, Geometry.identity((416, 416)), conf=0.001, iou=0.65)
    assert candidates.label.tolist() == [3, 5]
    assert candidates.anchor.tolist() == [0, 1]
    assert candidates.suppressed == (0.001, 0.65)
    assert candidates.boxes.tolist() == [[1, 2, 30, 40], [4, 4, 8, 8]]


def test_a_full_output_needs_no_padding() -> None:
    candidates = decoded(outputs([(1, 0.5, (0, 0, 9, 9))] * ROWS), Geometry.identity((416, 416)))
    assert len(candidates) == ROWS
    assert candidates.suppressed is None


def test_settling_does_not_suppress_again() -> None:
    rows = [(1, 0.9, (0, 0, 10, 10)), (1, 0.8, (0, 0, 10, 9))]
    geometry = Geometry.identity((416, 416))
    rules = DetectionRules(conf=0.001, nms=0.65)
    assert len(postprocess(decoded(outputs(rows), geometry, conf=0.001, iou=0.65), rules)) == 2
    assert len(postprocess(decoded(outputs(rows), geometry), rules)) == 1
    with pytest.raises(UsageError, match="below"):
        postprocess(decoded(outputs(rows), geometry, conf=0.25, iou=0.45), rules)


def test_ids_above_127_stay_what_they_are() -> None:
    decode = DeviceNmsDecoder().bind({}, 1203, 0.001)
    found = decode(outputs([(1202, 0.9, (0, 0, 5, 5))], np.float16), Geometry.identity((9, 9)))
    assert found["label"].tolist() == [1202]


@pytest.mark.parametrize("label", [80, 3.5])
def test_a_class_that_is_none_is_an_error(label: float) -> None:
    with pytest.raises(StageError, match=f"class {label:g}, the model has 80 labels"):
        decoded(outputs([(label, 0.9, (0, 0, 5, 5))]), Geometry.identity((9, 9)))


def test_what_is_not_a_score_is_left_out() -> None:
    rows = [(1, np.nan, (0, 0, 5, 5)), (1, 7.0, (0, 0, 5, 5)), (1, 0.5, (0, 0, np.inf, 5))]
    assert len(decoded(outputs(rows), Geometry.identity((9, 9)))) == 0


def test_other_outputs_are_refused() -> None:
    with pytest.raises(StageError, match="outputs head8 are not ids, scores, boxes"):
        decoded({"head8": np.zeros((3, 4, 4))}, Geometry.identity((9, 9)))
    found = {**outputs([]), "scores": np.zeros((3, 1))}
    with pytest.raises(StageError, match=r"do not go together: ids \[16, 1\], scores \[3, 1\]"):
        decoded(found, Geometry.identity((9, 9)))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"conf": 0.1}, "alone"),
        ({"conf": 2, "iou": 0.5}, "within"),
        ({"conf": True, "iou": 0.5}, "within"),
        ({"arithmetic": "vxs"}, "did you mean 'vsx'"),
    ],
)
def test_wrong_params(params: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DeviceNmsDecoder().bind(params, 80, 0.001)


def test_the_vendors_script_drops_low_scores() -> None:
    rows = [(1, 0.5, (0, 0, 5, 5)), (1, 0.005, (0, 0, 5, 5))]
    geometry = letterbox((100, 100))
    assert len(decoded(outputs(rows), geometry)) == 2
    assert len(decoded(outputs(rows), geometry, arithmetic="npz")) == 2
    assert len(decoded(outputs(rows), geometry, arithmetic="vsx")) == 1


def test_the_vendors_arithmetic_is_for_letterboxes() -> None:
    stretched = Geometry(source=(100, 200), network=(416, 416), scale=(2.08, 4.16))
    for arithmetic in ("vsx", "npz"):
        with pytest.raises(UsageError, match="letterboxed"):
            decoded(outputs([(1, 0.5, (0, 0, 5, 5))]), stretched, arithmetic=arithmetic)


def test_npz_gives_whole_pixels_within_the_image() -> None:
    rows = [(1, 0.5, (-5, 60, 500.25, 300.3))]
    found = decoded(outputs(rows), letterbox((427, 640)), arithmetic="npz")
    assert found.boxes.tolist() == [[0, 0, 640, 356]]


def truth(count: int = 4000) -> NDArray[np.float64]:
    """Random boxes on an image 640 x 427; sides from 8 to 200 pixels, evenly in their logarithm."""
    random = np.random.default_rng(7)
    sides = np.exp(random.uniform(np.log(8), np.log(200), (count, 2)))
    start = random.uniform(0, 1, (count, 2)) * (np.array([640, 427]) - sides)
    return np.concatenate([start, start + sides], axis=1)


def _unrounded(boxes: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    return unrounded_boxes(boxes, geometry, np.float32)


def _half(boxes: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    return unrounded_boxes(boxes, geometry, np.float16)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (lambda boxes, geometry: geometry.to_image(boxes), 0.991),
        (vsx_boxes, 0.957),
        (_unrounded, 0.982),
        (_half, 0.979),
        (npz_boxes, 0.959),
    ],
    ids=["exact", "even sides", "unrounded letterbox", "in float16", "whole pixels"],
)
def test_what_the_vendors_arithmetic_costs(
    place: Callable[[NDArray[Any], Geometry], NDArray[Any]], expected: float
) -> None:
    """Mean IoU with boxes that came through a 416 letterbox and float16."""
    boxes, geometry = truth(), letterbox((427, 640))
    seen = geometry.to_network(boxes).astype(np.float16)
    back = place(seen, geometry).astype(np.float64)
    overlaps = [iou(boxes[row : row + 1], back[row : row + 1])[0, 0] for row in range(len(boxes))]
    assert float(np.mean(overlaps)) == pytest.approx(
        expected, abs=0.01 if expected < 0.99 else 0.001
    )
