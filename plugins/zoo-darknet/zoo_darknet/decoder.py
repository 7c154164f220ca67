"""The decoder of [yolo] heads: from a network's outputs to candidates in image pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_core.toolkit.detection import AnchorHead, decode_boxes, decode_heads
from zoo_darknet.heads import heads_from_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode
    from zoo_core.vision import Geometry


class DarknetDecoder:
    """Decodes raw heads, or takes what a graph has decoded.

    The parameter `heads` describes the heads in the order of the outputs, as `graph.json` states
    them under facts.decoder. A graph that ends in `boxes` and `confs` needs none.
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for heads that do not fit the classes."""
        heads = heads_from_params(params)
        for head in heads:
            if head.classes != classes:
                raise UsageError(
                    f"the network has {head.classes} classes where there are {classes} labels",
                    where="decoder_params",
                    next="give the names of its classes with --names FILE",
                )
        specs = [
            AnchorHead(head.stride, head.anchors, head.scale_x_y, head.new_coords) for head in heads
        ]

        def decode(outputs: Arrays, geometry: Geometry) -> dict[str, NDArray[Any]]:
            if outputs.keys() == {"boxes", "confs"}:
                found = decode_boxes(outputs["boxes"], outputs["confs"], geometry, floor)
                return found.to_arrays()
            if not specs:
                raise UsageError(
                    "raw heads cannot be decoded without their anchors",
                    where="decoder_params",
                    next="state 'heads' as in the facts of graph.json",
                )
            maps = list(outputs.values())
            return decode_heads(maps, specs, classes, geometry, floor).to_arrays()

        return decode
