"""The decoder `yolo-anchor-free`: YOLOv6, v8, v9, 11, 12, and v10 and 26 without their choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import check_known
from zoo_yolo.cells import KEYS, Layout
from zoo_yolo.outlines import (
    STRIDES,
    is_task,
    listed,
    names_of,
    recognition,
    stride_of,
    strides_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Arrays, Decode, FileOutline, Recognition, TensorSpec
    from zoo_core.vision import Geometry

NAME = "yolo-anchor-free"
_ROWS, _MAPS = 3, 4
_SIDES, _COCO = 4, 80
_DFL = 64
"""Channels of the sides of a raw map: 4 sides with 16 bins each."""


class AnchorFreeDecoder:
    """Decodes rows of 4 sides and a score for each class, one row per cell, or raw maps.

    `strides` are those of the network's maps. `object: true` is for rows with an object score
    before the classes (YOLOv6), `scores_first: true` for raw maps with the class scores before the
    sides (MMYOLO's `--model-only`). `output` names the output to take where several fit (YOLOv9's
    networks with an auxiliary branch).
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, KEYS, "decoder_params")
        layout = Layout.from_params(NAME, params, classes)

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            cells = layout.read(outputs, geometry.network)
            return cells.candidates(floor, geometry).to_arrays()

        return decode

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """One output 1x(4+C)xN or its transpose, 1xNx(5+C), or raw maps of three or four strides.

        N must be the cells of the strides at the file's size, and C what the file's `names` say
        where it has them.
        """
        if not is_task(outline, "detect"):
            return None
        ranks = {len(spec.shape) for spec in outline.outputs}
        if ranks == {_ROWS} and len(outline.outputs) == 1:
            return _decoded(outline, outline.outputs[0])
        return _raw(outline) if ranks == {_MAPS} else None


def _decoded(outline: FileOutline, spec: TensorSpec) -> Recognition | None:
    names = names_of(outline)
    _, one, other = spec.shape
    for width, count, is_last in ((one, other, False), (other, one, True)):
        strides = strides_for(outline, count)
        if strides is None or isinstance(width, str) or width <= _SIDES:
            continue
        classes = width - _SIDES
        with_object = is_last and classes != names and classes - 1 in (names, _COCO)
        classes -= with_object
        if names not in (None, classes) or (isinstance(count, str) and names is None):
            continue
        parts = f"4 sides{', an object score' if with_object else ''} and {classes} scores"
        why = f"one output {spec.told}: {parts} for each cell of strides {listed(strides)}"
        params: dict[str, Any] = {"strides": list(strides)}
        if with_object:
            params["object"] = True
        return recognition(outline, why, params, classes)
    return None


def _raw(outline: FileOutline) -> Recognition | None:
    """Maps of 64 channels for the sides and C for the classes, together or apart."""
    channels: dict[int, list[int]] = {}
    for spec in outline.outputs:
        sizes = [each for each in spec.shape[1:] if isinstance(each, int)]
        stride = stride_of(outline.size, (sizes[1], sizes[2])) if len(sizes) == 3 else None
        if stride is None:
            return None
        channels.setdefault(stride, []).append(sizes[0])
    strides, alike = tuple(sorted(channels)), {tuple(each) for each in channels.values()}
    if strides not in STRIDES or len(alike) != 1:
        return None
    names, parts = names_of(outline), alike.pop()
    classes = _classes(parts, names)
    if classes is None or names not in (None, classes):
        return None
    what = " and ".join(map(str, parts))
    why = f"maps of {what} channels for strides {listed(strides)}: 4 x 16 bins, {classes} classes"
    return recognition(outline, why, {"strides": list(strides)}, classes)


def _classes(channels: tuple[int, ...], names: int | None) -> int | None:
    """The classes of raw maps; a map that anchors could explain too needs 80 or the file's word."""
    if len(channels) == 1:
        classes = channels[0] - _DFL
        return classes if classes > 0 and (classes in (_COCO, names) or channels[0] % 3) else None
    if len(channels) == 2 and _DFL in channels:
        return channels[1] if channels[0] == _DFL else channels[0]
    return None
