"""COCO's evaluation of boxes, masks and key points, by hotcoco, or pycocotools where it is not.

Both give the same bits (the tests hold them against each other); hotcoco does so in a hundredth
of the time and a tenth of the memory.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo_core.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Results = list[dict[str, Any]]
    Kind = Literal["bbox", "segm", "keypoints", "obb"]

_INSTALL = "install hotcoco (`pip install 'hotcoco>=1.3,<1.4'`), which does"
_AP_AREA_ALL, _MOST_DETECTIONS = 0, -1


@dataclass(frozen=True, slots=True)
class Figures:
    """The twelve figures (ten of key points), and AP and AP50 per category [K]; -1 undefined.

    Categories are in the order of their ids.
    """

    stats: Floats
    ap: Floats
    ap50: Floats


def evaluate(
    truth: dict[str, Any],
    found: Floats | Results,
    images: list[int],
    kind: Kind = "bbox",
    sigmas: Floats | None = None,
) -> Figures:
    """Evaluate what was found in the images of these ids.

    `truth` is a data set in COCO's form whose image and annotation ids are whole numbers above 0.
    Boxes are float64 [N, 7]: image id, x, y, width, height, score, category id. Masks and key
    points are rows in COCO's form of results, without a box: that would give them its area.
    `sigmas` are those of the key points, if they are not COCO's 17.
    """
    return chosen_engine()(truth, found, images, kind, sigmas)


def matched(
    truth: dict[str, Any],
    found: Results,
    images: list[int],
    kind: Kind,
    sigmas: Floats | None = None,
) -> list[dict[str, Any]]:
    """What `evaluate` matches in each image, category and range of areas: COCOeval's `evalImgs`."""
    match = _matched_by_hotcoco if find_spec("hotcoco") else _matched_by_pycocotools
    evaluation = match(truth, found, images, kind, sigmas)
    return [each for each in evaluation.evalImgs if each is not None]


def chosen_engine() -> Callable[..., Figures]:
    """The faster of the engines that are installed."""
    return with_hotcoco if find_spec("hotcoco") else with_pycocotools


def with_hotcoco(
    truth: dict[str, Any],
    found: Floats | Results,
    images: list[int],
    kind: Kind = "bbox",
    sigmas: Floats | None = None,
) -> Figures:
    """`evaluate` by hotcoco."""
    evaluation = _matched_by_hotcoco(truth, found, images, kind, sigmas)
    evaluation.accumulate()
    evaluation.summary_lines()
    return _figures(evaluation.stats, evaluation.eval["precision"])


def _matched_by_hotcoco(
    truth: dict[str, Any],
    found: Floats | Results,
    images: list[int],
    kind: Kind,
    sigmas: Floats | None,
) -> Any:
    import hotcoco

    known = hotcoco.COCO(truth)
    evaluation = hotcoco.COCOeval(known, known.load_res(found), kind)
    evaluation.params.img_ids = images
    if sigmas is not None:
        evaluation.params.kpt_oks_sigmas = sigmas.tolist()
    evaluation.evaluate()
    return evaluation


def with_pycocotools(
    truth: dict[str, Any],
    found: Floats | Results,
    images: list[int],
    kind: Kind = "bbox",
    sigmas: Floats | None = None,
) -> Figures:
    """`evaluate` by pycocotools, the reference; it knows no oriented boxes."""
    evaluation = _matched_by_pycocotools(truth, found, images, kind, sigmas)
    with redirect_stdout(io.StringIO()):
        evaluation.accumulate()
        evaluation.summarize()
    return _figures(evaluation.stats, evaluation.eval["precision"])


def _matched_by_pycocotools(
    truth: dict[str, Any],
    found: Floats | Results,
    images: list[int],
    kind: Kind,
    sigmas: Floats | None,
) -> Any:
    if kind == "obb":
        raise UnavailableError("pycocotools does not score oriented boxes", next=_INSTALL)
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(io.StringIO()):
        known, told = COCO(), COCO()
        known.dataset = truth
        known.createIndex()
        # loadRes refuses a result without rows, so it is put together here as loadRes would.
        if isinstance(found, list) and found:
            told = known.loadRes(found)
        else:
            rows = _as_annotations(found) if isinstance(found, np.ndarray) else []
            told.dataset = {**truth, "annotations": rows}
            told.createIndex()
        evaluation = COCOeval(known, told, kind)
        evaluation.params.imgIds = images
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
    return evaluation


def _as_annotations(detections: Floats) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "image_id": int(row[0]),
            "category_id": int(row[6]),
            "bbox": row[1:5],
            "score": row[5],
            "area": row[3] * row[4],
            "iscrowd": 0,
        }
        for number, row in enumerate(detections.tolist(), start=1)
    ]


def _figures(stats: Any, precision: Any) -> Figures:
    """`precision` is [thresholds, recalls, categories, areas, detection limits], -1 undefined."""
    table = np.asarray(precision)[:, :, :, _AP_AREA_ALL, _MOST_DETECTIONS]
    return Figures(np.asarray(stats, np.float64), _means(table), _means(table[:1]))


def _means(table: Floats) -> Floats:
    """Mean over thresholds and recalls; a category is undefined at all of them or at none."""
    return np.asarray(table.mean(axis=(0, 1)), np.float64)
