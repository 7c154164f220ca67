"""Calibration images as batches of a network's input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo_core.api.calibration import tensors
from zoo_core.testing.examples import noise, preprocess
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("batch", "rows"),
    [(1, [[0], [1], [2]]), (2, [[0, 1], [2, 2]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2, 2]])],
)
def test_a_short_batch_repeats_its_last_image(
    tmp_path: Path, batch: int, rows: list[list[int]]
) -> None:
    names = [f"{number}.png" for number in range(3)]
    for number, name in enumerate(names):
        write_image(tmp_path / name, noise(8, 8, number))
    listing = tmp_path / "images.json"
    images = [{"path": name, "sha256": "0" * 64} for name in names]
    listing.write_text(json.dumps({"images": images}), encoding="utf-8")
    steps = preprocess((8, 8))
    alone = [tensor[0] for tensor in tensors(listing, steps)]
    found = list(tensors(listing, steps, batch))

    assert len(found) == len(rows)
    for batch_found, numbers in zip(found, rows, strict=True):
        np.testing.assert_array_equal(batch_found, np.stack([alone[n] for n in numbers]))
