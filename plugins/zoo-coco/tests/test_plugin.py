from __future__ import annotations

import zoo_coco

from zoo_core.api.dataset import tasks_of
from zoo_core.plugins.manager import Plugins


def test_provides_what_the_registry_names() -> None:
    plugins = Plugins([zoo_coco])
    assert set(plugins.all("dataset")) == {
        *("coco-folder", "voc-edges-folder", "voc-folder", "yolo-folder"),
        *("dota-folder", "yolo-obb-folder"),
        *("coco-val2017", "coco-val2017-keypoints", "folder"),
    }
    names = {"coco-detection", "coco-segmentation", "coco-keypoints", "coco-oriented"}
    assert set(plugins.all("evaluator")) == names
    tasks = {task for name in plugins.all("dataset") for task in tasks_of(plugins.dataset(name))}
    assert tasks == {plugins.evaluator(name).task for name in names}
