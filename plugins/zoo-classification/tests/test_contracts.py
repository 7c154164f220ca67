"""The plugin and its data sets keep zoo's contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import zoo_classification

from zoo_core.nouns import DataPlan, DataRequest, DataView
from zoo_core.plugins import Plugins
from zoo_core.testing import DatasetContract, PluginContract, run_stages
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from pathlib import Path


class TestPlugin(PluginContract):
    plugin = zoo_classification


class TestImagenetFolder(DatasetContract):
    plugin, name = zoo_classification, "imagenet-folder"

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        for label, count in (("n01", 3), ("n02", 1), ("n03", 2)):
            for number in range(count):
                path = folder / "val" / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists() and not path.with_name(f"{path.name}.aside").exists():
                    write_image(path, np.full((8, 9, 3), number, np.uint8))
        return DataRequest(purpose=self.purpose, images=folder / "val", limit=limit)


class TestSampleCrops(DatasetContract):
    plugin, name = zoo_classification, "sample-crops"

    @pytest.fixture(autouse=True)
    def _scenes(self) -> None:
        coco = pytest.importorskip("zoo_coco")
        self.both = Plugins([zoo_classification, coco])

    def request(self, folder: Path, limit: int | None) -> DataRequest:
        """The lookup must be one that can go to another process."""
        others = {"sample-scenes": self.both.dataset("sample-scenes")}
        return DataRequest(purpose=self.purpose, limit=limit, others=others.__getitem__)

    def opened(self, plan: DataPlan, folder: Path) -> DataView:
        done = run_stages(plan.stages, folder.parent / "crops", self.both)
        parts = {name: place.partition("/") for name, place in plan.inputs.items()}
        paths = {name: done[stage] / file for name, (stage, _, file) in parts.items()}
        return DataView(paths=paths, params=plan.params)
