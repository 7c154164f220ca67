"""The training loss of the sample: assignment of things to anchors, CIoU, objectness, classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional
from zoo_tianxiaomo.layout import ANCHORS, STRIDES
from zoo_tianxiaomo.network import ANCHORS_PER_CELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

GREATEST_RATIO = 3.0
IGNORED_IOU = 0.6
TRUE_CLASS, OTHER_CLASS = 0.97, 0.003
BOX_WEIGHT = 5.0


@dataclass(frozen=True)
class Targets:
    """Things to find in a batch: image index [n], boxes [n, 4] as x1 y1 x2 y2 px, labels [n]."""

    image: Tensor
    boxes: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Losses:
    """Scalars of one batch: box, objectness and class loss, each for one positive anchor."""

    box: Tensor
    objectness: Tensor
    classes: Tensor

    @property
    def total(self) -> Tensor:
        """The sum that is minimised."""
        return BOX_WEIGHT * self.box + self.objectness + self.classes


def detection_loss(heads: Sequence[Tensor], truth: Tensor) -> Losses:
    """Compare raw heads [B, 3 (5 + nc), H/s, W/s] with truth [B, T, 5] (x1 y1 x2 y2 label, px).

    Rows with a negative label are empty. A thing belongs to every anchor whose sides differ
    from its own by a factor below 3, and at least to the anchor that overlaps it most.
    """
    rows = truth[..., 4] >= 0
    targets = Targets(rows.nonzero()[:, 0], truth[rows][:, :4], truth[rows][:, 4].long())
    matches = _match_anchors(targets)
    box, objectness, classes = (heads[0].new_zeros((), dtype=torch.float32) for _ in range(3))
    positives = 0
    for scale, head in enumerate(heads):
        fields = _fields(head.float())
        boxes = _decode(fields, scale)
        which, anchor = matches[:, scale].nonzero(as_tuple=True)
        cell = _cells(targets, which, scale, fields.shape[2:4])
        index = (targets.image[which], anchor, cell[:, 1], cell[:, 0])
        overlap, cost = _ciou(boxes[index], targets.boxes[which])
        box = box + cost.sum()
        wanted = torch.full((len(which), fields.shape[-1] - 5), OTHER_CLASS)
        wanted[torch.arange(len(which)), targets.labels[which]] = TRUE_CLASS
        logits = fields[index][:, 5:]
        classes = classes + functional.binary_cross_entropy_with_logits(
            logits, wanted, reduction="sum"
        )
        objectness = objectness + _objectness(fields[..., 4], index, overlap, (boxes, truth))
        positives += len(which)
    count = max(positives, 1)
    return Losses(box / count, objectness / count, classes / count)


def _fields(head: Tensor) -> Tensor:
    """Bring a head to [B, 3, Hg, Wg, 5 + nc]."""
    batch, channels, rows, columns = head.shape
    split = head.reshape(batch, ANCHORS_PER_CELL, channels // ANCHORS_PER_CELL, rows, columns)
    return split.permute(0, 1, 3, 4, 2)


def _decode(fields: Tensor, scale: int) -> Tensor:
    """Decode fields to boxes x1 y1 x2 y2 in pixels, [B, 3, Hg, Wg, 4]; sides are bounded."""
    rows, columns = fields.shape[2:4]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centre = (fields[..., :2].sigmoid() + torch.stack([x, y], -1)) * STRIDES[scale]
    anchors = torch.tensor(ANCHORS[scale], dtype=torch.float32).view(1, 3, 1, 1, 2)
    extent = fields[..., 2:4].clamp(-4, 4).exp() * anchors
    return torch.cat([centre - extent / 2, centre + extent / 2], -1)


def _match_anchors(targets: Targets) -> Tensor:
    """Say for each thing which of the [3, 3] anchors it belongs to."""
    anchors = torch.tensor(ANCHORS, dtype=torch.float32)
    sides = (targets.boxes[:, 2:] - targets.boxes[:, :2]).clamp(min=1)[:, None, None]
    ratio = torch.maximum(sides / anchors, anchors / sides).amax(-1)
    common = torch.minimum(sides, anchors).prod(-1)
    overlap = common / (sides.prod(-1) + anchors.prod(-1) - common)
    best = functional.one_hot(overlap.flatten(1).argmax(1), 9).view(-1, 3, 3).bool()
    return (ratio < GREATEST_RATIO) | best


def _cells(targets: Targets, which: Tensor, scale: int, grid: Sequence[int]) -> Tensor:
    """Find the grid column and row that hold the centres of the chosen things."""
    centre = (targets.boxes[which, :2] + targets.boxes[which, 2:]) / 2
    limit = torch.tensor([grid[1] - 1, grid[0] - 1])
    return (centre / STRIDES[scale]).long().clamp(min=0).minimum(limit)


def _ciou(found: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and 1 - CIoU (Zheng et al. 2020) of two box lists [n, 4] in pixels."""
    overlap = _iou(found, true)
    low = torch.minimum(found[:, :2], true[:, :2])
    high = torch.maximum(found[:, 2:], true[:, 2:])
    diagonal = (high - low).square().sum(1) + 1e-6
    apart = (found[:, :2] + found[:, 2:] - true[:, :2] - true[:, 2:]).square().sum(1) / 4
    size, goal = found[:, 2:] - found[:, :2], true[:, 2:] - true[:, :2]
    angle = torch.atan(goal[:, 0] / goal[:, 1].clamp(min=1)) - torch.atan(size[:, 0] / size[:, 1])
    shape = 4 / math.pi**2 * angle.square()
    with torch.no_grad():
        weight = shape / (1 - overlap + shape + 1e-6)
    return overlap.detach(), 1 - overlap + apart / diagonal + weight * shape


def _iou(one: Tensor, other: Tensor) -> Tensor:
    """Return the IoU of boxes [..., 4] that broadcast against each other."""
    low = torch.maximum(one[..., :2], other[..., :2])
    high = torch.minimum(one[..., 2:], other[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    areas = (one[..., 2:] - one[..., :2]).prod(-1) + (other[..., 2:] - other[..., :2]).prod(-1)
    return common / (areas - common + 1e-6)


def _objectness(
    logits: Tensor,
    index: tuple[Tensor, Tensor, Tensor, Tensor],
    overlap: Tensor,
    boxes_and_truth: tuple[Tensor, Tensor],
) -> Tensor:
    """Sum the objectness loss; the target is the root of the IoU, which keeps scores high.

    Free anchors that overlap a thing by more than 0.6 are left alone.
    """
    boxes, truth = boxes_and_truth
    with torch.no_grad():
        flat = ((index[0] * logits.shape[1] + index[1]) * logits.shape[2] + index[2]) * (
            logits.shape[3]
        ) + index[3]
        wanted = torch.zeros(logits.numel()).scatter_reduce(
            0, flat, overlap.clamp(min=0).sqrt(), "amax"
        )
        wanted = wanted.view(logits.shape)
        near = _iou(boxes.flatten(1, 3)[:, :, None], truth[:, None, :, :4])
        near = near.masked_fill(truth[:, None, :, 4] < 0, 0).amax(-1).view(logits.shape)
        weight = ((near <= IGNORED_IOU) | (wanted > 0)).float()
    return functional.binary_cross_entropy_with_logits(logits, wanted, weight, reduction="sum")
