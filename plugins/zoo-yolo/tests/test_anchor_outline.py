"""What decoders with anchors say of files without a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zoo_yolo.anchor_based import AnchorDecoder

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADS = ((1, 255, 80, 80), (1, 255, 40, 40), (1, 255, 20, 20))
DEEP = ((1, 3, 80, 80, 85), (1, 3, 40, 40, 85), (1, 3, 20, 20, 85))
ROWS = (1, 25200, 85)
EIGHTY = str({number: str(number) for number in range(80)})


def outline(
    shapes: Sequence[Sequence[Any]],
    size: tuple[int, int] = (640, 640),
    metadata: Mapping[str, str] | None = None,
) -> FileOutline:
    outputs = tuple(
        TensorSpec(name=f"out{at}", shape=tuple(shape)) for at, shape in enumerate(shapes)
    )
    image = TensorSpec(name="images", shape=(1, 3, *size))
    return FileOutline(inputs=(image,), outputs=outputs, size=size, metadata=metadata or {})


@pytest.mark.parametrize("shapes", [HEADS, DEEP, HEADS[::-1], [("batch", *s[1:]) for s in HEADS]])
def test_raw_heads_fit_both_and_what_is_assumed_is_said(shapes: Any) -> None:
    for squares, word in ((True, "YOLOv5 and later"), (False, "Darknet")):
        found = AnchorDecoder(squares=squares).recognise(outline(shapes))
        assert found is not None
        assert found.classes == 80
        assert found.params["strides"] == [8, 16, 32]
        assert found.params["anchors"][0] == [[10, 13], [16, 30], [33, 23]]
        assert word in found.why
        assert "Assumed" in found.why
        AnchorDecoder(squares=squares).bind(found.params, found.classes, 0.001)


@pytest.mark.parametrize(
    ("shape", "size", "strides", "classes"),
    [
        (ROWS, (640, 640), [8, 16, 32], 80),
        ((1, 10647, 7), (416, 416), [8, 16, 32], 2),
        ((1, 2535, 85), (416, 416), [16, 32], 80),
        ((1, 102000, 85), (1280, 1280), [8, 16, 32, 64], 80),
    ],
)
def test_rows_are_told_by_their_number(
    shape: Any, size: tuple[int, int], strides: list[int], classes: int
) -> None:
    found = AnchorDecoder(squares=True).recognise(outline([shape], size))
    assert found is not None
    assert found.params == {"strides": strides}
    assert found.classes == classes
    assert Preprocess.from_data(found.preprocess).size == size
    assert AnchorDecoder(squares=False).recognise(outline([shape], size)) is None


def test_rows_beside_heads_need_no_anchors() -> None:
    found = AnchorDecoder(squares=True).recognise(outline([ROWS, *DEEP]))
    assert found is not None
    assert found.params == {"strides": [8, 16, 32]}
    assert AnchorDecoder(squares=False).recognise(outline([ROWS, *DEEP])) is None


@pytest.mark.parametrize("names", [EIGHTY, "not Python", "[", "5", "{[1]: 2}"])
def test_names_that_fit_or_say_nothing(names: str) -> None:
    for shapes in ([ROWS], HEADS):
        found = AnchorDecoder(squares=True).recognise(outline(shapes, metadata={"names": names}))
        assert found is not None


@pytest.mark.parametrize(
    ("shapes", "metadata"),
    [
        ([(1, 8400, 85)], {}),
        ([(1, 84, 8400)], {}),
        ([(1, 25200, 5)], {}),
        ([(1, 25200, 117), (1, 32, 160, 160)], {"names": EIGHTY}),
        ([(1, 25200, 117)], {"names": EIGHTY}),
        ([(1, 144, 80, 80), (1, 144, 40, 40), (1, 144, 20, 20)], {"names": EIGHTY}),
        ([HEADS[0], HEADS[1], (1, 18, 20, 20)], {}),
        (HEADS[:2], {}),
        ([*HEADS, (1, 255, 20, 20)], {}),
        ([(1, "n", 85)], {}),
        ([(1, 254, 80, 80), (1, 254, 40, 40), (1, 254, 20, 20)], {}),
        ([(1, 1000)], {}),
        ([ROWS, (1, 300, 6)], {}),
    ],
)
def test_what_is_not_theirs(shapes: Any, metadata: dict[str, str]) -> None:
    for squares in (True, False):
        assert AnchorDecoder(squares=squares).recognise(outline(shapes, metadata=metadata)) is None
