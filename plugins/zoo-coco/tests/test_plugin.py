from __future__ import annotations

import zoo_coco

from zoo_core.plugins.manager import Plugins


def test_provides_what_the_registry_names() -> None:
    plugins = Plugins([zoo_coco])
    assert set(plugins.all("dataset")) == {
        *("coco-folder", "voc-edges-folder", "voc-folder", "yolo-folder"),
        *("coco-val2017", "folder"),
    }
    assert set(plugins.all("evaluator")) == {"coco-detection"}
    tasks = {plugins.dataset(name).task for name in plugins.all("dataset")}
    assert tasks == {plugins.evaluator("coco-detection").task} == {"detection"}
