from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zoo_sample

from zoo_core.testing import DatasetContract, PluginContract

if TYPE_CHECKING:
    from pathlib import Path


class TestPlugin(PluginContract):
    plugin = zoo_sample


class TestSampleScenes(DatasetContract):
    plugin, name = zoo_sample, "sample-scenes"

    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Four scenes show what two hundred do, where the plan stays in this process."""
        monkeypatch.setattr("zoo_sample.dataset.EVALUATION", 4)

    def test_planning_is_pure_and_light(self, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("zoo_sample.dataset.EVALUATION", 200)
            super().test_planning_is_pure_and_light(tmp_path)


class TestSampleShapes(TestSampleScenes):
    name = "sample-shapes"


class TestSampleScenesForCalibration(TestSampleScenes):
    purpose = "calibrate"

    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zoo_sample.dataset.CALIBRATION", 4)

    def test_planning_is_pure_and_light(self, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("zoo_sample.dataset.CALIBRATION", 1000)
            DatasetContract.test_planning_is_pure_and_light(self, tmp_path)
