"""The decoder of both graph forms: raw heads, or boxes and confs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, StageError, check_known
from zoo_core.toolkit.detection import AnchorHead, decode_boxes, decode_heads
from zoo_tianxiaomo.layout import ANCHORS, BOXES, CONFS, HEADS, STRIDES
from zoo_tianxiaomo.params import UNSCALED, anchors, scales, strides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Arrays, Decode
    from zoo_core.vision import Geometry

_WHERE = "decoder_params"


class TianxiaomoDecoder:
    """Decides by the outputs' names: head8, head16 and head32, or boxes and confs."""

    task: str = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """A decode function whose candidates score above `floor`.

        `anchors` (three (width, height) for each head, in pixels of the network's input),
        `strides` and `scale_x_y` (one for each head) default to the original's; they say how raw
        heads are decoded, boxes and confs need none of them. Raises RegistryError for others.
        """
        heads = _heads(params)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            if all(name in outputs for name in HEADS):
                maps = [outputs[name] for name in HEADS]
                return decode_heads(maps, heads, classes, geometry, floor).to_arrays()
            if BOXES in outputs and CONFS in outputs:
                boxes, confs = outputs[BOXES], outputs[CONFS]
                if confs.ndim == 2 and confs.shape[1] != classes:
                    raise StageError(f"confs has {confs.shape[1]} classes, labels are {classes}")
                return decode_boxes(boxes, confs, geometry, floor).to_arrays()
            found = ", ".join(outputs)
            what = f"outputs {found} are neither {', '.join(HEADS)} nor {BOXES}, {CONFS}"
            raise StageError(what, where="decoder tianxiaomo-yolov4")

        return decode


def _heads(params: Mapping[str, Any]) -> tuple[AnchorHead, ...]:
    check_known(params, ("anchors", "strides", "scale_x_y"), _WHERE, RegistryError)
    rows = zip(
        strides(params.get("strides", STRIDES), f"{_WHERE}.strides"),
        anchors(params.get("anchors", ANCHORS), f"{_WHERE}.anchors"),
        scales(params.get("scale_x_y", UNSCALED), f"{_WHERE}.scale_x_y"),
        strict=True,
    )
    return tuple(AnchorHead(stride, pairs, scale) for stride, pairs, scale in rows)
