from __future__ import annotations

from typing import Any

import pytest

from zoo_core.errors import UsageError
from zoo_core.vision import (
    CentreCrop,
    Decode,
    Normalise,
    Preprocess,
    Resize,
    Scale,
    Step,
    ToTensor,
)

CARD: list[dict[str, Any]] = [
    {"op": "decode", "colour": "rgb"},
    {"op": "resize", "mode": "stretch", "size": [416, 608], "interpolation": "bilinear"},
    {"op": "scale", "factor": 0.00392156862745098},
    {"op": "to_tensor"},
]


def changed(number: int, **change: Any) -> list[dict[str, Any]]:
    data = [dict(step) for step in CARD]
    data[number].update(change)
    return data


def specification(resize: Resize, *more: Step) -> Preprocess:
    return Preprocess((Decode(), resize, *more, Scale(1 / 255), ToTensor()))


def test_a_card_s_specification() -> None:
    found = Preprocess.from_data(CARD, where="preprocess")
    assert found.steps == (
        Decode("rgb", exif=True),
        Resize("stretch", (416, 608)),
        Scale(1 / 255),
        ToTensor(),
    )
    assert found.size == (416, 608)
    assert found.exif


@pytest.mark.parametrize(
    "steps",
    [
        Preprocess.from_data(CARD).steps,
        (
            Decode("bgr", exif=False),
            Resize("letterbox", (32, 64), "bilinear_align_corners", 114, "top_left", "down"),
            Scale(1 / 255),
            Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ToTensor(),
        ),
        (Decode(), Resize("short_side", 256, "bicubic"), CentreCrop((224, 224)), ToTensor()),
    ],
)
def test_round_trip(steps: tuple[Step, ...]) -> None:
    original = Preprocess(steps)
    data = original.to_data()
    assert Preprocess.from_data(data) == original
    assert Preprocess.from_data(data).to_data() == data


def test_data_is_canonical() -> None:
    short = Preprocess.from_data([{"op": "decode"}, *CARD[1:]])
    assert short.to_data() == Preprocess.from_data(CARD).to_data()
    assert "pad" not in short.to_data()[1]
    boxed = Preprocess.from_data(changed(1, mode="letterbox"))
    assert boxed.to_data()[1]["pad"] == 127.5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(1, sise=[1, 1]), r"preprocess\[1\]: unknown key 'sise'.*did you mean 'size'"),
        (changed(1, mode="streched"), "no mode 'streched'.*did you mean 'stretch'"),
        (changed(1, interpolation="bilineal"), "did you mean 'bilinear'"),
        (changed(1, size=416), r"size must be \[height, width\]"),
        (changed(1, size=[416, 0]), "whole number from 1 to 65536"),
        (changed(1, size=[416.0, 416]), "whole number from 1 to 65536"),
        (changed(1, size=[True, 416]), "whole number from 1 to 65536"),
        (changed(1, size=[1, 2, 3]), "height, width"),
        (changed(1, mode="short_side"), "whole number from 1 to 65536"),
        (changed(1, mode="short_side", size=416), "short_side gives no fixed size"),
        (changed(1, pad=114), "no effect with stretch"),
        (changed(1, anchor="top_left"), "anchor has no effect with stretch"),
        (changed(1, rounding="down"), "rounding has no effect with stretch"),
        (changed(1, mode="letterbox", rounding="up"), "no rounding 'up'"),
        (changed(1, mode="letterbox", pad=300), "pad must lie within"),
        (changed(1, mode="letterbox", pad="grey"), "pad must be a number"),
        (changed(1, mode="letterbox", anchor="middle"), "no anchor 'middle'"),
        (changed(0, colour="rbg"), "did you mean 'rgb'"),
        (changed(0, exif=1), "exif must be true or false"),
        (changed(2, factor=0), "factor of step scale must not be 0; give what"),
        (changed(2, factor=float("inf")), "factor must be a number"),
        (changed(0, op="decoed"), "did you mean 'decode'"),
        (changed(0, op=["decode"]), "no preprocess step"),
        ([{"colour": "rgb"}, *CARD[1:]], "needs an 'op'"),
        (["decode", *CARD[1:]], r"preprocess\[0\]: a step needs an 'op'"),
        ([CARD[0], {"op": "resize", "mode": "stretch"}, *CARD[2:]], "step resize lacks 'size'"),
        (CARD[1:], "preprocess: the preprocess steps lack decode; give decode, resize, to_tensor"),
        ([CARD[0], *CARD[2:]], "the preprocess steps lack resize"),
        (CARD[:-1], "lack to_tensor"),
        ([CARD[0], CARD[2], CARD[1], CARD[3]], "not in order"),
        ([*CARD[:2], CARD[1], CARD[3]], "not in order"),
        ([], "lack decode, resize, to_tensor"),
        ([*CARD[:2], {"op": "centre_crop", "size": [500, 500]}, CARD[3]], "larger than"),
        ([*CARD[:2], {"op": "normalise", "mean": [0, 0], "std": [1, 1, 1]}, CARD[3]], "three"),
        ([*CARD[:2], {"op": "normalise", "mean": [0, 0, 0], "std": [1, 0, 1]}, CARD[3]], "std"),
    ],
)
def test_strictness(data: list[Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Preprocess.from_data(data, where="preprocess")
    assert str(caught.value).startswith("preprocess")
    assert caught.match(message)


def test_with_resize_keeps_what_is_not_named() -> None:
    base = Preprocess.from_data(CARD)
    assert base.with_resize() == base
    boxed = base.with_resize(mode="letterbox", size=(320, 352), pad=114)
    assert boxed.steps[1] == Resize("letterbox", (320, 352), "bilinear", 114)
    assert boxed.steps[2:] == base.steps[2:]
    assert boxed.with_resize(interpolation="area").steps[1] == Resize(
        "letterbox", (320, 352), "area", 114
    )


def test_pad_counts_for_letterbox_only() -> None:
    base = Preprocess.from_data(CARD)
    assert base.with_resize(pad=114) == base
    boxed = base.with_resize(mode="letterbox", pad=114)
    assert boxed.with_resize(mode="stretch", pad=114) == base
    assert base.with_resize(mode="letterbox").steps[1] == Resize("letterbox", (416, 608))
    down = base.with_resize(mode="letterbox", rounding="down")
    assert down.steps[1] == Resize("letterbox", (416, 608), rounding="down")
    assert down.with_resize(size=(320, 320)).steps[1] == Resize(
        "letterbox", (320, 320), rounding="down"
    )
    assert down.with_resize(mode="stretch") == base == base.with_resize(rounding="down")


def test_with_resize_and_a_crop() -> None:
    base = specification(Resize("short_side", 256), CentreCrop((224, 224)))
    assert base.with_resize() == base
    assert base.with_resize(size=(448, 448)).steps[1:3] == (
        Resize("short_side", 512),
        CentreCrop((448, 448)),
    )
    flat = base.with_resize(mode="stretch")
    assert flat == specification(Resize("stretch", (224, 224)))
    assert flat.with_resize(mode="short_side").size == (224, 224)
    cut = specification(Resize("stretch", (256, 512)), CentreCrop((128, 256)))
    assert cut.with_resize(interpolation="area").size == (128, 256)
    assert cut.with_resize(size=(64, 64)).steps[1:3] == (
        Resize("stretch", (128, 128)),
        CentreCrop((64, 64)),
    )


def test_with_resize_refuses_nonsense() -> None:
    with pytest.raises(UsageError, match="did you mean 'letterbox'"):
        Preprocess.from_data(CARD).with_resize(mode="leterbox")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a centre_crop after a letterbox"):
        specification(Resize("letterbox", (64, 64)), CentreCrop((32, 32)))
