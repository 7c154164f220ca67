"""The decoder `grounding-dino`: logits of a prompt's tokens, and boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError, check_known
from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.decoding import sigmoid
from zoo_detr.heads import best_pairs, pair_of, placed, top_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Decode
    from zoo_core.vision import Geometry

_BEGIN, _DOT = 1, 1
_SMALL = 1e-6


class GroundingDinoDecoder:
    """Decodes logits [n, tokens] and boxes [n, 4] of a network with a fixed prompt.

    The prompt names the labels in their order, each followed by a dot: "person . traffic light .".
    `tokens` says into how many tokens BERT's tokeniser splits each label; one token stands before
    the first. A label's score is the mean of its tokens' sigmoids; of all n x labels pairs the best
    `top` (default 300) are candidates (PostProcessCocoGrounding of IDEA-Research/GroundingDINO,
    demo/test_ap_on_coco.py).
    """

    task = "detection"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        """The decode function; raises `UsageError` for wrong parameters."""
        check_known(params, ("tokens", "top"), "decoder_params")
        shares, top = _shares(params.get("tokens"), classes), top_of(params)
        width = len(shares), True

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            logits, boxes = pair_of(outputs, width, None, "decoder grounding-dino")
            scores = sigmoid(logits[:, : len(shares)]) @ shares
            pairs = best_pairs(scores, top, np.arange(classes), floor)
            corners = geometry.to_image(placed(boxes, geometry.network))
            return Candidates.from_pairs(corners, pairs, floor, geometry.source).to_arrays()

        return decode


def _shares(tokens: Any, classes: int) -> NDArray[np.float32]:
    """What each token counts for each label, [tokens, classes]."""
    where = "decoder_params.tokens"
    whole = isinstance(tokens, list | tuple) and all(
        type(count) is int and 0 < count < 256 for count in tokens
    )
    if not whole or len(tokens) != classes:
        step = "give the number of tokens of each label of the prompt"
        raise UsageError(f"must be {classes} whole numbers, is {tokens!r}", where=where, next=step)
    counts = np.array(tokens, np.intp)
    first = _BEGIN + np.cumsum(counts + _DOT) - (counts + _DOT)
    shares = np.zeros((int(first[-1] + counts[-1]) if classes else 0, classes), np.float32)
    for label, (start, count) in enumerate(zip(first, counts, strict=True)):
        shares[start : start + count, label] = 1 / (count + _SMALL)
    return shares
