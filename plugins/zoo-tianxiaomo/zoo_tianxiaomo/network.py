"""YOLOv4 with the state-dict keys of Tianxiaomo/pytorch-YOLOv4, and the decoding of its heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zoo_tianxiaomo.blocks import ConvUnit, FirstStage, OutputConv, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_WIDTHS = (32, 64, 128, 256, 512, 1024)
"""Channels of the published network at strides 1, 2, 4, 8, 16 and 32."""

STRIDES = (8, 16, 32)

ANCHORS = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
"""Widths and heights in pixels of the network's input, three for each stride of `STRIDES`."""

ANCHORS_PER_CELL = 3
RESIDUAL_UNITS = (2, 8, 8, 4)


class Neck(nn.Module):
    """Spatial pyramid pooling and the top-down path."""

    def __init__(self, widths: Sequence[int]) -> None:
        """Make the neck for the six widths of the network."""
        super().__init__()
        fine, middle, coarse, deep = widths[2:]
        self.conv1 = ConvUnit((deep, coarse), 1)
        self.conv2 = ConvUnit((coarse, deep), 3)
        self.conv3 = ConvUnit((deep, coarse), 1)
        self.maxpool1 = nn.MaxPool2d(5, 1, 2)
        self.maxpool2 = nn.MaxPool2d(9, 1, 4)
        self.maxpool3 = nn.MaxPool2d(13, 1, 6)
        self.conv4 = ConvUnit((4 * coarse, coarse), 1)
        self.conv5 = ConvUnit((coarse, deep), 3)
        self.conv6 = ConvUnit((deep, coarse), 1)
        self.conv7 = ConvUnit((coarse, middle), 1)
        self.upsample1 = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv8 = ConvUnit((coarse, middle), 1)
        self.conv9 = ConvUnit((2 * middle, middle), 1)
        self.conv10 = ConvUnit((middle, coarse), 3)
        self.conv11 = ConvUnit((coarse, middle), 1)
        self.conv12 = ConvUnit((middle, coarse), 3)
        self.conv13 = ConvUnit((coarse, middle), 1)
        self.conv14 = ConvUnit((middle, fine), 1)
        self.upsample2 = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv15 = ConvUnit((middle, fine), 1)
        self.conv16 = ConvUnit((2 * fine, fine), 1)
        self.conv17 = ConvUnit((fine, middle), 3)
        self.conv18 = ConvUnit((middle, fine), 1)
        self.conv19 = ConvUnit((fine, middle), 3)
        self.conv20 = ConvUnit((middle, fine), 1)

    def forward(self, d3: Tensor, d4: Tensor, d5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map the features of strides 8, 16 and 32 to features of the same strides."""
        x = self.conv3(self.conv2(self.conv1(d5)))
        pooled = [self.maxpool3(x), self.maxpool2(x), self.maxpool1(x), x]
        x6 = self.conv6(self.conv5(self.conv4(torch.cat(pooled, 1))))
        x = torch.cat([self.conv8(d4), self.upsample1(self.conv7(x6))], 1)
        x13 = self.conv13(self.conv12(self.conv11(self.conv10(self.conv9(x)))))
        x = torch.cat([self.conv15(d3), self.upsample2(self.conv14(x13))], 1)
        x20 = self.conv20(self.conv19(self.conv18(self.conv17(self.conv16(x)))))
        return x20, x13, x6


class Head(nn.Module):
    """The bottom-up path with one raw output for each stride."""

    def __init__(self, widths: Sequence[int], outputs: int) -> None:
        """Make the three heads with `outputs` channels each."""
        super().__init__()
        fine, middle, coarse, deep = widths[2:]
        self.conv1 = ConvUnit((fine, middle), 3)
        self.conv2 = OutputConv(middle, outputs)
        self.conv3 = ConvUnit((fine, middle), 3, 2)
        self.conv4 = ConvUnit((2 * middle, middle), 1)
        self.conv5 = ConvUnit((middle, coarse), 3)
        self.conv6 = ConvUnit((coarse, middle), 1)
        self.conv7 = ConvUnit((middle, coarse), 3)
        self.conv8 = ConvUnit((coarse, middle), 1)
        self.conv9 = ConvUnit((middle, coarse), 3)
        self.conv10 = OutputConv(coarse, outputs)
        self.conv11 = ConvUnit((middle, coarse), 3, 2)
        self.conv12 = ConvUnit((2 * coarse, coarse), 1)
        self.conv13 = ConvUnit((coarse, deep), 3)
        self.conv14 = ConvUnit((deep, coarse), 1)
        self.conv15 = ConvUnit((coarse, deep), 3)
        self.conv16 = ConvUnit((deep, coarse), 1)
        self.conv17 = ConvUnit((coarse, deep), 3)
        self.conv18 = OutputConv(deep, outputs)

    def forward(self, x20: Tensor, x13: Tensor, x6: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map the neck's features of strides 8, 16 and 32 to the raw heads."""
        fine = self.conv2(self.conv1(x20))
        x = torch.cat([self.conv3(x20), x13], 1)
        x8 = self.conv8(self.conv7(self.conv6(self.conv5(self.conv4(x)))))
        middle = self.conv10(self.conv9(x8))
        x = torch.cat([self.conv11(x8), x6], 1)
        x = self.conv16(self.conv15(self.conv14(self.conv13(self.conv12(x)))))
        return fine, middle, self.conv18(self.conv17(x))


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
        self, scale: int, size: tuple[int, int], classes: int, scale_x_y: float = 1.0
    ) -> None:
        """Make the decoder of head `scale` (0, 1, 2) for an input of `size` (H, W) pixels."""
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
        anchors = torch.tensor(ANCHORS[scale]).view(1, ANCHORS_PER_CELL, 2, 1) / STRIDES[scale]
        self.register_buffer("anchors", anchors / grid, persistent=False)

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
    ) -> None:
        """Wrap `network` for inputs of `size` (H, W) pixels, each a multiple of 32.

        `scale_x_y` holds the factors of strides 8, 16 and 32: 1 as in the original's network,
        1.2, 1.1 and 1.05 as in darknet's yolov4.cfg.
        """
        super().__init__()
        if any(pixels < STRIDES[-1] or pixels % STRIDES[-1] for pixels in size):
            raise ValueError(f"height and width must be multiples of {STRIDES[-1]}, not {size}")
        self.size = size
        self.network = network
        self.decoders = nn.ModuleList(
            HeadDecoder(scale, size, network.classes, factor)
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
