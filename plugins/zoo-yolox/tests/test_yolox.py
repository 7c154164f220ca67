"""YOLOX from an ONNX file to boxes in the image, by commands and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from zoo_yolox.decoder import YoloxDecoder

from zoo_core.api import FileOutline, TensorSpec
from zoo_core.errors import StageError, UsageError
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry
from zoo_core.toolkit.detection import Candidates
from zoo_core.vision import Geometry, Preprocess, write_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.testing.fixtures import Zoo

CELLS = 52 * 52 + 26 * 26 + 13 * 13
GREY, DOG = 114, 16


def network(rows: NDArray[np.float32], folder: Path) -> Path:
    """A file with YOLOX's input and output: these rows, wherever the image is not all grey.

    The rows' object scores are multiplied with the brightness that the first pixel of the image
    has above grey, so that the letterbox, the value range and the channel order matter.
    """
    shape = [1, 3, 416, 416]
    blue = np.zeros((1, 3, 416, 416), np.float32)
    blue[0, 0, 0, 0] = 1 / 255
    constants = {
        "rows": rows[None],
        "where": blue,
        "mask": np.array([0, 0, 0, 0, 1] + [0] * 80, np.float32),
        "rest": np.array([1, 1, 1, 1, 0] + [1] * 80, np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["images", "where"], ["picked"]),
        helper.make_node("ReduceSum", ["picked"], ["first"], keepdims=0),
        helper.make_node("Mul", ["mask", "first"], ["scaled"]),
        helper.make_node("Add", ["scaled", "rest"], ["factor"]),
        helper.make_node("Mul", ["rows", "factor"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "yolox",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, CELLS, 85])],
        [
            numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path = folder / "yolox.onnx"
    onnx.save(model, path)
    return path


def one_row(cell: tuple[int, int], stride: int, raw: tuple[float, ...]) -> NDArray[np.float32]:
    """Raw rows of a 416 x 416 network with one thing, a dog, in (column, row) of one map."""
    before = {8: 0, 16: 52 * 52, 32: 52 * 52 + 26 * 26}[stride]
    rows = np.zeros((CELLS, 85), np.float32)
    column, row = cell
    rows[before + row * (416 // stride) + column] = [*raw, 1.0, *np.eye(80)[DOG]]
    return rows


@pytest.fixture
def commands(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    plugins = (
        "zoo_yolox,zoo_onnx,zoo_source_repo,zoo_coco,zoo_onnxruntime,zoo_vastai,zoo_vastai_emulator"
    )
    for name in plugins.split(","):
        pytest.importorskip(name)
    monkeypatch.setenv("ZOO_PLUGINS", plugins)
    return zoo


@pytest.mark.parametrize(
    "target",
    [
        ("--backend", "onnxruntime"),
        ("--backend", "vastai", "--device", "emulator", "--precision", "fp16"),
    ],
    ids=["host", "card"],
)
def test_a_box_comes_back_through_the_letterbox(
    commands: Zoo, tmp_path: Path, target: tuple[str, ...]
) -> None:
    """An image of 800 x 600 goes to 416 x 312 at the top left; its first pixel is blue."""
    picture = np.full((600, 800, 3), (10, 20, 255), np.uint8)
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", picture)
    raw = (0.25, 0.5, float(np.log(3)), float(np.log(1.5)))
    weights = network(one_row((4, 6), 32, raw), tmp_path)

    done = commands(
        *("predict", "yolox-tiny", tmp_path / "in", "--weights", weights, "-o", tmp_path / "out"),
        *target,
    )

    assert done.code == 0, done.stderr
    (row,) = json.loads((tmp_path / "out" / "predictions.json").read_text())
    centre = np.array([(4 + 0.25) * 32, (6 + 0.5) * 32])
    sides = np.array([3.0, 1.5]) * 32
    expected = np.concatenate([centre - sides / 2, sides]) * 800 / 416
    np.testing.assert_allclose(row["bbox"], expected, atol=0.02 if "onnxruntime" in target else 0.4)
    assert row["score"] == pytest.approx(1.0, abs=2e-3)
    assert row["category_id"] == 18


def test_the_image_goes_in_as_bgr_without_scaling(tmp_path: Path) -> None:
    card = load_registry(Plugins.installed().registry_files()).model("yolox-tiny")
    steps = Preprocess.from_data(card.preprocess).with_resize(size=card.size)
    image = np.full((300, 416, 3), (10, 20, 255), np.uint8)

    tensor, geometry = steps.prepare(image)

    assert tensor[:, 0, 0].tolist() == [255, 20, 10]
    assert tensor[:, -1, -1].tolist() == [GREY] * 3
    assert geometry.offset == (0.0, 0.0)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_rows_are_placed_by_their_map(stride: int) -> None:
    decode = YoloxDecoder().bind({}, 80, 0.001)
    rows = one_row((3, 5), stride, (0.5, -0.25, 0.0, 1.0))

    found = Candidates.from_arrays(decode({"output": rows}, Geometry.identity((416, 416))))

    x, y, w, h = 3.5 * stride, 4.75 * stride, stride, np.e * stride
    expected = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    np.testing.assert_allclose(found.boxes, [expected], rtol=1e-6)
    assert found.label.tolist() == [DOG]


def test_scores_are_object_times_class() -> None:
    rows = np.zeros((CELLS, 7), np.float32)
    rows[7, 4:] = 0.5, 0.25, 0.75
    decode = YoloxDecoder().bind({}, 2, 0.2)

    found = Candidates.from_arrays(decode({"output": rows}, Geometry.identity((416, 416))))

    assert found.score.tolist() == [0.375]
    assert found.label.tolist() == [1]
    assert found.anchor.tolist() == [7]


@pytest.mark.parametrize(("shape", "size"), [((CELLS, 85), (640, 640)), ((CELLS, 84), (416, 416))])
def test_outputs_of_another_network_are_refused(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    decode = YoloxDecoder().bind({}, 80, 0.001)
    with pytest.raises(StageError, match="no single output is"):
        decode({"output": np.zeros(shape, np.float32)}, Geometry.identity(size))


@pytest.mark.parametrize(
    "params", [{"strides": []}, {"strides": [8, 0]}, {"strides": "8"}, {"decoded": "yes"}]
)
def test_wrong_parameters(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"strides|decoded"):
        YoloxDecoder().bind(params, 80, 0.001)


@pytest.mark.parametrize(
    ("shapes", "size", "classes"),
    [
        ([(1, 8400, 85)], (640, 640), 80),
        ([("batch", CELLS, 7)], (416, 416), 2),
        ([(1, 25200, 85)], (640, 640), None),
        ([(1, 84, 8400)], (640, 640), None),
        ([(1, 8400, 5)], (640, 640), None),
        ([(1, 8400, "n")], (640, 640), None),
        ([(1, 8400, 85), (1, 8400, 85)], (640, 640), None),
    ],
)
def test_rows_of_cells_are_recognised(
    shapes: Any, size: tuple[int, int], classes: int | None
) -> None:
    outputs = tuple(TensorSpec(name=f"out{at}", shape=shape) for at, shape in enumerate(shapes))
    found = YoloxDecoder().recognise(FileOutline(inputs=(), outputs=outputs, size=size))
    assert (found and found.classes) == classes
    if found:
        assert "decode_in_inference" in found.why
        assert Preprocess.from_data(found.preprocess).size == size
        YoloxDecoder().bind(found.params, found.classes, 0.001)


def test_the_family_is_small() -> None:
    """Two forms of a family with their decoder are at most 170 lines of Python."""
    folder = Path(__file__).parents[1] / "zoo_yolox"
    lines = sum(path.read_text().count("\n") for path in folder.glob("*.py"))
    assert lines <= 170
