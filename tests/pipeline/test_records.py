from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo_core.pipeline.records import read_records, write_records

if TYPE_CHECKING:
    from pathlib import Path


def test_records_come_back_as_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    heads = [{"id": 7, "name": "a.jpg"}, {"id": "x", "name": "b ü.jpg"}, {"id": 9, "name": "c"}]
    arrays = [
        {"boxes": rng.random((n, 4), np.float32), "map": rng.integers(0, 9, (n + 1, 2 * n + 1))}
        for n in (3, 0, 5)
    ]

    write_records(tmp_path / "r.npz", heads, arrays)
    result = list(read_records(tmp_path / "r.npz"))

    assert [head for head, _ in result] == heads
    for (_, read), expected in zip(result, arrays, strict=True):
        assert list(read) == list(expected)
        for name, array in expected.items():
            assert read[name].dtype == array.dtype
            np.testing.assert_array_equal(read[name], array)


def test_no_records_at_all(tmp_path: Path) -> None:
    write_records(tmp_path / "r.npz", [], [])

    assert list(read_records(tmp_path / "r.npz")) == []
