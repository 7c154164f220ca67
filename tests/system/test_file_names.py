from __future__ import annotations

import pytest

from zoo_core.system.file_names import text_names


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["1.jpg", "b/2.png"], ["1.txt", "2.txt"]),
        (["1.jpg", "1.png", "2.png"], ["1.jpg.txt", "1.png.txt", "2.txt"]),
        (["a.jpg", "A.png"], ["a.jpg.txt", "A.png.txt"]),
        (["x/1.jpg", "y/1.jpg"], ["x__1.jpg.txt", "y__1.jpg.txt"]),
        (["1.jpg", "1.png", "1.jpg.bmp"], ["1.jpg.txt", "1.png.txt", "1.jpg.bmp.txt"]),
        ([], []),
    ],
)
def test_names_tell_images_apart(images: list[str], expected: list[str]) -> None:
    assert text_names(images) == expected


def test_names_stay_distinct_whatever_the_images() -> None:
    images = ["a/b.jpg", "a__b.jpg", "a__b.png", "c/a__b.jpg", "a/b.jpg.jpg", "a/b.jpg"]
    names = text_names(images)
    assert len({name.casefold() for name in names}) == len(images)
