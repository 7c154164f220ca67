"""Instance segmentation and key points by whole commands, with a decoder that finds red."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

import zoo_core
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Outcome, Zoo

onnx = pytest.importorskip("onnx")
PLUGINS = ("zoo_core.testing.toy", "zoo_onnx", "zoo_coco", "red_plugin")
SIZE = (64, 96)

PLUGIN = '''
"""A decoder of one red thing an image: its box, its mask and the corners of its box."""
from pathlib import Path

import numpy as np

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl
from zoo_core.errors import check_known
from zoo_core.toolkit.detection import Candidates, KeypointCandidates, MaskCandidates
from zoo_core.toolkit.detection import OrientedCandidates

ZOO_API = 1


@hookimpl
def zoo_decoders():
    for task in ("instance-segmentation", "keypoints", "oriented-detection"):
        yield Provider(name=f"red-{task}", summary="finds red", load=lambda task=task: Red(task))


@hookimpl
def zoo_registry_files():
    yield Path(__file__).with_name("red.yaml")


class Red:
    def __init__(self, task):
        self.task = task

    def bind(self, params, classes, floor):
        check_known(params, (), "decoder_params")

        def decode(outputs, geometry):
            (cells,) = outputs.values()
            red = cells[0] - 0.5
            rows, columns = np.nonzero(red > 0)
            step = geometry.network[0] / cells.shape[1]
            box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]) * step
            scores = np.full((1, classes), 0.9)
            found = Candidates.from_dense(geometry.to_image(box), scores, floor, geometry.source)
            if self.task == "instance-segmentation":
                made = MaskCandidates.placed(found, np.ones((1, 1)), red[None], geometry)
            elif self.task == "keypoints":
                x1, y1, x2, y2 = box[0]
                points = np.array([[[x1, y1, 1], [x2, y1, 1], [x2, y2, 1], [x1, y2, 1]]])
                made = KeypointCandidates.placed(found, points, geometry)
            else:
                x1, y1, x2, y2 = box[0]
                turned = np.array([[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0]])
                made = OrientedCandidates.from_dense(turned, scores, floor, geometry)
            return made.to_arrays()

        return decode
'''
CARD = """
schema: 1
models:
{models}
"""
MODEL = """
  red-{task}:
    task: {task}
    license: Apache-2.0
    source: {{name: test, url: ""}}
    exporter: onnx
    exporter_params: {{input: image}}
    decoder: red-{task}
    evaluator: {evaluator}
    dataset: coco-folder
    given_dataset: coco-folder
    labels: [thing]
    size: [64, 96]
    preprocess:
      - {{op: decode, colour: rgb}}
      - {{op: resize, mode: stretch, size: [64, 96], interpolation: bilinear}}
      - {{op: scale, factor: 0.00392156862745098}}
      - {{op: to_tensor}}
    protocol: {protocol}
"""
TASKS = {
    "instance-segmentation": ("coco-segmentation", "coco-segmentation"),
    "keypoints": ("coco-keypoints", "coco-keypoints"),
    "oriented-detection": ("coco-oriented", "coco-oriented"),
}


def network(path: Path) -> None:
    """Mean of 4 x 4 pixels of red."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.full((1, 3, 1, 1), 1, np.float32), "weight")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["cells", "weight"], ["red"], "conv"),
    ]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("image", kind, ["n", 3, 64, 96])],
        [helper.make_tensor_value_info("red", kind, ["n", 1, 16, 24])],
        [weight],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


@pytest.fixture
def given(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """Two images, each with a red rectangle, and the truth of all three tasks."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "red_plugin.py").write_text(PLUGIN)
    models = [MODEL.format(task=task, evaluator=e, protocol=p) for task, (e, p) in TASKS.items()]
    (folder / "red.yaml").write_text(CARD.format(models="".join(models)))
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    monkeypatch.setenv("ZOO_PLUGINS", ",".join(PLUGINS))
    network(tmp_path / "red.onnx")
    (tmp_path / "images").mkdir()
    rows = []
    for number, (x, y, wide, high) in ((1, (16, 8, 40, 24)), (2, (40, 20, 28, 36))):
        image = np.zeros((*SIZE, 3), np.uint8)
        image[y : y + high, x : x + wide, 0] = 255
        write_image(tmp_path / "images" / f"{number}.png", image)
        corners = [x, y, x + wide, y, x + wide, y + high, x, y + high]
        points = [v for k in range(4) for v in (*corners[2 * k : 2 * k + 2], 2)]
        shape = {"segmentation": [corners], "keypoints": points, "num_keypoints": 4}
        rows.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [x, y, wide, high],
                **shape,
            }
        )
    data = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "height": SIZE[0], "width": SIZE[1]} for n in (1, 2)
        ],
        "annotations": rows,
        "categories": [{"id": 1, "name": "thing"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(data))
    images = ["--images", tmp_path / "images", "--annotations", tmp_path / "truth.json"]
    return ["--backend", "toy", "--weights", tmp_path / "red.onnx", *images]


def report(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.stderr
    found: dict[str, Any] = done.json
    name = found["schema"].removeprefix("zoo.").partition("/")[0]
    schema = Path(zoo_core.__file__).parent / "schemas" / f"{name}.json"
    jsonschema.validate(found, json.loads(schema.read_text()))
    return found


@pytest.mark.parametrize("task", TASKS)
def test_a_run_scores_what_is_found(zoo: Zoo, given: Any, tmp_path: Path, task: str) -> None:
    if task == "oriented-detection":
        pytest.importorskip("hotcoco", reason="hotcoco has no wheel for this machine")
    found = report(zoo("run", f"red-{task}", *given, "--no-bench", "-o", "out", "--json", "-"))

    assert found["task"] == task
    assert found["metrics"]["AP"] == pytest.approx(1)
    assert found["metrics"]["box_AP"] == pytest.approx(1)
    rows = json.loads((tmp_path / "out" / "predictions.json").read_text())
    key = {"instance-segmentation": "segmentation", "keypoints": "keypoints"}.get(task, "obb")
    assert [sorted(row) for row in rows] == [sorted(("image_id", "category_id", "score", key))] * 2
    boxes = json.loads((tmp_path / "out" / "predictions-boxes.json").read_text())
    assert boxes[0]["bbox"] == [16, 8, 40, 24]
    assert "Average Precision" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("task", TASKS)
def test_predict_draws_and_lists_boxes(zoo: Zoo, given: Any, tmp_path: Path, task: str) -> None:
    places = (tmp_path / "images", *given[:4])
    found = report(zoo("predict", f"red-{task}", *places, "-o", "seen", "--json", "-"))

    assert [row["found"] for row in found["images"]] == [1, 1]
    assert found["images"][0]["boxes"] == [[16, 8, 56, 32]]
    assert found["images"][0]["labels"] == ["thing"]
    assert len(list((tmp_path / "seen" / "pictures").glob("*.jpg"))) == 2


def test_a_task_without_diou_refuses_it(zoo: Zoo, given: Any) -> None:
    done = zoo("run", "red-oriented-detection", *given, "--nms-kind", "diou", "--no-bench")
    assert done.code == 2
    assert "diou is not defined for oriented boxes" in done.stderr
