"""The decoder of both graph forms: raw heads, or boxes and confs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.api import Recognition
from zoo_core.errors import RegistryError, StageError, check_known
from zoo_core.toolkit.detection import AnchorHead, decode_boxes, decode_heads
from zoo_tianxiaomo.layout import ANCHORS, BOXES, CONFS, HEADS, STRIDES, Layout
from zoo_tianxiaomo.params import UNSCALED, anchors, scales, strides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Arrays, Decode, FileOutline
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

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """By the outputs boxes and confs of the repository's own export; heads are not told."""
        shapes = {spec.name: spec.shape[1:] for spec in outline.outputs}
        classes = next(reversed(shapes.get(CONFS, ())), None)
        if not isinstance(classes, int) or classes < 1:
            return None
        due = Layout(form="e2e", size=outline.size, classes=classes).outputs
        if shapes != {spec.name: spec.shape[1:] for spec in due}:
            return None
        resize = {"op": "resize", "mode": "stretch", "size": list(outline.size)}
        return Recognition(
            why=f"outputs {BOXES} and {CONFS}: {shapes[CONFS][0]} boxes as parts of the input's "
            f"sides, {classes} classes each, as the export of Tianxiaomo/pytorch-YOLOv4 names them",
            params={},
            classes=classes,
            preprocess=(
                {"op": "decode", "colour": "rgb"},
                {**resize, "interpolation": "bilinear"},
                {"op": "scale", "factor": 1 / 255},
                {"op": "to_tensor"},
            ),
            protocol={"conf": 0.001, "nms": 0.6, "nms_kind": "iou", "box_labels": "best"},
        )


def _heads(params: Mapping[str, Any]) -> tuple[AnchorHead, ...]:
    check_known(params, ("anchors", "strides", "scale_x_y"), _WHERE, RegistryError)
    rows = zip(
        strides(params.get("strides", STRIDES), f"{_WHERE}.strides"),
        anchors(params.get("anchors", ANCHORS), f"{_WHERE}.anchors"),
        scales(params.get("scale_x_y", UNSCALED), f"{_WHERE}.scale_x_y"),
        strict=True,
    )
    return tuple(AnchorHead(stride, pairs, scale) for stride, pairs, scale in rows)
