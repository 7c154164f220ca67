from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import zoo_coco

from zoo_core.api import DataRequest
from zoo_core.testing import DatasetContract, EvaluatorContract, PluginContract


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
