from __future__ import annotations

from pathlib import Path

import pytest

from zoo_core.api import DataRequest
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.datasets import (
    SHARD,
    check_unchanged,
    counted_shards,
    limited,
    names_digest,
    shards,
)
from zoo_core.toolkit.image_files import IMAGE_SUFFIXES, is_image


def test_endings_of_images_are_told_in_lower_case() -> None:
    assert {suffix.lower() for suffix in IMAGE_SUFFIXES} == IMAGE_SUFFIXES
    assert all(suffix.startswith(".") for suffix in IMAGE_SUFFIXES)


def test_images_are_known_by_their_names() -> None:
    assert is_image(Path("a/b.JPG"))
    assert not is_image(Path("a/.b.jpg"))
    assert not is_image(Path("a/b.txt"))


def test_limits() -> None:
    assert [limited(DataRequest(purpose="evaluate", limit=n), 7) for n in (None, 3, 9)] == [7, 3, 7]
    with pytest.raises(UsageError, match="a limit of 0 leaves no image"):
        limited(DataRequest(purpose="evaluate", limit=0), 7)


def test_shards_cover_the_samples_and_know_their_content() -> None:
    contents = list(range(2 * SHARD + 1))
    found = shards(contents)
    assert [(shard.start, shard.stop) for shard in found] == [
        (0, SHARD),
        (SHARD, 2 * SHARD),
        (2 * SHARD, 2 * SHARD + 1),
    ]
    other = shards([*contents[:-1], "another"])
    assert [a == b for a, b in zip(found, other, strict=True)] == [True, True, False]
    assert counted_shards(SHARD, "x")[0] == counted_shards(SHARD + 1, "x")[0]
    assert counted_shards(SHARD, "x") != counted_shards(SHARD, "y")
    assert shards([]) == ()


def test_a_folder_that_changed_since_planning(tmp_path: Path) -> None:
    planned = names_digest(["a.png", "b.png"])
    check_unchanged(["a.png", "b.png"], planned, tmp_path)
    with pytest.raises(DataError, match="come or gone since planning"):
        check_unchanged(["a.png"], planned, tmp_path)
