"""The decoder against the post-processing of both source repositories, on seeded outputs.

tests/data/golden.npz holds their best 100 rows x1, y1, x2, y2, score, label. They were made by hand
on the CPU from the arrays of `maps`: `official` by `YOLOXHead.decode_outputs` and `postprocess`
(conf 0.001, NMS 0.65) of Megvii-BaseDetection/YOLOX 0.3.0 (4197784), boxes divided by the ratio;
`mmyolo` by `predict_by_feat` of the bbox_head of config yolox_s_fast_8xb8-300e_coco of
open-mmlab/mmyolo (dc85144), its nms replaced by torchvision's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from zoo_yolox.decoder import YoloxDecoder

from zoo_core.errors import StageError
from zoo_core.toolkit.detection import Candidates, DetectionRules, postprocess
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

NETWORK, GRIDS = (96, 128), ((12, 16), (6, 8), (3, 4))
PLACE = Geometry(source=(300, 400), network=NETWORK, scale=(0.32, 0.32))


def maps() -> list[list[NDArray[np.float32]]]:
    """Scores, boxes and objects, logits, of each stride."""
    random = np.random.default_rng(21)
    return [
        [random.normal(mean, deviation, (width, *g)).astype(np.float32) for g in GRIDS]
        for width, mean, deviation in ((3, -1, 1.5), (4, 0.3, 0.6), (1, 0, 1.5))
    ]


def official() -> dict[str, NDArray[Any]]:
    """As tools/export_onnx.py leaves them."""
    rows = [
        np.concatenate([boxes, 1 / (1 + np.exp(-objects)), 1 / (1 + np.exp(-scores))])
        for scores, boxes, objects in zip(*maps(), strict=True)
    ]
    return {"output": np.concatenate([one.reshape(8, -1).T for one in rows])}


def mmyolo() -> dict[str, NDArray[Any]]:
    """As projects/easydeploy/tools/export.py --model-only leaves them."""
    every = [one for kind in maps() for one in kind]
    return {str(number): one for number, one in enumerate(every)}


@pytest.mark.parametrize(
    ("form", "labels", "clip"), [(official, "best", False), (mmyolo, "multi", True)]
)
def test_detections_are_those_of_the_repository(form: Any, labels: Any, clip: bool) -> None:
    rules = DetectionRules(conf=0.001, nms=0.65, box_labels=labels, max_detections=100, clip=clip)

    decode = YoloxDecoder().bind({}, 3, 0.001)
    found = postprocess(Candidates.from_arrays(decode(form(), PLACE)), rules)

    with np.load(Path(__file__).with_name("data") / "golden.npz") as file:
        wanted = file[form.__name__]
    np.testing.assert_allclose(found.scores, wanted[:, 4], atol=1e-6)
    assert found.labels.tolist() == wanted[:, 5].tolist()
    np.testing.assert_allclose(found.boxes, wanted[:, :4], rtol=0, atol=1e-4)


def test_maps_in_another_order_are_refused() -> None:
    backwards = dict(reversed(mmyolo().items()))
    with pytest.raises(StageError, match="no single output is"):
        YoloxDecoder().bind({}, 3, 0.001)(backwards, PLACE)
