"""Anchor-free and end-to-end heads against their repositories' own code.

data/anchor_free.npz holds what these gave for raw maps of seeded numbers (`raw_maps`), 64 x 96, 3
classes, at conf 0.05: Ultralytics 8.4.190 (`Detect._inference`, `Detect.postprocess`,
`non_max_suppression`, IoU 0.6) for v8 and 26; meituan/YOLOv6 at 07dd256 (`Detect.forward`,
`non_max_suppression`, IoU 0.65); WongKinYiu/yolov9 at 5b1ea9a (`DDetect.forward`,
`non_max_suppression`); THU-MIG/yolov10 at 6fbaf42 (`v10Detect.forward`, exported form);
sunsmarterjie/yolov12 at 3a336a4 (`Detect.forward`, `non_max_suppression`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from zoo_yolo import anchor_free
from zoo_yolo.anchor_free import AnchorFreeDecoder
from zoo_yolo.cells import Layout
from zoo_yolo.end_to_end import EndToEndDecoder

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.detection import Candidates, DetectionRules, postprocess
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Recognition

SIZE, CLASSES, FLOOR = (64, 96), 3, 0.001
STRIDES = (8, 16, 32)
CARDS = Path(anchor_free.__file__).with_suffix(".yaml")
GOLDEN = dict(np.load(Path(__file__).parent / "data" / "anchor_free.npz"))


def raw_maps(seed: int, bins: int) -> list[NDArray[np.float32]]:
    """The seeded maps [4 * bins + classes, h, w] from which the golden vectors were made."""
    rng = np.random.default_rng(seed)
    maps = []
    for stride in STRIDES:
        shape = (4 * bins + CLASSES, SIZE[0] // stride, SIZE[1] // stride)
        one = rng.standard_normal(shape, dtype=np.float32)
        one[: 4 * bins] *= 2
        one[4 * bins :] = one[4 * bins :] * 2 - 2
        maps.append(one)
    return maps


def named(*arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {f"output{at}": array for at, array in enumerate(arrays)}


def decoded(outputs: Arrays, **params: Any) -> Candidates:
    decode = AnchorFreeDecoder().bind(params, CLASSES, FLOOR)
    return Candidates.from_arrays(decode(outputs, Geometry.identity(SIZE)))


def chosen(outputs: Arrays, **params: Any) -> Candidates:
    decode = EndToEndDecoder().bind(params, CLASSES, FLOOR)
    return Candidates.from_arrays(decode(outputs, Geometry.identity(SIZE)))


def rows(found: Candidates, nms: float | None, labels: Any) -> NDArray[np.float32]:
    """Boxes, scores and labels that a protocol leaves, in the rows of the repositories."""
    kind: Any = "iou" if nms else "none"
    rules = DetectionRules(0.05, nms, kind, box_labels=labels, max_detections=300)
    kept = postprocess(found, rules)
    return np.column_stack([kept.boxes, kept.scores, kept.labels])


FORMS = [("v8", 0.6, {}, False), ("v6", 0.65, {"object": True}, True)]


@pytest.mark.parametrize("labels", ["multi", "best"])
@pytest.mark.parametrize(("name", "nms", "params", "is_last"), FORMS)
def test_a_decoded_output_gives_the_repository_s_detections(
    name: str, nms: float, params: dict[str, Any], is_last: bool, labels: str
) -> None:
    array = GOLDEN[f"{name}_decoded"]
    assert array.shape == ((126, 8) if is_last else (7, 126))
    for outputs in (named(array), named(array.T)):
        found = rows(decoded(outputs, **params), nms, labels)
        np.testing.assert_allclose(found, GOLDEN[f"{name}_{labels}"], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "seed", "bins", "nms"),
    [
        ("v8", 1, 16, 0.6),
        ("v26", 2, 1, 0.6),
        ("v6", 4, 17, 0.65),
        ("v9", 5, 16, 0.6),
        ("v12", 7, 16, 0.6),
    ],
)
@pytest.mark.parametrize("is_split", [False, True], ids=["together", "apart"])
def test_raw_maps_give_the_repository_s_detections(
    name: str, seed: int, bins: int, nms: float, is_split: bool
) -> None:
    maps = raw_maps(seed, bins)
    if is_split:
        maps = [part for one in maps for part in np.split(one, [4 * bins])]
        maps = maps[1::2] + maps[::2]
    for order in (maps, maps[::-1]):
        found = rows(decoded(named(*order)), nms, "multi")
        expected = GOLDEN[f"{name}_multi"]
        np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-4)


def test_raw_maps_may_have_the_scores_first() -> None:
    """As MMYOLO's `--model-only` gives them: with 16 bins, or with one (YOLO-World)."""
    for seed, bins, name in ((1, 16, "v8"), (2, 1, "v26")):
        maps = [np.roll(one, CLASSES, axis=0) for one in raw_maps(seed, bins)]
        found = rows(decoded(named(*maps), scores_first=True), 0.6, "multi")
        expected = GOLDEN[f"{name}_multi"]
        np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["v10", "v26"])
def test_chosen_rows_are_taken_as_they_are(name: str) -> None:
    found = rows(chosen(named(GOLDEN[f"{name}_e2e"])), None, "multi")
    expected = GOLDEN[f"{name}_e2e_kept"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_raw_maps_of_the_one_to_one_head_give_what_the_file_would_choose() -> None:
    """YOLOv10 cut before its choice: the best 100 pairs of box and label are the same."""
    found = decoded(named(*raw_maps(6, 16)))
    rules = DetectionRules(0.05, None, "none", box_labels="multi", max_detections=100)
    kept = postprocess(found, rules)
    table = np.column_stack([kept.boxes, kept.scores, kept.labels])
    np.testing.assert_allclose(table, GOLDEN["v10_e2e_kept"], atol=1e-4)


def test_boxes_come_back_through_the_letterbox() -> None:
    geometry = Geometry((200, 300), SIZE, (0.32, 0.32), (0.0, 0.0))
    decode = AnchorFreeDecoder().bind({}, CLASSES, FLOOR)
    found = Candidates.from_arrays(decode(named(GOLDEN["v8_decoded"]), geometry))
    plain = decoded(named(GOLDEN["v8_decoded"]))
    np.testing.assert_allclose(found.boxes, plain.boxes / 0.32, rtol=1e-5)
    assert found.size == (200, 300)


def test_the_output_of_a_main_branch_is_taken_by_its_name() -> None:
    """YOLOv9 with an auxiliary branch has two outputs of one shape."""
    outputs = named(np.zeros((7, 126), np.float32), GOLDEN["v8_decoded"])
    with pytest.raises(StageError, match=r"no single output .*write output: NAME"):
        decoded(outputs)
    found = rows(decoded(outputs, output="output1"), 0.6, "multi")
    np.testing.assert_allclose(found, GOLDEN["v8_multi"], atol=1e-4)
    with pytest.raises(StageError, match="there is no output 'output7'"):
        decoded(outputs, output="output7")


@pytest.mark.parametrize("shape", [(8, 126), (7, 127), (126,), (5, 8, 12)])
def test_outputs_of_another_network_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(StageError, match=r"no single output is \[4 sides \+ 3 classes, 126 cells"):
        decoded(named(np.zeros(shape, np.float32)))


@pytest.mark.parametrize(
    "params",
    [{"strides": []}, {"strides": [8, 0]}, {"object": "yes"}, {"output": 1}, {"scores_first": 1}],
)
def test_wrong_parameters(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(params))):
        AnchorFreeDecoder().bind(params, CLASSES, FLOOR)


def test_a_score_that_rounding_took_beyond_one_is_one() -> None:
    array = np.zeros((7, 126), np.float32)
    array[:4, 0], array[5, 0] = 8, 1.004
    assert decoded(named(array)).score.tolist() == [1.0]


BOX = [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize("score", [1.01, 7.0, 1e30, np.inf])
def test_a_score_that_is_none_is_refused(score: float) -> None:
    """As of rows in another order, or of int8 that put boxes and scores on one scale."""
    row = np.array([[10, 10, 20, 20, 0.5, 1], [10, 10, 20, 20, score, 1]], np.float32)
    with pytest.raises(StageError, match="and scores end at 1") as caught:
        chosen(named(row))
    assert caught.value.where == "decoder yolo-end-to-end"
    assert "x1, y1, x2, y2, score, label" in caught.value.next


def test_efficient_nms_is_read_up_to_its_number() -> None:
    outputs = {
        "num_dets": np.array([2], np.int32),
        "det_boxes": np.array([BOX, BOX, BOX], np.float32),
        "det_scores": np.array([0.9, 0.8, 0.7], np.float32),
        "det_classes": np.array([2, 0, 1], np.int32),
    }
    found = chosen(outputs, conf=0.25, iou=0.45)
    assert found.boxes.tolist() == [BOX, BOX]
    assert found.label.tolist() == [2, 0]
    assert found.suppressed == (0.25, 0.45)
    with pytest.raises(UsageError, match=r"conf 0.1 is below 0.25"):
        postprocess(found, DetectionRules(0.1, 0.45))


def test_efficient_nms_is_known_by_its_names_too() -> None:
    """YOLOv6's export for ONNX Runtime does not state the shapes."""
    names = ("det_classes", "num_dets", "det_boxes", "det_scores")
    outputs = tuple(TensorSpec(name=name, shape=()) for name in names)
    found = EndToEndDecoder().recognise(FileOutline(inputs=(), outputs=outputs, size=SIZE))
    assert found is not None
    values = {
        "det_classes": np.array([2]),
        "num_dets": np.array([1]),
        "det_boxes": np.array([BOX], np.float32),
        "det_scores": np.array([0.5], np.float32),
    }
    assert chosen(values).label.tolist() == [2]


def test_rows_with_the_image_s_number_are_read() -> None:
    found = chosen(named(np.array([[0, *BOX, 1, 0.5], [0, *BOX, 2, 0.25]], np.float32)))
    assert found.label.tolist() == [1, 2]
    assert found.score.tolist() == [0.5, 0.25]
    assert found.suppressed is None


def test_rows_of_zeros_are_padding() -> None:
    table = np.zeros((300, 6), np.float32)
    table[0] = [*BOX, 0.5, 1]
    assert len(chosen(named(table))) == 1


@pytest.mark.parametrize("label", [3, -1, 0.5, np.nan])
def test_a_label_that_the_model_has_not_is_refused(label: float) -> None:
    with pytest.raises(StageError, match="the model has 3 labels"):
        chosen(named(np.array([[*BOX, 0.5, label]], np.float32)))


@pytest.mark.parametrize(
    ("params", "words"),
    [({"conf": 0.1}, "gives 'conf' alone"), ({"conf": 2, "iou": 0.5}, "0..1, not 2")],
)
def test_wrong_thresholds(params: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EndToEndDecoder().bind(params, CLASSES, FLOOR)


@pytest.mark.parametrize("shapes", [[(300, 5)], [(300, 4), (300,)], [(1,), (3, 4), (3,), (3, 2)]])
def test_what_is_not_a_choice_is_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(StageError, match="outputs are neither"):
        chosen(named(*(np.zeros(shape, np.float32) for shape in shapes)))


def outline(*shapes: tuple[int | str, ...], **metadata: str) -> FileOutline:
    outputs = tuple(TensorSpec(name=f"output{n}", shape=shape) for n, shape in enumerate(shapes))
    image = TensorSpec(name="images", shape=(1, 3, 640, 640))
    return FileOutline(inputs=(image,), outputs=outputs, size=(640, 640), metadata=metadata)


def names(count: int) -> str:
    return repr({n: f"n{n}" for n in range(count)})


PLAIN: dict[str, Any] = {"strides": [8, 16, 32]}
MAPS = ((80, 80), (40, 40), (20, 20))


@pytest.mark.parametrize(
    ("given", "classes", "params"),
    [
        (outline((1, 84, 8400)), 80, PLAIN),
        (outline((1, 8400, 84)), 80, PLAIN),
        (outline((1, 22, 8400), names=names(18), task="detect"), 18, PLAIN),
        (outline(("b", 84, "n"), names=names(80), stride="32"), 80, PLAIN),
        (outline((1, 8400, 85)), 80, {**PLAIN, "object": True}),
        (outline((1, 84, 8500)), 80, {"strides": [8, 16, 32, 64]}),
        (outline(*((1, 144, *size) for size in MAPS)), 80, PLAIN),
        (outline(*((1, c, *size) for size in MAPS for c in (64, 7))), 7, PLAIN),
    ],
)
def test_a_file_is_recognised(given: FileOutline, classes: int, params: dict[str, Any]) -> None:
    found = AnchorFreeDecoder().recognise(given)
    assert found is not None
    assert (found.classes, found.params) == (classes, params)
    assert found.why.count("stride") == 1
    AnchorFreeDecoder().bind(found.params, found.classes, FLOOR)


@pytest.mark.parametrize(
    "given",
    [
        outline((1, 84, 8400), (1, 32, 160, 160)),
        outline((1, 56, 8400), task="pose", names=names(1)),
        outline((1, 84, 8400), names=names(79)),
        outline((1, 84, 8401)),
        outline((1, 25200, 85)),
        outline(("b", 84, "n")),
        outline((1, 300, 6)),
        outline((1, 1000)),
        outline(*((1, 255, *size) for size in MAPS)),
        outline(*((1, 144, *size) for size in MAPS[:2])),
        outline(*((1, 144, "h", "w") for _ in MAPS)),
        outline(*((1, 3 * 6, *size) for size in MAPS)),
        outline((1, 84, 8400), names="{0: open('x')}", stride="32", task="classify"),
    ],
)
def test_a_file_of_another_kind_is_left(given: FileOutline) -> None:
    assert AnchorFreeDecoder().recognise(given) is None


FOUR = ((1, 1), (1, 100, 4), (1, 100), (1, 100))


@pytest.mark.parametrize(
    ("given", "classes", "words"),
    [
        (outline((1, 300, 6), end2end="True", names=names(5)), 5, "chosen without NMS"),
        (outline((1, 300, 6), task="detect"), 80, "80 are assumed"),
        (outline(*FOUR), 80, "by the file itself"),
    ],
)
def test_a_choice_is_recognised(given: FileOutline, classes: int, words: str) -> None:
    found: Recognition | None = EndToEndDecoder().recognise(given)
    assert found is not None
    assert found.classes == classes
    assert words in found.why
    assert "nms" not in found.protocol
    assert DetectionRules(**found.protocol).nms_kind == "none"


@pytest.mark.parametrize(
    "given",
    [
        outline((1, 84, 8400)),
        outline((1, 300, 38), (1, 32, 160, 160)),
        outline((1, 6)),
        outline(()),
    ],
)
def test_what_is_no_choice_is_left(given: FileOutline) -> None:
    assert EndToEndDecoder().recognise(given) is None


def test_names_that_are_no_list_are_not_read() -> None:
    found = AnchorFreeDecoder().recognise(outline((1, 84, 8400), names="{0: open('x')}"))
    assert found is not None
    assert found.classes == 80


def test_the_card_of_yolo_world_reads_its_export() -> None:
    """One cell above the threshold: its sides are distances in cells of its stride."""
    card = yaml.safe_load(CARDS.read_text("utf-8"))["models"]["yolo-world-v2-l"]
    maps = [np.full((84, 1280 // s, 1280 // s), -9.0, np.float32) for s in STRIDES]
    maps[1][17, 30, 40] = 0.0
    maps[1][80:, 30, 40] = [1.0, 2.0, 3.0, 4.0]
    decode = AnchorFreeDecoder().bind(card["decoder_params"], 80, 0.01)
    found = Candidates.from_arrays(decode(named(*maps), Geometry.identity(tuple(card["size"]))))
    (row,) = rows(found, 0.7, "multi")
    np.testing.assert_allclose(row, [39.5 * 16, 28.5 * 16, 43.5 * 16, 34.5 * 16, 0.5, 17])


def test_extras_are_those_after_the_classes() -> None:
    layout = Layout("test", 3, 2)
    array = np.zeros((9, 126), np.float32)
    array[7:, 5] = 4, 5
    cells = layout.read(named(array), SIZE)
    assert cells.extras[5].tolist() == [4, 5]
    with pytest.raises(StageError, match="3 classes \\+ 2 more"):
        layout.read(named(array[:8]), SIZE)
