"""Files without a card, told by the shapes and names of their outputs."""

from __future__ import annotations

from typing import Any

import pytest
from zoo_detr.heads import DetrDecoder, RtDetrDecoder

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.vision import Preprocess

IMAGE = TensorSpec(name="images", shape=(1, 3, 640, 640))


def outline(*outputs: tuple[str, tuple[Any, ...]]) -> FileOutline:
    specs = tuple(
        TensorSpec(name=name, shape=shape, dtype="int64" if name == "labels" else "float32")
        for name, shape in outputs
    )
    return FileOutline(inputs=(IMAGE,), outputs=specs, size=(640, 640))


def heads(queries: int | str, columns: int | str, boxes: str = "pred_boxes") -> FileOutline:
    return outline(("logits", (1, queries, columns)), (boxes, (1, queries, 4)))


@pytest.mark.parametrize(
    ("given", "softmax", "sigmoid"),
    [
        (heads(100, 92), (80, {"columns": "coco91"}), None),
        (heads(300, 80), None, (80, {})),
        (heads(300, 3), None, (3, {})),
        (heads(300, 91, "dets"), None, (80, {"columns": "coco91"})),
        (heads(900, 256), None, (256, {})),
        (heads(100, 3), (2, {}), (3, {})),
        (heads(100, 4), (3, {}), (4, {})),
        (heads(100, 1), None, (1, {})),
        (heads("q", 92), (80, {"columns": "coco91"}), None),
        (heads(300, "c"), None, None),
        (heads(100, 4, "places"), None, None),
        (outline(("logits", (1, 300, 80)), ("boxes", (1, 100, 4))), None, None),
        (outline(("logits", (1, 300, 80))), None, None),
        (outline(("a", (1, 300, 4)), ("b", (1, 300, 4))), None, None),
        (outline(("a", (1, 8400, 4)), ("b", (8400, 80))), None, None),
    ],
)
def test_heads_are_told_by_queries_and_columns(
    given: FileOutline, softmax: tuple[int, Any] | None, sigmoid: tuple[int, Any] | None
) -> None:
    """Where 100 queries have another number of classes than COCO's ids, both decoders say so."""
    decoders: tuple[Any, ...] = (DetrDecoder(), RtDetrDecoder())
    for decoder, wanted in zip(decoders, (softmax, sigmoid), strict=True):
        found = decoder.recognise(given)
        assert (found and (found.classes, found.params)) == wanted
        if found:
            decoder.bind(found.params, found.classes, 0.0)
            assert Preprocess.from_data(found.preprocess).size == (640, 640)
            assert found.protocol["nms_kind"] == "none"
            assert "classes of" in found.why


CHOSEN = (("labels", (1, 300)), ("boxes", (1, 300, 4)), ("scores", (1, 300)))


def test_chosen_boxes_are_told() -> None:
    found = RtDetrDecoder().recognise(outline(*CHOSEN))
    assert found is not None
    assert (found.classes, found.params) == (80, {})
    assert "80 are assumed" in found.why
    open_ended = (("labels", ("N", "a")), ("boxes", ("N", "b", "c")), ("scores", ("N", "d")))
    assert RtDetrDecoder().recognise(outline(*open_ended)) is not None


@pytest.mark.parametrize(
    "outputs",
    [
        CHOSEN[:2],
        (CHOSEN[0], CHOSEN[1], ("scores", (1, 100))),
        (CHOSEN[0], ("boxes", (1, 300, 5)), CHOSEN[2]),
        (("a", (1, 300)), CHOSEN[1], CHOSEN[2]),
        (("labels", (300,)), ("boxes", (300, 4)), ("scores", (300,))),
        (*CHOSEN, ("more", (1, 300))),
    ],
)
def test_other_outputs_are_left(outputs: Any) -> None:
    assert RtDetrDecoder().recognise(outline(*outputs)) is None
