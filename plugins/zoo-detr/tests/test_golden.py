"""Equal to the repositories' own post-processing.

`data/*.npz` hold what their code returned for the seeded arrays of `heads`, by PyTorch 2.14.1, for
an image of 427 x 640 pixels (height, width):

- detr.npz: facebookresearch/detr at 29901c51d7fe8712168b8d0d64351170bc0f83e0, models/detr.py,
  `PostProcess()(outputs, [[427, 640]])`;
- rtdetr.npz: lyuwenyu/RT-DETR at 5b628eaa0a2fc25bdafec7e6148d5296b144af85, rtdetr_pytorch/src/zoo/
  rtdetr/rtdetr_postprocessor.py, `RTDETRPostProcessor()(outputs, [[640, 427]])`, and the same after
  `.deploy()` for 640 x 640 as `chosen_*`. The same bits are returned by rtdetrv2_pytorch of that
  repository at 068dfde65f2667ad6555883c69d73de886518cad, and by `DFINEPostProcessor` of
  Peterande/D-FINE at 4a1f73a8bcfac736a88abde9596d87f116d780a7;
- grounding.npz: IDEA-Research/GroundingDINO at 856dde20aee659246248e20734ef9ba5214f5e44,
  demo/test_ap_on_coco.py, `PostProcessCocoGrounding(...)(outputs, [[427, 640]])` for the prompt of
  COCO's 80 names, with a stand-in for the tokeniser that splits them as the card's `tokens` says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo_detr
from zoo_detr.grounding import GroundingDinoDecoder
from zoo_detr.heads import DetrDecoder, RtDetrDecoder

from zoo_core.registry import load_registry
from zoo_core.toolkit.coco import COCO_IDS
from zoo_core.toolkit.detection import Candidates, DetectionRules, Detections, postprocess
from zoo_core.vision import Geometry

DATA = Path(__file__).with_name("data")
SOURCE, NETWORK = (427, 640), (640, 640)
STRETCH = Geometry(source=SOURCE, network=NETWORK, scale=(1.0, 640 / 427))


def heads(seed: int, queries: int, columns: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-3, 1.5, (1, queries, columns)).astype(np.float32)
    boxes = rng.uniform(0.02, 0.98, (1, queries, 4)).astype(np.float32)
    return {"pred_logits": logits[0], "pred_boxes": boxes[0]}


def golden(name: str) -> dict[str, Any]:
    with np.load(DATA / f"{name}.npz") as stored:
        return dict(stored)


def settled(candidates: Any, box_labels: Any) -> Detections:
    rules = DetectionRules(0.0, nms_kind="none", box_labels=box_labels)
    return postprocess(Candidates.from_arrays(candidates), rules)


def check(found: Detections, wanted: dict[str, Any]) -> None:
    """The same rows; scores that differ in their last bit may stand in another order."""
    order = np.lexsort((wanted["boxes"][:, 0], wanted["labels"]))
    found = found.take(np.lexsort((found.boxes[:, 0], found.labels)))
    np.testing.assert_array_equal(found.labels, wanted["labels"][order])
    np.testing.assert_allclose(found.scores, wanted["scores"][order], atol=1e-6)
    np.testing.assert_allclose(found.boxes, wanted["boxes"][order], atol=1e-4)


def test_detr_is_equal_on_all_91_ids() -> None:
    wanted = golden("detr")
    decode = DetrDecoder().bind({}, 91, 0.0)
    found = settled(decode(heads(1, 100, 92), STRETCH), "best")
    assert len(found) == 100
    check(found, wanted)


def test_detr_finds_nothing_where_its_best_id_is_no_category() -> None:
    wanted = golden("detr")
    known = np.isin(wanted["labels"], COCO_IDS)
    assert 50 < known.sum() < 100
    decode = DetrDecoder().bind({"columns": "coco91"}, 80, 0.0)
    found = settled(decode(heads(1, 100, 92), STRETCH), "best")
    wanted["labels"] = np.searchsorted(COCO_IDS, wanted["labels"])
    check(found, {name: array[known] for name, array in wanted.items()})


@pytest.mark.parametrize("columns", [None, list(range(80))])
def test_rtdetr_is_equal(columns: list[int] | None) -> None:
    wanted = golden("rtdetr")
    params = {} if columns is None else {"columns": columns}
    decode = RtDetrDecoder().bind(params, 80, 0.0)
    found = settled(decode(heads(2, 300, 80), STRETCH), "multi")
    assert len(found) == 300
    check(found, wanted)


def test_what_the_file_has_chosen_is_equal() -> None:
    wanted = golden("rtdetr")
    outputs = {name: wanted[f"chosen_{name}"] for name in ("labels", "boxes", "scores")}
    square = Geometry.identity(NETWORK)
    found = settled(RtDetrDecoder().bind({}, 80, 0.0)(outputs, square), "multi")
    assert len(found) == 300
    check(found, {name: wanted[f"chosen_{name}"] for name in ("labels", "scores", "boxes")})


def test_grounding_dino_is_equal() -> None:
    """With the card's numbers of tokens: 195 with the first, the last and 80 dots."""
    cards = load_registry([Path(zoo_detr.__file__).with_name("detr.yaml")]).models
    params = cards["grounding-dino"].decoder_params
    assert sum(params["tokens"]) + 80 + 2 == 195
    outputs = heads(3, 900, 256)
    outputs["pred_logits"][:, 195:] = -np.inf
    wanted = golden("grounding")
    wanted["labels"] = np.searchsorted(COCO_IDS, wanted["labels"])
    found = settled(GroundingDinoDecoder().bind(params, 80, 0.0)(outputs, STRETCH), "multi")
    assert len(found) == 300
    check(found, wanted)
