from __future__ import annotations

import numpy as np
import pytest

from zoo_core.vision import Geometry, clip_boxes, cxcywh_to_xyxy, diou, iou, xyxy_to_xywh


def boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(-50, 600, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0, 300, (count, 2))], 1).astype(np.float32)


def test_there_and_back() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        source = (int(rng.integers(1, 4000)), int(rng.integers(1, 4000)))
        network = (32 * int(rng.integers(1, 20)), 32 * int(rng.integers(1, 20)))
        scale = (network[1] / source[1], network[0] / source[0])
        geometry = Geometry(source, network, scale, (float(rng.integers(0, 99)), 7.0))
        original = boxes(rng, 20)
        moved = geometry.to_network(original)
        assert moved.dtype == np.float32
        np.testing.assert_allclose(geometry.to_image(moved), original, rtol=1e-5, atol=1e-3)


def test_corners_of_a_letterbox_are_the_image_s() -> None:
    geometry = Geometry((480, 640), (416, 416), (416 / 640, 312 / 480), (0.0, 52.0))
    corners = np.array([[0, 52, 416, 364]], np.float32)
    assert geometry.to_image(corners).tolist() == [[0, 0, 640, 480]]
    assert geometry.to_network(np.array([[320, 240, 640, 480]])).tolist() == [[208, 208, 416, 364]]


def test_too_large_for_float32_is_infinite_without_a_warning() -> None:
    geometry = Geometry((10, 10), (1, 1), (0.01, 0.01))
    assert np.isinf(geometry.to_image(np.full((1, 4), 3e38))).all()


def test_no_boxes_stay_no_boxes() -> None:
    assert Geometry.identity((3, 4)).to_image(np.zeros((0, 4))).shape == (0, 4)


def test_box_formats() -> None:
    corners = np.array([[1, 2, 4, 8]], np.float32)
    assert xyxy_to_xywh(corners).tolist() == [[1, 2, 3, 6]]
    assert cxcywh_to_xyxy(np.array([[2.5, 5, 3, 6]], np.float32)).tolist() == corners.tolist()


def test_clip_keeps_dtype_and_uses_height_and_width() -> None:
    clipped = clip_boxes(np.array([[-3, -4, 70, 60]], np.float32), (50, 65))
    assert clipped.tolist() == [[0, 0, 65, 50]]
    assert clipped.dtype == np.float32


def plain_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return float(shared) / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_iou_and_diou_equal_their_definitions() -> None:
    rng = np.random.default_rng(2)
    a, b = boxes(rng, 30), boxes(rng, 40)
    for exponent in (1.0, 0.6):
        plain = np.array([[plain_iou(x, y) for y in b.tolist()] for x in a.tolist()])
        np.testing.assert_allclose(iou(a, b), plain, rtol=1e-5, atol=1e-6)
        for i, x in enumerate(a.astype(np.float64)):
            for j, y in enumerate(b.astype(np.float64)):
                distance = sum(((x[k] + x[k + 2] - y[k] - y[k + 2]) / 2) ** 2 for k in (0, 1))
                outer = sum((max(x[k + 2], y[k + 2]) - min(x[k], y[k])) ** 2 for k in (0, 1))
                plain[i, j] -= (distance / outer) ** exponent
        np.testing.assert_allclose(diou(a, b, exponent), plain, rtol=1e-4, atol=2e-6)


def test_iou_of_boxes_without_area_is_nan_and_diou_is_not() -> None:
    point = np.array([[1, 1, 1, 1]], np.float32)
    assert np.isnan(iou(point, point)).all()
    assert diou(point, point).tolist() == [[0]]
    assert iou(point, np.array([[0, 0, 2, 2]], np.float32)).tolist() == [[0]]


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        Geometry.identity((1, 1)).scale = (2.0, 2.0)  # type: ignore[misc]
