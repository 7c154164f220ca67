"""The sample shapes: fixed by their seed, with masks and points where the shapes are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from zoo_sample.dataset import SampleShapes
from zoo_sample.scenes import SPLITS
from zoo_sample.shapes import KINDS, POINTS, draw_shapes

from zoo_core.api import DataRequest
from zoo_core.errors import UsageError
from zoo_core.toolkit.detection.masks import decode

SEEDS = SPLITS["evaluation"][:60]


def test_a_scene_depends_on_its_seed_alone() -> None:
    first, shapes = draw_shapes(SEEDS[3], 160)
    draw_shapes(SEEDS[4], 160)
    again, same = draw_shapes(SEEDS[3], 160)
    assert np.array_equal(first, again)
    assert [shape.points.tolist() for shape in shapes] == [each.points.tolist() for each in same]
    assert not np.array_equal(first, draw_shapes(SEEDS[4], 160)[0])


def test_kinds_numbers_and_visibility_vary() -> None:
    scenes = [draw_shapes(seed, 160)[1] for seed in SEEDS]
    assert {len(shapes) for shapes in scenes} >= {1, 2, 3, 4}
    found = [shape for shapes in scenes for shape in shapes]
    assert {shape.kind for shape in found} == set(range(len(KINDS)))
    assert {int(v) for shape in found for v in shape.points[:, 2]} == {1, 2}


def test_points_are_those_of_the_outline() -> None:
    """Front and back, left and right as seen from the back; seen points lie on the mask."""
    for seed in SEEDS:
        for shape in draw_shapes(seed, 160)[1]:
            front, left, right, back = shape.points[:, :2]
            ahead = front - back
            assert np.cross([*ahead, 0], [*(right - left), 0])[2] > 0
            assert abs(np.dot(ahead, right - left)) < 0.1 * np.linalg.norm(ahead) * np.linalg.norm(
                right - left
            )
            for x, y, shown in shape.points.tolist():
                near = shape.seen.mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                assert shown == 1 or near.any()


def test_masks_do_not_overlap_and_have_their_colour() -> None:
    for seed in SEEDS[:20]:
        _, shapes = draw_shapes(seed, 160)
        assert np.max(sum(shape.seen.mask.astype(int) for shape in shapes)) <= 1


def test_the_file_is_in_cocos_form(run_plan: Any) -> None:
    view = run_plan(SampleShapes().plan(DataRequest(purpose="evaluate", limit=5)))
    data = json.loads(SampleShapes().truth(view).read_text())
    assert [row["name"] for row in data["categories"]] == list(KINDS)
    assert data["categories"][0]["keypoints"] == list(POINTS)
    assert len(list(SampleShapes().samples(view, 0, 5))) == 5
    for record in data["images"]:
        own = [row for row in data["annotations"] if row["image_id"] == record["id"]]
        drawn = draw_shapes(record["id"], 160)[1]
        for row, shape in zip(own, drawn, strict=True):
            mask = decode(np.array(row["segmentation"]["counts"]), (160, 160))
            assert np.array_equal(mask, shape.seen.mask)
            assert row["area"] == mask.sum()
            x, y, wide, high = row["bbox"]
            assert mask[y : y + high, x : x + wide].sum() == mask.sum()
            assert row["keypoints"][::3] == (shape.points[:, 0] + 0.5).tolist()


def test_given_images_are_another_data_set(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="sample-shapes draws its own"):
        SampleShapes().plan(DataRequest(purpose="evaluate", images=tmp_path))
