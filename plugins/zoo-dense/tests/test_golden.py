"""The decoders against the repositories' own post-processing of seeded outputs.

tests/data/golden.npz holds rows x1, y1, x2, y2, score, label, by descending score. They were made
by hand on the CPU (torch 2.14.1, torchvision 0.29.1) from the same seeded arrays:

- `mmdet`, `mmdet_wide` (sides beyond the limits), `yolof`: `predict_by_feat` of the bbox_head of
  configs retinanet_r50_fpn_1x_coco and yolof_r50-c5_8xb8-1x_coco of open-mmlab/mmdetection v3.1.0
  (f78af77), its nms replaced by torchvision's; `yolof_objects` went through `forward_single` first.
- `torchvision`: `RetinaNet.postprocess_detections` and `transform.postprocess`.
- `yhenon`: `ResNet.forward` of yhenon/pytorch-retinanet (0348a9d), its networks replaced by the
  arrays; the best 100.
- `centernet`, `centernet_plain` (without offsets): `ctdet_decode` and `ctdet_post_process` of
  xingyizhou/CenterNet (4c50fd3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_dense

from zoo_core.toolkit.detection import Candidates, DetectionRules, postprocess
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Spread = tuple[int, float, float]

STRIDES = (8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Golden:
    """A case: which decoder, its seed, the (width, mean, deviation) of each kind of map."""

    decoder: str
    seed: int
    spreads: Sequence[Spread]
    geometry: Geometry
    conf: float = 0.05
    nms: float = 0.5
    most: int = 100
    strides: Sequence[int] = STRIDES
    layout: str = "maps"
    params: Mapping[str, Any] = field(default_factory=dict)

    def outputs(self, kinds: int | None = None) -> dict[str, Floats]:
        """The outputs, map by map of a kind, as the network leaves them; the first `kinds`."""
        height, width = self.geometry.network
        grids = [(-(-height // one), -(-width // one)) for one in self.strides]
        random = np.random.default_rng(self.seed)
        found: dict[str, Floats] = {}
        for number, (channels, mean, deviation) in enumerate(self.spreads[:kinds]):
            maps = [
                random.normal(mean, deviation, (channels, *grid)).astype(np.float32)
                for grid in grids
            ]
            if self.layout == "rows":
                maps = [rows(maps, channels // 9)]
            found.update({f"{number}.{level}": one for level, one in enumerate(maps)})
        return found


def rows(maps: Sequence[Floats], columns: int) -> Floats:
    """Maps [9 * columns, height, width] of all levels as rows [n, columns]."""
    each = [one.reshape(9, columns, -1).transpose(2, 0, 1).reshape(-1, columns) for one in maps]
    return np.concatenate(each)


def expected(name: str) -> Floats:
    """The rows that a repository leaves, without those whose boxes have no area.

    torchvision and yhenon keep boxes wholly outside of the image, which their clipping flattens;
    they count among the best 300 or 100.
    """
    with np.load(Path(__file__).with_name("data") / "golden.npz") as file:
        table = np.asarray(file[name], np.float32)
    return table[(table[:, 2:4] > table[:, :2]).all(axis=1)]


_HEADS = ((27, -4, 1.5), (36, 0, 0.5))
_LEFT_TOP = Geometry(source=(300, 400), network=(200, 264), scale=(0.66, 0.66))
_STRETCH = Geometry(source=(300, 400), network=(200, 264), scale=(0.66, 200 / 300))
_ONE = Geometry(source=(480, 600), network=(256, 320), scale=(320 / 600, 256 / 480))
_CENTRE = Geometry(source=(384, 512), network=(256, 256), scale=(0.5, 0.5), offset=(0, 32))
_ONE_LEVEL = ((15, -1, 1.5), (20, 0, 1.0), (5, 1, 2.0))
_PEAKS = ((3, -4, 1.5), (2, 14, 3.0), (2, 0.5, 0.3))
CASES = {
    "mmdet": Golden("retinanet-mmdet", 13, _HEADS, _LEFT_TOP),
    "mmdet_wide": Golden("retinanet-mmdet", 14, ((27, -6, 1.5), (36, 0, 3.0)), _LEFT_TOP),
    "torchvision": Golden("retinanet-torchvision", 16, _HEADS, _STRETCH, most=300, layout="rows"),
    "yhenon": Golden(
        "retinanet-yhenon",
        17,
        ((27, -4, 1.5), (36, 0, 1.0)),
        _LEFT_TOP,
        layout="rows",
        params={"scores": "logits"},
    ),
    "yolof": Golden("yolof", 15, _ONE_LEVEL[:2], _ONE, nms=0.6, strides=(32,)),
    "yolof_objects": Golden("yolof", 15, _ONE_LEVEL, _ONE, nms=0.6, strides=(32,)),
    "centernet": Golden("centernet", 18, _PEAKS, _CENTRE, conf=0.0, nms=1.0, strides=(4,)),
    "centernet_plain": Golden(
        "centernet", 18, _PEAKS[:2], _CENTRE, conf=0.0, nms=1.0, strides=(4,)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_detections_are_those_of_the_repository(name: str) -> None:
    case = CASES[name]
    decoder = next(one for one in zoo_dense.zoo_decoders() if one.name == case.decoder).load()
    rules = DetectionRules(
        conf=case.conf, nms=case.nms, box_labels="multi", max_detections=case.most
    )

    decode = decoder.bind(case.params, 3, case.conf)
    found = postprocess(Candidates.from_arrays(decode(case.outputs(), case.geometry)), rules)

    wanted = expected(name)
    found = found.take(np.arange(len(wanted)))
    np.testing.assert_allclose(found.scores, wanted[:, 4], atol=1e-6)
    assert found.labels.tolist() == wanted[:, 5].tolist()
    np.testing.assert_allclose(found.boxes, wanted[:, :4], rtol=0, atol=1e-4)
