"""The decoding of heads as part of the network, for graphs that end in boxes.

After AlexeyAB/darknet (`yolo_layer.c`), in our own words; the outputs are shaped and named like
those of Tianxiaomo/pytorch-YOLOv4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from zoo_darknet.network import DarknetNetwork
    from zoo_darknet.operations import Shape, Yolo


class Decoded(nn.Module):
    """A network whose heads are decoded.

    Gives boxes float32 [batch, n, 1, 4], xyxy as fractions of the network's input, not clipped, and
    confs float32 [batch, n, classes], objectness times class. Rows go head by head, in each by
    anchor, row and column.
    """

    def __init__(self, network: DarknetNetwork) -> None:
        super().__init__()
        self.network = network
        topology = network.topology
        pairs = zip(topology.heads, topology.head_shapes, strict=True)
        self.heads = nn.ModuleList(HeadBoxes(head, shape) for head, shape in pairs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes and confs."""
        raw = self.network(x)
        parts = [decode(head) for decode, head in zip(self.heads, raw, strict=True)]
        boxes = torch.cat([boxes for boxes, _ in parts], dim=1)
        return boxes.unsqueeze(2), torch.cat([confs for _, confs in parts], dim=1)


class HeadBoxes(nn.Module):
    """One head, decoded."""

    grid: Tensor
    cells: Tensor
    sizes: Tensor

    def __init__(self, head: Yolo, shape: Shape) -> None:
        super().__init__()
        self.new_coords = head.new_coords
        self.scale = head.scale_x_y
        self.split = (-1, len(head.anchors), 5 + head.classes, shape.height * shape.width)
        self.count = len(head.anchors) * shape.height * shape.width
        rows, columns = torch.meshgrid(
            torch.arange(shape.height), torch.arange(shape.width), indexing="ij"
        )
        grid = torch.stack([columns, rows]).reshape(1, 1, 2, -1).float()
        self.register_buffer("grid", grid)
        cells = torch.tensor([shape.width, shape.height])
        self.register_buffer("cells", cells.reshape(1, 1, 2, 1).float())
        sizes = torch.tensor(head.anchors) / (head.stride * cells)
        self.register_buffer("sizes", sizes.reshape(1, -1, 2, 1).float())

    def forward(self, head: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, anchors * (5 + classes), h, w] -> [batch, n, 4], [batch, n, classes]."""
        raw = head.reshape(self.split)
        place, extent, rest = raw[:, :, 0:2], raw[:, :, 2:4], raw[:, :, 4:]
        if self.new_coords:
            extent = (2 * extent) ** 2 * self.sizes
        else:
            place, rest = torch.sigmoid(place), torch.sigmoid(rest)
            extent = torch.exp(extent) * self.sizes
        centre = (place * self.scale - 0.5 * (self.scale - 1) + self.grid) / self.cells
        first = centre - extent / 2
        boxes = torch.cat([first, first + extent], dim=2)
        confs = rest[:, :, 0:1] * rest[:, :, 1:]
        return self._rows(boxes, 4), self._rows(confs, self.split[2] - 5)

    def _rows(self, x: Tensor, width: int) -> Tensor:
        return x.permute(0, 1, 3, 2).reshape(-1, self.count, width)
