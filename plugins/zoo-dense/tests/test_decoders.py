"""What the decoders refuse, which layouts they take, and which files they recognise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_dense

from zoo_core.api.graph import TensorSpec
from zoo_core.api.recognition import FileOutline, RecognisesOutputs, Recognition
from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.detection import Candidates
from zoo_core.vision import Geometry, Preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Shape = tuple[int | str, ...]

SQUARE = Geometry.identity((128, 128))
GRIDS = [(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]


def decoder(name: str) -> Any:
    return next(one for one in zoo_dense.zoo_decoders() if one.name == name).load()


def found(
    name: str, outputs: Mapping[str, NDArray[Any]], classes: int, **params: Any
) -> Candidates:
    decode = decoder(name).bind(params, classes, 0.05)
    return Candidates.from_arrays(decode(outputs, SQUARE))


def maps(classes: int) -> dict[str, NDArray[Any]]:
    """Seeded maps of the five levels of a 128 x 128 network, scores first."""
    random = np.random.default_rng(3)
    scores = {f"s{i}": random.normal(-3, 1, (9 * classes, *g)) for i, g in enumerate(GRIDS)}
    boxes = {f"b{i}": random.normal(0, 0.3, (36, *g)) for i, g in enumerate(GRIDS)}
    return {name: one.astype(np.float32) for name, one in (scores | boxes).items()}


def rows(table: NDArray[Any], columns: int) -> NDArray[Any]:
    return table.reshape(9, columns, -1).transpose(2, 0, 1).reshape(-1, columns)


@pytest.mark.parametrize("joined", [True, False], ids=["all levels", "each level"])
@pytest.mark.parametrize("boxes_first", [True, False])
def test_layouts_give_the_same(joined: bool, boxes_first: bool) -> None:
    outputs = maps(3)
    scores = [rows(one, 3) for name, one in outputs.items() if name.startswith("s")]
    boxes = [rows(one, 4) for name, one in outputs.items() if name.startswith("b")]
    kinds = [[np.concatenate(scores)], [np.concatenate(boxes)]] if joined else [scores, boxes]
    ordered = kinds[::-1] if boxes_first else kinds
    laid = {str(i): one for i, one in enumerate(array for kind in ordered for array in kind)}

    one, other = found("retinanet-mmdet", outputs, 3), found("retinanet-mmdet", laid, 3)

    assert len(one) > 100
    for name, array in one.to_arrays().items():
        np.testing.assert_array_equal(array, other.to_arrays()[name])


def test_four_classes_need_names() -> None:
    """Their scores look as deltas do."""
    outputs = maps(4)
    with pytest.raises(StageError, match="shape of deltas") as caught:
        found("retinanet-mmdet", outputs, 4)
    assert "score_outputs" in caught.value.next

    scores = [f"s{level}" for level in range(5)]
    backwards = dict(reversed(outputs.items()))
    named = found("retinanet-mmdet", outputs, 4, score_outputs=scores)
    assert named.label.max() == 3
    again = found("retinanet-mmdet", backwards, 4, box_outputs=[f"b{i}" for i in range(5)])
    np.testing.assert_array_equal(named.boxes, again.boxes)


def test_boxes_that_the_file_decoded_itself_stay_where_they_are() -> None:
    outputs = {"boxes": np.zeros((3069, 4), np.float32), "scores": np.zeros((3069, 2), np.float32)}
    outputs["boxes"][7], outputs["scores"][7, 1] = (10, 20, 30, 45), 0.75

    one = found("retinanet-yhenon", outputs, 2, decoded=True)

    assert one.boxes.tolist() == [[10, 20, 30, 45]]
    assert (one.label.tolist(), one.score.tolist(), one.anchor.tolist()) == ([1], [0.75], [7])


def test_the_best_pairs_of_a_level_stay() -> None:
    every = found("retinanet-mmdet", maps(3), 3, top=None, clip="none")
    best = found("retinanet-mmdet", maps(3), 3, top=20, clip="none")

    level = 16 * 16 * 9
    first = np.sort(every.score[every.anchor[every.box] < level])[::-1][:20]
    np.testing.assert_array_equal(np.sort(best.score[best.anchor[best.box] < level])[::-1], first)


def test_clipped_boxes_keep_to_the_image_and_have_an_area() -> None:
    clipped = found("retinanet-mmdet", maps(3), 3)
    free = found("retinanet-mmdet", maps(3), 3, clip="none")

    assert free.boxes.min() < 0 < free.boxes.max()
    assert clipped.boxes.min() == 0
    assert clipped.boxes.max() == 128
    assert (clipped.boxes[:, 2:] > clipped.boxes[:, :2]).all()


@pytest.mark.parametrize("name", ["retinanet-mmdet", "retinanet-torchvision", "yolof"])
def test_outputs_of_another_network_are_refused(name: str) -> None:
    with pytest.raises(StageError, match="neither maps") as caught:
        found(name, {"x": np.zeros((1, 84), np.float32)}, 80)
    assert "x [1, 84]" in str(caught.value)
    assert "labels" in caught.value.next


def test_a_chosen_row_of_a_class_without_a_label_is_refused() -> None:
    table = np.array([[1, 2, 30, 40, 0.9], [1, 2, 30, 40, 0.8]], np.float32)
    with pytest.raises(StageError, match="the file gives class 5, the model has 2 labels"):
        found("retinanet-mmdet", {"dets": table, "labels": np.array([5, 1])}, 2)


def test_chosen_rows_that_only_fill_up_are_left_out() -> None:
    table = np.array([[1, 2, 30, 40, 0.9], [1, 2, 30, 40, 0.8]], np.float32)
    one = found("retinanet-mmdet", {"dets": table, "labels": np.array([-1, 1])}, 2)
    assert one.label.tolist() == [1]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"strides": [8, 0]}, "strides"),
        ({"strides": [8, 16, 32, 64, 64]}, "no two alike"),
        ({"strides": "8"}, "strides"),
        ({"strides": []}, "strides"),
        ({"sizes": [32, 64]}, "sizes"),
        ({"sizes": [[32]]}, "sizes"),
        ({"sizes": [[32], [64], [1], [1], [1, 2]]}, "sizes"),
        ({"sizes": [[-1]] * 5}, "sizes"),
        ({"ratios": [0]}, "ratios"),
        ({"ratios": []}, "ratios"),
        ({"ratios": ["a"]}, "ratios"),
        ({"means": [0, 0]}, "means"),
        ({"stds": 1}, "stds"),
        ({"side_factors": [2, 1]}, "side_factors"),
        ({"side_factors": [True, 2]}, "side_factors"),
        ({"centre": float("nan")}, "centre"),
        ({"centre_limit": 0}, "centre_limit"),
        ({"top": 0}, "top"),
        ({"fitted": 1}, "fitted"),
        ({"scores": "odds"}, "scores"),
        ({"clip": "yes"}, "clip"),
        ({"score_outputs": [1]}, "score_outputs"),
        ({"scales": [1]}, "scales"),
    ],
)
def test_wrong_parameters_of_anchors(params: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        decoder("retinanet-mmdet").bind(params, 3, 0.05)


@pytest.mark.parametrize(
    "params", [{"stride": 0}, {"top": 1.5}, {"scores": "odds"}, {"strides": [4]}]
)
def test_wrong_parameters_of_centernet(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"stride|top|scores"):
        decoder("centernet").bind(params, 3, 0.05)


@pytest.mark.parametrize("shapes", [[(3, 32, 32)], [(2, 32, 32), (3, 32, 32), (2, 32, 32)]])
def test_other_maps_are_refused_by_centernet(shapes: list[tuple[int, ...]]) -> None:
    outputs = {str(number): np.zeros(shape, np.float32) for number, shape in enumerate(shapes)}
    with pytest.raises(StageError, match=r"\[3, 32, 32\], \[2, 32, 32\]"):
        found("centernet", outputs, 3)


def test_names_go_before_the_order_of_centernets_maps() -> None:
    heat, sides, offsets = (np.zeros((2, 32, 32), np.float32) for _ in range(3))
    heat += -9
    heat[1, 4, 6], sides[:, 4, 6], offsets[:, 4, 6] = 3, (5, 7), (0.25, 0.5)

    one = found("centernet", {"reg": offsets, "wh": sides, "hm": heat}, 2)

    np.testing.assert_allclose(one.boxes, [[15, 4, 35, 32]])
    assert one.anchor.tolist() == [4 * 32 + 6]


def test_peaks_are_the_best_of_nine_cells_and_of_their_class() -> None:
    heat = np.full((2, 32, 32), -9, np.float32)
    heat[0, 4, 4], heat[0, 5, 5], heat[1, 5, 5], heat[0, 9, 9] = 2, 1, 1, 0.5
    outputs = {"hm": heat, "wh": np.ones((2, 32, 32), np.float32)}

    one = found("centernet", outputs, 2)
    assert list(zip(one.anchor[one.box].tolist(), one.label.tolist(), strict=True)) == [
        (4 * 32 + 4, 0),
        (5 * 32 + 5, 1),
        (9 * 32 + 9, 0),
    ]
    assert found("centernet", outputs, 2, top=1).label.tolist() == [0]


def outline(shapes: Sequence[Shape], names: Sequence[str] = ()) -> FileOutline:
    named = names or [str(number) for number in range(len(shapes))]
    outputs = tuple(
        TensorSpec(name=name, shape=(1, *shape), dtype="float32")
        for name, shape in zip(named, shapes, strict=True)
    )
    image = TensorSpec(name="input", shape=(1, 3, 256, 320), dtype="float32")
    return FileOutline(inputs=(image,), outputs=outputs, size=(256, 320))


LEVELS: list[Shape] = [(32, 40), (16, 20), (8, 10), (4, 5), (2, 3)]


def recognised(name: str, what: FileOutline) -> Recognition | None:
    one = decoder(name)
    assert isinstance(one, RecognisesOutputs)
    answer = one.recognise(what)
    if answer is not None:
        Preprocess.from_data(answer.preprocess)
        one.bind(answer.params, answer.classes, 0.05)
    return answer


@pytest.mark.parametrize("source", ["mmdet", "torchvision", "yhenon"])
def test_maps_of_retinanet_fit_three_repositories(source: str) -> None:
    shapes = [(720, *grid) for grid in LEVELS] + [(36, *grid) for grid in LEVELS]
    answer = recognised(f"retinanet-{source}", outline(shapes))

    assert answer is not None
    assert answer.classes == 80
    assert "80 scores and 4 deltas for 9 anchors" in answer.why
    assert answer.params == {"scores": "logits"}
    assert recognised("yolof", outline(shapes)) is None


@pytest.mark.parametrize("objects", [True, False])
def test_one_level_is_yolof(objects: bool) -> None:
    shapes = [(400, 8, 10), (20, 8, 10), *([(5, 8, 10)] if objects else [])]
    answer = recognised("yolof", outline(shapes))

    assert answer is not None
    assert answer.classes == 80
    assert recognised("retinanet-mmdet", outline(shapes)) is None


@pytest.mark.parametrize(
    "shapes",
    [
        [(84, 8400)],
        [(720, 32, 40), (36, 32, 40)],
        [(721, *grid) for grid in LEVELS] + [(36, *grid) for grid in LEVELS],
        [("C", *grid) for grid in LEVELS] + [(36, *grid) for grid in LEVELS],
        [(400, 8, 10), (20, 8, 10), (7, 8, 10)],
        [(80, 64, 80), (2, 64, 80), (2, 64, 80), (10, 64, 80)],
        [(80, 32, 40), (2, 32, 40), (2, 32, 40)],
        [("C", 64, 80), (2, 64, 80), (2, 64, 80)],
    ],
)
def test_other_files_are_not_recognised(shapes: list[Shape]) -> None:
    for one in zoo_dense.zoo_decoders():
        assert recognised(one.name, outline(shapes)) is None


def test_centernet_is_recognised_by_its_three_maps() -> None:
    shapes: list[Shape] = [(80, 64, 80), (2, 64, 80), (2, 64, 80)]
    answer = recognised("centernet", outline(shapes))
    assert answer is not None
    assert answer.classes == 80

    named = outline([shapes[1], shapes[2], shapes[0]], ["wh", "reg", "hm"])
    again = recognised("centernet", named)
    assert again is not None
    assert again.classes == 80
