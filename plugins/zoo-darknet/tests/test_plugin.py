"""The plugin keeps zoo's contracts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_darknet

from zoo_core.testing import DecoderContract, ExporterContract, PluginContract
from zoo_core.testing.examples import ExportWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Arrays
    from zoo_core.testing.examples import Box

DATA = Path(__file__).parent / "data"


class TestPlugin(PluginContract):
    plugin = zoo_darknet


class TestGivenExporter(ExporterContract):
    """With the golden network and its weights."""

    plugin, name = zoo_darknet, "darknet"
    labels = ("red", "green", "blue")

    def weights(self, folder: Path) -> ExportWeights:
        files = {role: folder / f"mini.{role}" for role in ("cfg", "weights")}
        for path in files.values():
            shutil.copyfile(DATA / path.name, path)
        return ExportWeights(kind="given", format="darknet", files=files)


class TestRandomExporter(TestGivenExporter):
    """With the golden network and random weights."""

    form = "e2e"

    def weights(self, folder: Path) -> ExportWeights:
        return ExportWeights(files={"cfg": super().weights(folder).files["cfg"]})

    def test_a_page_in_place_of_weights_is_refused(self, tmp_path: Path) -> None:
        pytest.skip("random weights have no file; TestGivenExporter holds this")


class TestDecoder(DecoderContract):
    """One head of two anchors."""

    plugin, name = zoo_darknet, "darknet"
    params: dict[str, Any] = {
        "heads": [
            {
                "anchors": [[20, 24], [40, 48]],
                "classes": 3,
                "scale_x_y": 1.2,
                "stride": 16,
                "new_coords": False,
            }
        ]
    }

    def encode(self, boxes: Sequence[Box]) -> Arrays:
        head = np.zeros((2, 8, 6, 8), np.float32)
        head[:, 4:] = -8
        for box in boxes:
            left, top, right, bottom = box.xyxy
            x, y = (left + right) / 32, (top + bottom) / 32
            cell = head[1, :, int(y), int(x)]
            for number, place in enumerate((x, y)):
                share = (place % 1 + 0.1) / 1.2
                cell[number] = np.log(share / (1 - share))
            cell[2:4] = np.log([(right - left) / 40, (bottom - top) / 48])
            cell[4] = 9
            cell[5 + box.label] = np.log(box.score / (1 - box.score))
        return {"head0": head.reshape(16, 6, 8)}
