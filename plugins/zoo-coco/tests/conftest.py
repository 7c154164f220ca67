from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from zoo_core.api import DataPlan, DataView, Prediction, Sample, Stage, StageContext
from zoo_core.toolkit.detection import Detections, Instances, OrientedDetections, Poses
from zoo_core.toolkit.detection.masks import encode
from zoo_core.toolkit.detection.oriented import corners, upright

WriteTruth = Callable[..., Path]
SIZE = (120, 160)
CLASSES = ("person", "car", "dog")

MakeImages = Callable[[Path, Sequence[str]], None]


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    monkeypatch.delenv("ZOO_COCO_URL", raising=False)


@pytest.fixture
def make_images() -> MakeImages:
    """Writes a small picture, each of another content, for every name."""

    def make(folder: Path, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = np.full((20, 30, 3), number * 7 % 256, np.uint8)
            path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())

    return make


@pytest.fixture
def sideways() -> Callable[[Path], None]:
    """Writes a JPEG of 20 x 30 (width x height) pixels that is shown turned, as 30 x 20."""

    def make(path: Path) -> None:
        stored = cv2.imencode(".jpg", np.zeros((30, 20, 3), np.uint8))[1].tobytes()
        exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        path.write_bytes(stored[:2] + segment + stored[2:])

    return make


@pytest.fixture
def write_truth() -> WriteTruth:
    """Writes an annotation file: images as (id, file name), boxes as (image, category, xywh)."""

    def write(
        path: Path,
        images: Sequence[tuple[int | str, str]],
        boxes: Sequence[tuple[int | str, int, Sequence[float]]] = (),
        categories: Sequence[tuple[int, str]] = ((1, "person"), (3, "car")),
    ) -> Path:
        data: dict[str, Any] = {
            "images": [
                {"id": number, "file_name": name, "width": 30, "height": 20}
                for number, name in images
            ],
            "annotations": [
                {"id": n, "image_id": image, "category_id": category, "bbox": list(box)}
                for n, (image, category, box) in enumerate(boxes)
            ],
            "categories": [{"id": number, "name": name} for number, name in categories],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return path

    return write


RunStage = Callable[..., Path]


@pytest.fixture
def run_stage(tmp_path: Path) -> RunStage:
    """Runs a stage's function as the executor does; returns its folder."""

    def run(stage: Stage, done: dict[str, Path] | None = None) -> Path:
        module, _, function = stage.run.partition(":")
        out = tmp_path / "stages" / f"{stage.name}-{len(list(tmp_path.glob('stages/*')))}"
        out.mkdir(parents=True)
        context = StageContext(
            inputs={arg: _place(ref, done or {}) for arg, ref in stage.inputs.items()},
            params=stage.params,
            locations=stage.locations,
            out=out,
            log=out / "log.txt",
            resume_dir=out.with_suffix(".resume_dir"),
            progress=lambda _done, _total, _note="": None,
            plugins=cast("Any", None),
            sessions=cast("Any", None),
        )
        getattr(import_module(module), function)(context)
        assert {path.name for path in out.iterdir()} == set(stage.outputs)
        return out

    return run


def _place(reference: str, done: dict[str, Path]) -> Path:
    name, _, file = reference.partition("/")
    return done[name] / file


@pytest.fixture
def run_plan(run_stage: RunStage) -> Callable[[DataPlan], DataView]:
    """Runs the stages of a data plan; returns what reading it needs."""

    def run(plan: DataPlan) -> DataView:
        done: dict[str, Path] = {}
        for stage in plan.stages:
            done[stage.name] = run_stage(stage, done)
        paths = {arg: _place(ref, done) for arg, ref in plan.inputs.items()}
        paths |= {arg: Path(place) for arg, place in plan.locations.items()}
        return DataView(paths=paths, params=plan.params)

    return run


class Site:
    """A web server on this machine; `asked` are the paths it was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        handler = partial(Handler, directory=str(root))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    root = tmp_path / "site"
    root.mkdir()
    made = Site(root)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setenv("ZOO_COCO_URL", made.url)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def scene() -> Callable[..., tuple[dict[str, Any], list[Prediction]]]:
    """Made-up truth and predictions of masks and key points: `scene(seed, images)`."""
    return _scene


@pytest.fixture
def turned_scene() -> Callable[..., tuple[dict[str, Any], list[Prediction]]]:
    """Made-up truth and predictions of oriented boxes."""
    return _turned_scene


def _blob(rng: np.random.Generator, box: Any) -> list[float]:
    """A polygon in a box."""
    x, y, wide, high = box
    corners = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 14)))
    reach = rng.uniform(0.3, 1, len(corners))
    across = np.clip(x + wide / 2 * (1 + np.cos(corners) * reach), 0, SIZE[1])
    down = np.clip(y + high / 2 * (1 + np.sin(corners) * reach), 0, SIZE[0])
    flat: list[float] = np.stack([across, down], 1).round(2).ravel().tolist()
    return flat


def _points(rng: np.random.Generator, box: Any) -> Any:
    x, y, wide, high = box
    rows = np.stack([rng.uniform(x, x + wide, 17), rng.uniform(y, y + high, 17)], 1)
    seen = rng.integers(0, 3, (17, 1)) * (rng.random() > 0.15)
    return np.concatenate([rows * (seen > 0), seen], 1).round(1)


def _scene(seed: int, images: int = 8) -> tuple[dict[str, Any], list[Prediction]]:
    """Made-up truth: polygons, run lengths of both kinds, crowds, points; and finds around it."""
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    predictions = []
    for image in range(1, images + 1):
        found: list[tuple[Any, ...]] = []
        for _ in range(rng.integers(0, 7)):
            wide, high = np.exp(rng.uniform(np.log(5), np.log(110), 2)).tolist()
            x, y = float(rng.uniform(0, 150)), float(rng.uniform(0, 110))
            box = [x, y, min(wide, SIZE[1] - x), min(high, SIZE[0] - y)]
            shapes = [_blob(rng, box) for _ in range(rng.integers(1, 3))]
            packed = mask.merge(mask.frPyObjects(shapes, *SIZE))
            inside = mask.decode(packed).astype(bool)
            crowd = int(rng.random() < 0.1)
            shape: Any = shapes
            if crowd:
                shape = {"size": list(SIZE), "counts": encode(inside, SIZE).tolist()}
            elif rng.random() < 0.3:
                shape = {"size": list(SIZE), "counts": packed["counts"].decode()}
            label = int(rng.integers(0, len(CLASSES)))
            own = _points(rng, box)
            rows.append(
                {
                    "id": len(rows) + 1,
                    "image_id": image,
                    "category_id": label * 2 + 1,
                    "bbox": box,
                    "area": float(mask.area(packed)),
                    "iscrowd": crowd,
                    "segmentation": shape,
                    "keypoints": own.ravel().tolist(),
                    "num_keypoints": int((own[:, 2] > 0).sum()),
                }
            )
            for _ in range(rng.integers(0, 4)):
                moved = np.roll(inside, rng.integers(-3, 4, 2), (0, 1))
                near = own + np.append(rng.normal(0, 2, 2), 0)
                told = label if rng.random() < 0.85 else int(rng.integers(0, len(CLASSES)))
                corner = np.array(box) + rng.normal(0, 2, 4)
                found.append((corner, round(float(rng.random()), 1), told, moved, near))
        predictions.append(_prediction(image, found))
    data = {
        "images": [
            {"id": n, "file_name": f"{n}.jpg", "height": SIZE[0], "width": SIZE[1]}
            for n in range(1, images + 1)
        ],
        "annotations": rows,
        "categories": [{"id": n * 2 + 1, "name": name} for n, name in enumerate(CLASSES)],
    }
    return data, predictions


def _prediction(image: int, found: list[tuple[Any, ...]]) -> Prediction:
    found.sort(key=lambda row: -row[1])
    boxes = np.array([row[0] for row in found], np.float32).reshape(-1, 4)
    boxes[:, 2:] = boxes[:, :2] + np.maximum(boxes[:, 2:], 1)
    settled = Detections(
        boxes,
        np.array([row[1] for row in found], np.float32),
        np.array([row[2] for row in found], np.int32),
    )
    masks = Instances.of(settled, [encode(row[3], SIZE) for row in found], SIZE)
    poses = np.array([row[4] for row in found], np.float32).reshape(-1, 17, 3)
    return Prediction(
        sample=Sample(id=image, name=f"{image}.jpg", path=Path(f"{image}.jpg"), size=SIZE),
        arrays={**masks.to_arrays(), **Poses(settled, poses).to_arrays()},
    )


def _turned_scene(seed: int) -> tuple[dict[str, Any], list[Prediction]]:
    """Turned boxes, and finds around them; every other truth is a polygon of four corners."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    predictions = []
    for image in range(1, 7):
        found = []
        for _ in range(rng.integers(1, 6)):
            box = np.array([*rng.uniform(20, 100, 2), *rng.uniform(8, 60, 2), rng.uniform(-3, 3)])
            points = corners(box[None])
            x, y = points[0].min(axis=0)
            sides = np.ptp(points[0], axis=0)
            label = int(rng.integers(0, len(CLASSES)))
            shape = {"obb": box.tolist()}
            if len(rows) % 2:
                shape = {"segmentation": [points[0].ravel().tolist()]}  # type: ignore[dict-item]
            rows.append(
                {
                    "id": len(rows) + 1,
                    "image_id": image,
                    "category_id": label * 2 + 1,
                    "bbox": [x, y, *sides.tolist()],
                    "area": box[2] * box[3],
                    "iscrowd": int(rng.random() < 0.1),
                    **shape,
                }
            )
            for _ in range(rng.integers(0, 3)):
                near = box + rng.normal(0, 1, 5) * (2, 2, 3, 3, 0.1)
                near[2:4] = np.maximum(near[2:4], 2)
                told = label if rng.random() < 0.85 else int(rng.integers(0, len(CLASSES)))
                found.append((near, round(float(rng.random()), 1), told))
        found.sort(key=lambda row: -row[1])
        boxes = np.array([row[0] for row in found], np.float32).reshape(-1, 5)
        settled = Detections(
            upright(boxes),
            np.array([row[1] for row in found], np.float32),
            np.array([row[2] for row in found], np.int32),
        )
        arrays = OrientedDetections(settled, boxes).to_arrays()
        sample = Sample(id=image, name=f"{image}.jpg", path=Path(f"{image}.jpg"), size=SIZE)
        predictions.append(Prediction(sample=sample, arrays=arrays))
    data = {
        "images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(1, 7)],
        "annotations": rows,
        "categories": [{"id": n * 2 + 1, "name": name} for n, name in enumerate(CLASSES)],
    }
    return data, predictions
