"""What goes into and comes out of the network: names, shapes, strides and anchors."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_core.api import TensorSpec

BATCH = "batch"
INPUT = "input"
HEADS = ("head8", "head16", "head32")
BOXES, CONFS = "boxes", "confs"

STRIDES = (8, 16, 32)

ANCHORS = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
"""Anchor (width, height) in pixels of the network's input, three for each stride."""

FIELDS = 5
"""Values of an anchor before its class logits: tx, ty, tw, th, objectness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The tensors of a graph of one form and input size (height, width); the batch is free."""

    form: str
    size: tuple[int, int]
    classes: int

    @property
    def input(self) -> TensorSpec:
        """RGB float32 [batch, 3, H, W] in 0..1."""
        return TensorSpec(name=INPUT, shape=(BATCH, 3, *self.size))

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The three raw heads by stride, or boxes [batch, n, 1, 4] and confs [batch, n, nc]."""
        if self.form == "heads":
            return tuple(map(self._head, HEADS, STRIDES, ANCHORS))
        rows = sum(
            len(anchors) * (self.size[0] // stride) * (self.size[1] // stride)
            for stride, anchors in zip(STRIDES, ANCHORS, strict=True)
        )
        return (
            TensorSpec(name=BOXES, shape=(BATCH, rows, 1, 4)),
            TensorSpec(name=CONFS, shape=(BATCH, rows, self.classes)),
        )

    def _head(self, name: str, stride: int, anchors: tuple[tuple[int, int], ...]) -> TensorSpec:
        channels = len(anchors) * (FIELDS + self.classes)
        grid = (self.size[0] // stride, self.size[1] // stride)
        return TensorSpec(name=name, shape=(BATCH, channels, *grid))
