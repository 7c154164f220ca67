"""What the toy does: its stages, runtime, profiler, decoder, evaluator and data set."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import DataPlan, Metrics, Sample, Stage, TensorSpec
from zoo_core.api.calibration import tensors
from zoo_core.errors import DataError, StageError, UnavailableError, check_known
from zoo_core.testing.examples import onnx_model, write_model
from zoo_core.toolkit.artefact import (
    NodePrecision,
    checked_feeds,
    precision_report,
    read_artefact,
    read_graph,
    write_artefact,
)
from zoo_core.toolkit.datasets import shards
from zoo_core.toolkit.detection import (
    Candidates,
    DetectionRules,
    Detections,
    draw_detections,
    postprocess,
)
from zoo_core.toolkit.detection_txt import to_line, write_lines
from zoo_core.toolkit.files import digest, file_digests, text_names, write_json
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core import api
    from zoo_core.toolkit.artefact import Artefact
    from zoo_core.vision.geometry import Geometry

MODEL_FILE = "model.onnx"
_MAGIC, _WEIGHTS_BYTES = b"TOY1", 20
_CELL = (6, 8)
_COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "none": (200, 200, 200)}
_INT8_OPSET, _INT8_IR = 19, 9  # for quantized nodes in ONNX's reference evaluator
_TRUTH_FILE = "truth.json"
_SHIPPED = Path(__file__).parent / "toy_shapes"
_CALIBRATION_SEED = 2
_SHARD = 2


def export(context: api.StageContext) -> None:
    """Writes model.onnx and graph.json: mean of each cell, 1x1 convolution, sigmoid."""
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    size, classes, cell = (context.params[name] for name in ("size", "classes", "stride"))
    weight, bias = _weights(context)
    nodes = [
        make_node("AveragePool", ["input"], ["cells"], "mean", kernel_shape=[cell] * 2,
                  strides=[cell] * 2),
        make_node("Conv", ["cells", "weight", "bias"], ["logits"], "conv"),
        make_node("Sigmoid", ["logits"], ["scores"], "sigmoid"),
    ]  # fmt: skip
    image = TensorSpec(name="input", shape=("batch", 3, *size))
    grid = ("batch", classes, size[0] // cell, size[1] // cell)
    specs = (image, TensorSpec(name="scores", shape=grid))
    constants = [from_array(weight[:, :, None, None], "weight"), from_array(bias, "bias")]
    write_model(context.out, onnx_model(nodes, specs, constants), specs)


def verify(context: api.StageContext) -> None:
    """Writes verify.json: the graph against the same network in NumPy, on a seeded input."""
    from onnx.reference import ReferenceEvaluator

    (height, width), cell = context.params["size"], context.params["stride"]
    image = np.random.default_rng(0).random((2, 3, height, width), dtype=np.float32)
    model = context.inputs["graph"].parent / MODEL_FILE
    (scores,) = ReferenceEvaluator(str(model)).run(None, {"input": image})
    cells = image.reshape(2, 3, height // cell, cell, width // cell, cell).mean(axis=(3, 5))
    weight, bias = _weights(context)
    logits = np.einsum("oc,bchw->bohw", weight, cells) + bias[:, None, None]
    expected = 1 / (1 + np.exp(-logits))
    error = np.abs(scores - expected)
    figures = {"max_abs": float(error.max()), "max_rel": float((error / expected).max())}
    write_json(context.out / "verify.json", {**figures, "reference": "NumPy"})


def build(context: api.StageContext) -> None:
    """Writes the artefact: the graph as it is, or with int8 convolutions."""
    import onnx

    graph = read_graph(context.inputs["graph"])
    model = onnx.load(context.inputs["graph"].parent / graph.path)
    nodes, precision = list(model.graph.node), context.params["precision"]
    kinds: dict[str, str] = {}
    if precision == "int8":
        images = tensors(context.inputs["calibration"], context.params["preprocess"])
        kinds = dict.fromkeys(_quantize(model, images, context.params.get("clip")), "int8")
    onnx.save(model, context.out / MODEL_FILE)
    rows = [NodePrecision(n.name, n.op_type, kinds.get(n.name, "fp32")) for n in nodes]
    report = precision_report(precision, rows, f"onnx {onnx.__version__}", [])
    write_artefact(context.out, ("onnx", MODEL_FILE), graph, report)


def emit(context: api.StageContext) -> None:
    """Leaves the graph and build.json in `files`."""
    graph = context.inputs["graph"]
    folder = context.out / "files"
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes((graph.parent / read_graph(graph).path).read_bytes())
    write_json(folder / "build.json", {"model": MODEL_FILE, **context.params})


def draw(context: api.StageContext) -> None:
    """Leaves four images and truth.json in `images`."""
    draw_images(context.out / "images", context.params["seed"])


def draw_images(folder: Path, seed: int) -> None:
    """Red and blue squares, one cell of an 8 x 8 grid each, among grey ones; 48 x 64 pixels."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    rows = []
    for number in range(1, 5):
        image = np.full((8 * _CELL[0], 8 * _CELL[1], 3), random.integers(20, 60), np.uint8)
        objects = []
        for cell in random.choice(64, 8, replace=False).tolist():
            label = str(random.choice(list(_COLOURS)))
            top, left = cell // 8 * _CELL[0], cell % 8 * _CELL[1]
            bottom, right = top + _CELL[0], left + _CELL[1]
            image[top:bottom, left:right] = _COLOURS[label]
            if label != "none":
                objects.append({"label": label, "box": [left, top, right, bottom]})
        name, size = f"{number}.png", list(image.shape[:2])
        write_image(folder / name, image)
        rows.append({"id": number, "name": name, "size": size, "objects": objects})
    write_json(folder / _TRUTH_FILE, rows)


def _weights(context: api.StageContext) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights [classes, 3] and biases [classes], of a 20-byte file or a seed.

    Four numbers: how a class weighs its own colour, the other one, green; its bias.
    """
    if "weights" in context.inputs:
        path = context.inputs["weights"]
        data = path.read_bytes()
        if data[:4] != _MAGIC or len(data) != _WEIGHTS_BYTES:
            raise DataError("is not a toy weights file", where=path.name, next="use 20 bytes")
        numbers = np.frombuffer(data, "<f4", offset=4)
    else:
        numbers = np.random.default_rng(context.params["seed"]).normal(0, 4, 4)
    own, other, green, bias = numbers
    classes = range(context.params["classes"])
    rows = [(other, green, own) if number % 2 else (own, green, other) for number in classes]
    return np.array(rows, np.float32), np.full(len(classes), bias, np.float32)


def _quantize(model: Any, images: Any, clip: str | None) -> list[str]:
    """Put int8 quantize / dequantize pairs before every convolution; returns their names."""
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    largest = _largest(model, [name for node in convolutions for name in node.input[:2]], images)
    nodes = []
    for node in model.graph.node:
        for at in range(2 if node in convolutions else 0):
            source, prefix = node.input[at], f"{node.name}.{at}"
            limit = min(largest[source], float(clip or "inf"))
            scale, stored, node.input[at] = f"{prefix}.scale", f"{prefix}.int8", f"{prefix}.float"
            model.graph.initializer.append(from_array(np.array(limit / 127, np.float32), scale))
            nodes.append(make_node("QuantizeLinear", [source, scale, "zero"], [stored]))
            nodes.append(make_node("DequantizeLinear", [stored, scale, "zero"], [node.input[at]]))
        nodes.append(node)
    model.graph.initializer.append(from_array(np.array(0, np.int8), "zero"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.opset_import[0].version, model.ir_version = _INT8_OPSET, _INT8_IR
    return [node.name for node in convolutions]


def _largest(model: Any, names: list[str], images: Any) -> dict[str, float]:
    """The largest magnitude of each of these tensors over all images."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    runs = [evaluator.run(names, {"input": image}) for image in images]
    peaks = [max(float(np.abs(array).max()) for array in row) for row in zip(*runs, strict=True)]
    return {name: max(peak, 1e-6) for name, peak in zip(names, peaks, strict=True)}


class ToyRuntime:
    """Opens what the toy's compiler leaves."""

    @contextmanager
    def open(
        self, artefact: Path, target: api.Target, hint: str = "latency"
    ) -> Iterator[api.Session]:
        """Raises UnavailableError for another device, DataError where there is no artefact."""
        if target.device != "cpu":
            raise UnavailableError(f"no device '{target.device}'", next="use --device cpu")
        session = ToySession(read_artefact(artefact, ("onnx",)))
        try:
            yield session
        finally:
            session.network = None


class ToySession:
    """One network, ready to run."""

    threads: int | None = 1
    workers = 1
    input_kind = "tensor"

    def __init__(self, artefact: Artefact) -> None:
        """Raises StageError for a damaged model."""
        from google.protobuf.message import DecodeError
        from onnx.reference import ReferenceEvaluator

        self.inputs, self.outputs = artefact.inputs, artefact.outputs
        try:
            self.network: Any = ReferenceEvaluator(str(artefact.model))
        except (OSError, DecodeError) as error:
            raise StageError("cannot be read as ONNX", where=str(artefact.model)) from error

    def run(self, feeds: api.Arrays) -> api.Arrays:
        """Raises StageError or UsageError for feeds that do not fit, or after closing."""
        if self.network is None:
            raise StageError("the session is closed")
        outputs = self.network.run(None, checked_feeds(self.inputs, feeds))
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, map(np.ascontiguousarray, outputs), strict=True))


class ToyProfiler:
    """One run on zeros, by the clock."""

    def profile(
        self, artefact: Path, target: api.Target, options: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """`latency_us`; raises what the toy's runtime raises."""
        with ToyRuntime().open(artefact, target) as session:
            (spec,) = session.inputs
            zeros = np.zeros([target.batch, *map(int, spec.shape[1:])], np.float32)
            began = time.perf_counter()
            session.run({spec.name: zeros})
            latency = (time.perf_counter() - began) * 1e6
        return {"tool": "toy", "figures": {"latency_us": latency}, "raw": f"{latency:g} us"}


class ToyDecoder:
    """One box per cell of the grid, the cell itself."""

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> api.Decode:
        """Takes `stride`, the cell's side in network pixels."""
        check_known(params, ("stride",), "decoder_params")
        stride = params.get("stride", 4)

        def decode(outputs: api.Arrays, geometry: Geometry) -> api.Arrays:
            scores = outputs["scores"]
            if scores.shape[0] != classes:
                raise StageError(f"{scores.shape[0]} classes in the output, {classes} labels")
            rows, columns = np.indices(scores.shape[1:]).reshape(2, -1)
            corners = np.stack([columns, rows, columns + 1, rows + 1], axis=1) * stride
            table, boxes = scores.reshape(classes, -1).T, geometry.to_image(corners)
            return Candidates.from_dense(boxes, table, floor, geometry.source).to_arrays()

        return decode


class ToyEvaluator:
    """F1 of exact squares; its one protocol field is `conf`."""

    task = "detection"
    versions: tuple[str, ...] = ("numpy",)
    metrics: tuple[str, ...] = ("F1",)
    postprocess_label = "NMS"

    def check(self, values: Mapping[str, Any]) -> None:
        """`conf` is a number from 0 to 1."""
        check_known(values, ("conf",), "protocol")
        self._rules(values)

    def floor(self, values: Mapping[str, Any]) -> float:
        """`conf` itself."""
        return self._rules(values).conf

    def postprocess(self, candidates: api.Arrays, values: Mapping[str, Any]) -> api.Arrays:
        """What scores above `conf`, best first; cells do not overlap."""
        return postprocess(Candidates.from_arrays(candidates), self._rules(values)).to_arrays()

    def match(self, labels: Sequence[str], classes: Mapping[str, bool]) -> tuple[str, ...]:
        """What has a square and no label, or a label and no square; at least one has both."""
        missed, extra = classes.keys() - set(labels), set(labels) - classes.keys()
        if classes and len(missed) == len(classes):
            step = "give the ground truth of these images"
            raise DataError("has none of the model's labels", next=step)
        told = {"classes have no label": missed, "labels have no square": extra}
        return tuple(
            f"{len(names)} {what}: {', '.join(sorted(names))}"
            for what, names in told.items()
            if names
        )

    def _rules(self, values: Mapping[str, Any]) -> DetectionRules:
        return DetectionRules(conf=values.get("conf", 0.25), nms=1.0)

    def score(self, predictions: api.Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """F1 over the squares of all classes: label and whole pixels must be those of the truth."""
        objects = {row["id"]: row["objects"] for row in _rows(truth)}
        hits = total = 0
        for prediction in predictions:
            sample, detections = prediction.sample.id, Detections.from_arrays(prediction.arrays)
            if sample not in objects:
                raise DataError(f"no ground truth for image {sample!r}", where=str(truth))
            boxes = zip(detections.labels, detections.boxes.round().tolist(), strict=True)
            detected = {(labels[label], *box) for label, box in boxes}
            expected = {(row["label"], *row["box"]) for row in objects[sample]}
            hits += len(detected & expected)
            total += len(detected) + len(expected)
        figure = 2 * hits / total if total else None
        line = f"F1 {'-' if figure is None else f'{figure:.3f}'}"
        return Metrics(
            values={"F1": figure}, lines=(line,), warnings=self.match(labels, _classes(truth))
        )

    def write(
        self,
        predictions: api.Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """One text per image in `txt`."""
        (folder / "txt").mkdir()
        names = text_names([prediction.sample.name for prediction in predictions])
        for name, prediction in zip(names, predictions, strict=True):
            columns = (prediction.arrays[each].tolist() for each in ("labels", "scores", "boxes"))
            rows = zip(*columns, strict=True)
            lines = [to_line(labels[label], score, box) for label, score, box in rows]
            write_lines(folder / "txt" / name, lines)

    def draw(
        self, image: NDArray[Any], prediction: api.Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """The boxes that score more than `least`."""
        return draw_detections(image, Detections.from_arrays(prediction), labels, least)


class ToyDataset:
    """Images of squares with truth.json: the user's, those of the plugin, or drawn by a stage."""

    task = "detection"

    def __init__(self, name: str, seed: int | None = None) -> None:
        """With a seed the images are drawn; without, they are those of the plugin."""
        self._name, self._seed = name, seed

    def plan(self, request: api.DataRequest) -> DataPlan:
        """The user's images, images drawn for calibration, or the set's own."""
        seed = _CALIBRATION_SEED if request.purpose == "calibrate" else self._seed
        if request.images is None and seed is not None:
            stage, run = f"draw-{seed}", "zoo_core.testing.toy_parts:draw"
            draw = Stage(name=stage, run=run, params={"seed": seed}, outputs=("images",))
            contents = [f"{stage}/{number}" for number in range(4)]
            images = {"images": f"{stage}/images"}
            return self._plan(request, "sample", contents, stage, stages=(draw,), inputs=images)
        folder = request.images or _SHIPPED
        truth = request.annotations or folder / _TRUTH_FILE
        *contents, last = file_digests([*(folder / row["name"] for row in _rows(truth)), truth])
        kind = "given" if request.images else "published"
        places = {"images": str(folder.absolute()), "truth": str(truth.absolute())}
        return self._plan(request, kind, contents, last, locations=places)

    def samples(self, view: api.DataView, start: int, stop: int) -> Iterator[Sample]:
        """In the order of truth.json."""
        for row in _rows(self.truth(view))[start:stop]:
            path = view.paths["images"] / row["name"]
            if not path.is_file():
                raise DataError("no such image", where=str(path))
            yield Sample(id=row["id"], name=row["name"], path=path, size=tuple(row["size"]))

    def truth(self, view: api.DataView) -> Path:
        """truth.json, or the user's annotations."""
        return view.paths.get("truth", view.paths["images"] / _TRUTH_FILE)

    def _plan(
        self, request: api.DataRequest, kind: str, contents: list[str], source: str, **places: Any
    ) -> DataPlan:
        """Two samples a shard; `contents` stand for one image each, `source` for the whole."""
        chosen = contents[: request.limit]
        return DataPlan(
            dataset=self._name,
            kind=kind,
            shards=shards(chosen, _SHARD),
            count=len(chosen),
            of=len(contents),
            content=digest([*chosen, source]),
            has_truth=True,
            classes=_classes(Path(places["locations"]["truth"])) if "locations" in places else {},
            **places,
        )


def _classes(truth: Path) -> dict[str, bool]:
    return {row["label"]: True for image in _rows(truth) for row in image["objects"]}


def _rows(truth: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(truth.read_text(encoding="utf-8"))
        if not isinstance(rows, list):
            raise ValueError("it has no list of images")
    except (OSError, ValueError) as error:
        raise DataError(f"is not ground truth of the toy: {error}", where=str(truth)) from error
    return rows
