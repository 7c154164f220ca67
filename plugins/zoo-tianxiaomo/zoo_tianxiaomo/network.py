"""YOLOv4 with the state-dict keys of Tianxiaomo/pytorch-YOLOv4, and the decoding of its heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zoo_tianxiaomo.blocks import ConvUnit, FirstStage, OutputConv, Stage
from zoo_tianxiaomo.layout import ANCHORS, STRIDES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FULL_WIDTHS = (32, 64, 128, 256, 512, 1024)
"""Channels of the published network at strides 1, 2, 4, 8, 16 and 32."""

ANCHORS_PER_CELL = 3
RESIDUAL_UNITS = (2, 8, 8, 4)


class Convolutions(nn.Module):
    """Layers that are named conv1, conv2 ... as the original names them."""

    def __init__(self, *layers: nn.Module) -> None:
        """Add the layers in their order."""
        super().__init__()
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"conv{number}", layer)

    def through(self, x: Tensor, first: int, last: int = 0) -> Tensor:
        """Map a tensor by the layers `first` to `last`, or by one."""
        for number in range(first, (last or first) + 1):
            x = self.get_submodule(f"conv{number}")(x)
        return x


class Neck(Convolutions):
    """Spatial pyramid pooling and the top-down path."""

    def __init__(self, widths: Sequence[int]) -> None:
        """Make the neck for the six widths of the network."""
        fine, middle, coarse, deep = widths[2:]
        super().__init__(
            *_alternating(deep, coarse, deep, 3),
            *_alternating(4 * coarse, coarse, deep, 3),
            *(ConvUnit((coarse, middle), 1) for _ in range(2)),
            *_alternating(2 * middle, middle, coarse, 5),
            *(ConvUnit((middle, fine), 1) for _ in range(2)),
            *_alternating(2 * fine, fine, middle, 5),
        )
        self.maxpool1 = nn.MaxPool2d(5, 1, 2)
        self.maxpool2 = nn.MaxPool2d(9, 1, 4)
        self.maxpool3 = nn.MaxPool2d(13, 1, 6)
        self.upsample1 = nn.Upsample(scale_factor=2, mode="nearest")
        self.upsample2 = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, d3: Tensor, d4: Tensor, d5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map the features of strides 8, 16 and 32 to features of the same strides."""
        x = self.through(d5, 1, 3)
        pooled = [self.maxpool3(x), self.maxpool2(x), self.maxpool1(x), x]
        x6 = self.through(torch.cat(pooled, 1), 4, 6)
        x = torch.cat([self.through(d4, 8), self.upsample1(self.through(x6, 7))], 1)
        x13 = self.through(x, 9, 13)
        x = torch.cat([self.through(d3, 15), self.upsample2(self.through(x13, 14))], 1)
        return self.through(x, 16, 20), x13, x6


class Head(Convolutions):
    """The bottom-up path with one raw output for each stride."""

    def __init__(self, widths: Sequence[int], outputs: int) -> None:
        """Make the three heads with `outputs` channels each."""
        fine, middle, coarse, deep = widths[2:]
        super().__init__(
            ConvUnit((fine, middle), 3),
            OutputConv(middle, outputs),
            ConvUnit((fine, middle), 3, 2),
            *_alternating(2 * middle, middle, coarse, 5),
            ConvUnit((middle, coarse), 3),
            OutputConv(coarse, outputs),
            ConvUnit((middle, coarse), 3, 2),
            *_alternating(2 * coarse, coarse, deep, 5),
            ConvUnit((coarse, deep), 3),
            OutputConv(deep, outputs),
        )

    def forward(self, x20: Tensor, x13: Tensor, x6: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map the neck's features of strides 8, 16 and 32 to the raw heads."""
        x8 = self.through(torch.cat([self.through(x20, 3), x13], 1), 4, 8)
        x16 = self.through(torch.cat([self.through(x8, 11), x6], 1), 12, 16)
        return self.through(x20, 1, 2), self.through(x8, 9, 10), self.through(x16, 17, 18)


def _alternating(inputs: int, narrow: int, wide: int, count: int) -> Iterator[ConvUnit]:
    """Convolutions 1x1 to `narrow` and 3x3 to `wide` channels by turns, `count` in all."""
    for number in range(count):
        pair = (narrow, wide) if number % 2 else (wide if number else inputs, narrow)
        yield ConvUnit(pair, 3 if number % 2 else 1)


class Yolov4(nn.Module):
    """YOLOv4 as in Tianxiaomo/pytorch-YOLOv4 a65d219: its 648 state-dict keys, its order."""

    def __init__(self, classes: int = 80, widths: Sequence[int] = FULL_WIDTHS) -> None:
        """Make the network with `widths` channels at strides 1 to 32 (even from stride 4 on)."""
        super().__init__()
        if len(widths) != len(FULL_WIDTHS) or any(w < 1 for w in widths):
            raise ValueError(f"six positive widths are needed, not {tuple(widths)}")
        if any(w % 2 for w in widths[2:]):
            raise ValueError(f"the widths from stride 4 on must be even, not {tuple(widths)}")
        self.classes = classes
        self.widths = tuple(widths)
        self.down1 = FirstStage(widths[0], widths[1])
        self.down2 = Stage(widths[1], widths[2], RESIDUAL_UNITS[0])
        self.down3 = Stage(widths[2], widths[3], RESIDUAL_UNITS[1])
        self.down4 = Stage(widths[3], widths[4], RESIDUAL_UNITS[2])
        self.down5 = Stage(widths[4], widths[5], RESIDUAL_UNITS[3])
        self.neck = Neck(widths)
        self.head = Head(widths, ANCHORS_PER_CELL * (5 + classes))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map RGB float32 [B, 3, H, W] in 0..1 to raw heads [B, 3 (5 + classes), H/s, W/s].

        H and W are multiples of 32; s is 8, 16, 32. The channels of anchor a start at
        a (5 + classes): tx, ty, tw, th, objectness, one logit for each class.
        """
        d3 = self.down3(self.down2(self.down1(image)))
        d4 = self.down4(d3)
        heads: tuple[Tensor, Tensor, Tensor] = self.head(*self.neck(d3, d4, self.down5(d4)))
        return heads


class HeadDecoder(nn.Module):
    """Decodes the raw head of one stride (Redmon 2018; scale_x_y of Bochkovskiy 2020)."""

    cells: Tensor
    grid: Tensor
    anchors: Tensor

    def __init__(
        self,
        scale: int,
        size: tuple[int, int],
        classes: int,
        scale_x_y: float,
        anchors: Sequence[tuple[float, float]],
    ) -> None:
        """Make the decoder of head `scale` (0, 1, 2) for an input of `size` (H, W) pixels.

        The three anchors are (width, height) in such pixels.
        """
        super().__init__()
        self.classes = classes
        self.rows, self.columns = (pixels // STRIDES[scale] for pixels in size)
        self.scale_x_y = scale_x_y
        y, x = torch.meshgrid(
            torch.arange(float(self.rows)), torch.arange(float(self.columns)), indexing="ij"
        )
        grid = torch.tensor([float(self.columns), float(self.rows)]).view(1, 1, 2, 1)
        cells = torch.stack([x, y]).reshape(1, 1, 2, -1)
        self.register_buffer("cells", cells - 0.5 * (scale_x_y - 1), persistent=False)
        self.register_buffer("grid", grid, persistent=False)
        sides = torch.tensor(anchors).view(1, ANCHORS_PER_CELL, 2, 1) / STRIDES[scale]
        self.register_buffer("anchors", sides / grid, persistent=False)

    def forward(self, head: Tensor) -> tuple[Tensor, Tensor]:
        """Map [B, 3 (5 + nc), Hg, Wg] to boxes [B, 3 Hg Wg, 1, 4] and confs [B, 3 Hg Wg, nc].

        Boxes are x1, y1, x2, y2 in parts of the input's width and height, not clipped. Rows go
        by anchor, then grid row, then grid column.
        """
        count = self.rows * self.columns
        fields = head.reshape(-1, ANCHORS_PER_CELL, 5 + self.classes, count)
        centre = (torch.sigmoid(fields[:, :, 0:2]) * self.scale_x_y + self.cells) / self.grid
        extent = torch.exp(fields[:, :, 2:4]) * self.anchors
        corner = centre - extent * 0.5
        boxes = torch.cat([corner, corner + extent], 2).permute(0, 1, 3, 2)
        scores = torch.sigmoid(fields[:, :, 4:5]) * torch.sigmoid(fields[:, :, 5:])
        rows = ANCHORS_PER_CELL * count
        confs = scores.permute(0, 1, 3, 2).reshape(-1, rows, self.classes)
        return boxes.reshape(-1, rows, 1, 4), confs


class EndToEnd(nn.Module):
    """The network with its heads decoded for one input size; the batch stays free."""

    def __init__(
        self,
        network: Yolov4,
        size: tuple[int, int],
        scale_x_y: tuple[float, float, float] = (1.0, 1.0, 1.0),
        anchors: Sequence[Sequence[tuple[float, float]]] = ANCHORS,
    ) -> None:
        """Wrap `network` for inputs of `size` (H, W) pixels, each a multiple of 32.

        `scale_x_y` holds the factors of strides 8, 16 and 32: 1 as in the original's network,
        1.2, 1.1 and 1.05 as in darknet's yolov4.cfg. `anchors` are three (width, height) for each.
        """
        super().__init__()
        if any(pixels < STRIDES[-1] or pixels % STRIDES[-1] for pixels in size):
            raise ValueError(f"height and width must be multiples of {STRIDES[-1]}, not {size}")
        self.size = size
        self.network = network
        self.decoders = nn.ModuleList(
            HeadDecoder(scale, size, network.classes, factor, anchors[scale])
            for scale, factor in enumerate(scale_x_y)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map RGB float32 [B, 3, H, W] in 0..1 to boxes [B, n, 1, 4] and confs [B, n, classes].

        n is 3 (HW/64 + HW/256 + HW/1024). The rows of stride 8 come first, then 16, then 32;
        a score is the product of the sigmoids of objectness and class. Raises ValueError for
        another input size.
        """
        if not torch.onnx.is_in_onnx_export() and tuple(image.shape[2:]) != self.size:
            raise ValueError(f"input of {tuple(image.shape[2:])} where {self.size} was promised")
        heads = self.network(image)
        decoded = [decode(head) for decode, head in zip(self.decoders, heads, strict=True)]
        return torch.cat([d[0] for d in decoded], 1), torch.cat([d[1] for d in decoded], 1)
