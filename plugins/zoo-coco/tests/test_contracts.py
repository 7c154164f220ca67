from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_coco

from zoo_core.api import DataRequest
from zoo_core.errors import UsageError
from zoo_core.testing import DatasetContract, EvaluatorContract, PluginContract
from zoo_core.toolkit.detection import (
    Candidates,
    Detections,
    Instances,
    KeypointCandidates,
    MaskCandidates,
    OrientedCandidates,
    OrientedDetections,
    Poses,
)
from zoo_core.toolkit.detection.masks import encode
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import Arrays


class TestPlugin(PluginContract):
    plugin = zoo_coco


class TestEvaluator(EvaluatorContract):
    plugin, name = zoo_coco, "coco-detection"
    values = MappingProxyType[str, Any](
        {
            "conf": 0.01,
            "nms": 0.5,
            "nms_kind": "iou",
            "box_labels": "multi",
            "max_detections": 100,
            "clip": True,
            "round_boxes": False,
            "min_output_score": 0.1,
        }
    )


class TestSegmentation(TestEvaluator):
    """The masks are the whole boxes."""

    name, task = "coco-segmentation", "instance-segmentation"

    def write_truth(self, folder: Path) -> Path:
        path = super().write_truth(folder)
        data = json.loads(path.read_text())
        for row in data["annotations"]:
            x, y, wide, high = row["bbox"]
            row["segmentation"] = [[x, y, x + wide, y, x + wide, y + high, x, y + high]]
        path.write_text(json.dumps(data))
        return path

    def with_masks(self, arrays: Arrays) -> Arrays:
        found = Detections.from_arrays(arrays)
        masks = []
        for box in found.boxes.tolist():
            x1, y1, x2, y2 = np.minimum(box, (160, 120) * 2).astype(int).tolist()
            masks.append(encode(np.ones((y2 - y1, x2 - x1), bool), self.size, (y1, x1)))
        return Instances.of(found, masks, self.size).to_arrays()

    def perfect(self) -> Sequence[Arrays]:
        return [self.with_masks(one) for one in super().perfect()]

    def nothing(self) -> Sequence[Arrays]:
        return [self.with_masks(one) for one in super().nothing()]

    def wrong(self) -> Mapping[str, Sequence[Arrays]]:
        return {
            what: [self.with_masks(one) for one in rows] for what, rows in super().wrong().items()
        }

    def candidates(self) -> Sequence[Arrays]:
        geometry = Geometry.identity(self.size)
        ones = np.ones((1, 3, 4), np.float32)
        return [
            MaskCandidates.placed(
                Candidates.from_arrays(one), np.ones((99, 1)), ones, geometry
            ).to_arrays()
            for one in super().candidates()
        ]

    def test_postprocessing_keeps_detections(self) -> None:
        """Boxes are those of detection; masks fill them."""
        for candidates, wanted in zip(self.candidates(), self.perfect(), strict=True):
            found = self._provider().postprocess(candidates, self.values)
            assert sorted(found["scores"]) == pytest.approx(sorted(wanted["scores"]))
            assert len(found["ends"]) == len(wanted["ends"])


class TestOriented(TestEvaluator):
    """The boxes of detection, turned by 0."""

    name, task = "coco-oriented", "oriented-detection"

    @staticmethod
    def turned(boxes: Any) -> Any:
        centre, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        return np.concatenate([centre, sides, np.zeros((len(boxes), 1))], 1).astype(np.float32)

    def write_truth(self, folder: Path) -> Path:
        path = super().write_truth(folder)
        data = json.loads(path.read_text())
        for row in data["annotations"]:
            x, y, wide, high = row["bbox"]
            row["obb"] = [x + wide / 2, y + high / 2, wide, high, 0]
        path.write_text(json.dumps(data))
        return path

    def with_boxes(self, arrays: Arrays) -> Arrays:
        found = Detections.from_arrays(arrays)
        return OrientedDetections(found, self.turned(found.boxes)).to_arrays()

    def perfect(self) -> Sequence[Arrays]:
        return [self.with_boxes(one) for one in super().perfect()]

    def nothing(self) -> Sequence[Arrays]:
        return [self.with_boxes(one) for one in super().nothing()]

    def wrong(self) -> Mapping[str, Sequence[Arrays]]:
        return {
            what: [self.with_boxes(one) for one in rows] for what, rows in super().wrong().items()
        }

    def candidates(self) -> Sequence[Arrays]:
        rows = []
        for one in super().candidates():
            found = Candidates.from_arrays(one)
            boxes = self.turned(found.boxes)
            rows.append(OrientedCandidates(found=found, oriented=boxes).to_arrays())
        return rows

    def test_postprocessing_keeps_detections(self) -> None:
        """Oriented boxes go with the upright ones."""
        for candidates in self.candidates():
            found = self._provider().postprocess(candidates, self.values)
            assert np.allclose(found["oriented"], self.turned(found["boxes"]))
        with pytest.raises(UsageError, match="diou is not defined for oriented boxes"):
            self._provider().check({**self.values, "nms_kind": "diou"})


class TestKeypoints(TestEvaluator):
    """Seventeen points on the diagonal of each box."""

    name, task = "coco-keypoints", "keypoints"

    @staticmethod
    def points(box: Sequence[float]) -> list[list[float]]:
        x1, y1, x2, y2 = box
        shares = np.linspace(0.1, 0.9, 17)
        return [[x1 + (x2 - x1) * s, y1 + (y2 - y1) * s, 1.0] for s in shares.tolist()]

    def write_truth(self, folder: Path) -> Path:
        path = super().write_truth(folder)
        data = json.loads(path.read_text())
        for row in data["annotations"]:
            x, y, wide, high = row["bbox"]
            points = self.points((x, y, x + wide, y + high))
            row["keypoints"] = [value for x, y, _ in points for value in (x, y, 2)]
        path.write_text(json.dumps(data))
        return path

    def with_points(self, arrays: Arrays) -> Arrays:
        found = Detections.from_arrays(arrays)
        rows = np.array([self.points(box) for box in found.boxes.tolist()], np.float32)
        return Poses(found, rows.reshape(-1, 17, 3)).to_arrays()

    def perfect(self) -> Sequence[Arrays]:
        return [self.with_points(one) for one in super().perfect()]

    def nothing(self) -> Sequence[Arrays]:
        return [self.with_points(one) for one in super().nothing()]

    def wrong(self) -> Mapping[str, Sequence[Arrays]]:
        return {
            what: [self.with_points(one) for one in rows] for what, rows in super().wrong().items()
        }

    def candidates(self) -> Sequence[Arrays]:
        rows = []
        for one in super().candidates():
            found = Candidates.from_arrays(one)
            points = np.array([self.points(box) for box in found.boxes.tolist()], np.float32)
            rows.append(KeypointCandidates(found=found, keypoints=points).to_arrays())
        return rows

    def test_postprocessing_keeps_detections(self) -> None:
        """Points go with their boxes."""
        for candidates in self.candidates():
            found = self._provider().postprocess(candidates, self.values)
            for box, points in zip(found["boxes"], found["keypoints"], strict=True):
                assert np.allclose(points, self.points(box.tolist()), atol=1e-3)


class TestCocoFolder(DatasetContract):
    plugin, name = zoo_coco, "coco-folder"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, make_images: Any, write_truth: Any) -> None:
        names = [f"{number}.png" for number in (3, 1, 20, 100)]
        make_images(tmp_path / "images", names)
        images = [(int(Path(name).stem), name) for name in names]
        write_truth(tmp_path / "truth.json", images, [(3, 1, (1, 2, 3, 4))])

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        return DataRequest(
            purpose=self.purpose,
            images=folder / "images",
            annotations=folder / "truth.json",
            limit=limit,
        )


class TestYoloFolder(DatasetContract):
    plugin, name = zoo_coco, "yolo-folder"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, make_images: Any) -> None:
        names = ["3", "1", "20", "100"]
        make_images(tmp_path / "images", [f"{name}.png" for name in names])
        (tmp_path / "labels").mkdir()
        for name in names[:3]:
            (tmp_path / "labels" / f"{name}.txt").write_text("0 .5 .5 .2 .2\n")
        (tmp_path / "data.yaml").write_text("val: images\nnames: [person]\n")

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        return DataRequest(purpose=self.purpose, annotations=folder / "data.yaml", limit=limit)


class TestVocFolder(DatasetContract):
    plugin, name = zoo_coco, "voc-folder"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, make_images: Any) -> None:
        make_images(tmp_path / "JPEGImages", ["a.png", "b.png", "c.png"])
        (tmp_path / "Annotations").mkdir()
        corners = "<xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax>"
        row = f"<object><name>person</name><bndbox>{corners}</bndbox></object>"
        for name in ("a", "b", "c"):
            path = tmp_path / "Annotations" / f"{name}.xml"
            path.write_text(f"<annotation>{row}</annotation>")

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        return DataRequest(purpose=self.purpose, annotations=folder, limit=limit)


class TestVocEdgesFolder(TestVocFolder):
    name = "voc-edges-folder"


class TestDotaFolder(DatasetContract):
    plugin, name = zoo_coco, "dota-folder"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, make_images: Any) -> None:
        make_images(tmp_path / "images", ["a.png", "b.png", "c.png"])
        (tmp_path / "labelTxt").mkdir()
        for name in ("a", "b", "c"):
            (tmp_path / "labelTxt" / f"{name}.txt").write_text("gsd:1\n1 1 5 2 5 4 1 3 ship 0\n")

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        return DataRequest(purpose=self.purpose, annotations=folder, limit=limit)


class TestYoloOrientedFolder(DatasetContract):
    plugin, name = zoo_coco, "yolo-obb-folder"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, make_images: Any) -> None:
        make_images(tmp_path / "images", ["a.png", "b.png", "c.png"])
        (tmp_path / "labels").mkdir()
        for name in ("a", "b", "c"):
            (tmp_path / "labels" / f"{name}.txt").write_text("0 .1 .1 .4 .1 .4 .3 .1 .3\n")
        (tmp_path / "data.yaml").write_text("val: images\nnames: [ship]\n")

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        return DataRequest(purpose=self.purpose, annotations=folder / "data.yaml", limit=limit)


class TestFolder(DatasetContract):
    plugin, name, purpose = zoo_coco, "folder", "predict"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, make_images: Any) -> None:
        make_images(tmp_path / "images", ["c.png", "a.jpg", "b.bmp"])

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        return DataRequest(purpose=self.purpose, images=folder / "images", limit=limit)


class TestCalibrationOfVal2017(DatasetContract):
    plugin, name, purpose = zoo_coco, "coco-val2017", "calibrate"

    @pytest.fixture(autouse=True)
    def _served(self, site: Any) -> None:
        data = os.environ.get("ZOO_TEST_DATA")
        if not data:
            pytest.skip("ZOO_TEST_DATA is unset: no images of train2017 here")
        source = Path(data) / "coco-train2017-64" / "images"
        shutil.copytree(source, site.root / "train2017", copy_function=os.symlink)
