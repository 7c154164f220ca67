"""Trains the networks of the cards `scenes-instances` and `scenes-poses`, and writes them as ONNX.

    python plugins/zoo-yolo/training/train.py instances.onnx poses.onnx

Both are one network with the form of YOLOv8's heads, of which each file has its own part: rows of
box, scores and coefficients with prototypes, and rows of box, scores and points. Scenes are those
of zoo-sample's split `train`, which shares none with calibration and evaluation.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F
from zoo_sample.scenes import SPLITS
from zoo_sample.shapes import KINDS, POINTS, draw_shapes

SEED = 7
SIDE, STRIDE = 160, 8
SCENES = 2000
EPOCHS = 6
BATCH = 20
WIDTHS = (12, 16, 24, 32, 32)
"""Channels of the maps at a half, a quarter, an eighth, a 16th and a 32nd of the sides."""
PROTOTYPES = 8
REACH = 1.6
"""Cells learn a shape whose middle is within this many cells of theirs."""


class Truth(NamedTuple):
    """The shapes of a scene; masks are at a quarter of the sides, points are x, y and sight."""

    boxes: torch.Tensor
    kinds: torch.Tensor
    masks: torch.Tensor
    points: torch.Tensor


class Heads(NamedTuple):
    """Maps [n, c, h, w]: distances to the sides, logits, coefficients, points; and prototypes."""

    sides: torch.Tensor
    kinds: torch.Tensor
    coefficients: torch.Tensor
    points: torch.Tensor
    prototypes: torch.Tensor


def scenes(split: str, count: int) -> tuple[torch.Tensor, list[Truth]]:
    """Images uint8 [n, 3, H, W] and truths of the first scenes of a split."""
    images, truths = [], []
    for seed in SPLITS[split][:count]:
        image, shapes = draw_shapes(seed, SIDE)
        images.append(image.transpose(2, 0, 1))
        masks = [shape.seen.mask[2::4, 2::4] for shape in shapes]
        truths.append(
            Truth(
                torch.tensor([s.seen.box for s in shapes], dtype=torch.float32).view(-1, 4),
                torch.tensor([s.kind for s in shapes]),
                torch.from_numpy(np.array(masks, np.float32).reshape(-1, SIDE // 4, SIDE // 4)),
                torch.tensor(np.array([s.points for s in shapes]), dtype=torch.float32),
            )
        )
    return torch.from_numpy(np.stack(images)), truths


def block(given: int, made: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, normalised."""
    convolution = nn.Conv2d(given, made, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(made), nn.ReLU())


class Network(nn.Module):
    """Down to a 32nd of the sides, up to an eighth for the rows, to a quarter for prototypes."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.first = nn.Sequential(block(3, a, 2), block(a, b, 2), block(b, b))
        self.second = nn.Sequential(block(b, c, 2), block(c, c))
        self.third = nn.Sequential(block(c, d, 2), block(d, d))
        self.fourth = nn.Sequential(block(d, e, 2), block(e, e))
        self.up = nn.ModuleList([block(e + d, d), block(d + c, d)])
        self.fine = nn.Sequential(block(d + b, b), nn.Conv2d(b, PROTOTYPES, 1))
        self.stem = nn.Sequential(block(d, d), block(d, d))
        made = (4, len(KINDS), PROTOTYPES, 3 * len(POINTS))
        self.last = nn.ModuleList([nn.Conv2d(d, each, 1) for each in made])
        nn.init.constant_(self.last[1].bias, -4.0)

    def forward(self, x: torch.Tensor) -> Heads:
        """All maps of images [n, 3, H, W] in 0..1."""
        first = self.first(x)
        second = self.second(first)
        third = self.third(second)
        x = self.up[0](torch.cat([F.interpolate(self.fourth(third), scale_factor=2.0), third], 1))
        x = self.up[1](torch.cat([F.interpolate(x, scale_factor=2.0), second], 1))
        prototypes = self.fine(torch.cat([F.interpolate(x, scale_factor=2.0), first], 1))
        rows = self.stem(x)
        sides, kinds, coefficients, points = (last(rows) for last in self.last)
        return Heads(F.softplus(sides) * STRIDE, kinds, coefficients, points, prototypes)


def middles() -> torch.Tensor:
    """The middles of the cells, x and y in pixels, [N, 2]."""
    line = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


def assigned(truth: Truth) -> torch.Tensor:
    """The shape that each cell learns, -1 for none: of several the one with the nearest middle."""
    if not len(truth.kinds):
        return torch.full((len(middles()),), -1)
    centre = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2
    far = (middles()[:, None] - centre).abs().amax(2)
    least, number = far.min(1)
    return torch.where(least < REACH * STRIDE, number, -1)


def losses(heads: Heads, truths: list[Truth]) -> torch.Tensor:
    """The sum of five: focal, of boxes' overlap, of masks, of points' places and of their sight."""
    grid = middles()
    flat = [part.flatten(2).transpose(1, 2) for part in heads[:4]]
    wanted, parts = torch.zeros_like(flat[1]), []
    for n, truth in enumerate(truths):
        shape = assigned(truth)
        cells = (shape >= 0).nonzero()[:, 0]
        if not len(cells):
            continue
        own, at = shape[cells], grid[cells]
        wanted[n, cells, truth.kinds[own]] = 1
        sides, boxes = flat[0][n, cells], truth.boxes[own]
        true = torch.cat([at - boxes[:, :2], boxes[:, 2:] - at], 1).clamp(min=0.5)
        both = torch.minimum(sides, true)
        inside = (both[:, 0] + both[:, 2]) * (both[:, 1] + both[:, 3])
        area = [(each[:, 0] + each[:, 2]) * (each[:, 1] + each[:, 3]) for each in (sides, true)]
        overlap = inside / (area[0] + area[1] - inside)
        logits = torch.einsum("nk,khw->nhw", flat[2][n, cells], heads.prototypes[n])
        wrong = F.binary_cross_entropy_with_logits(logits, truth.masks[own], reduction="none")
        line = (torch.arange(SIDE // 4) + 0.5) * 4
        x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
        near = (
            ((line > y1) & (line < y2))[:, :, None] & ((line > x1) & (line < x2))[:, None]
        ).float()
        mask = (wrong * near).sum((1, 2)) / near.sum((1, 2)).clamp(min=1)
        places = flat[3][n, cells].view(len(cells), -1, 3)
        true_places = (truth.points[own, :, :2] + 0.5 - at[:, None]) / 32
        place = F.smooth_l1_loss(places[..., :2], true_places, reduction="none", beta=0.1)
        sight = F.binary_cross_entropy_with_logits(
            places[..., 2], (truth.points[own, :, 2] == 2).float(), reduction="none"
        )
        parts.append(-overlap.log() + 2 * mask + 4 * place.mean((1, 2)) + 0.2 * sight.mean(1))
    chance = flat[1].sigmoid()
    miss = (wanted - chance).abs() ** 2
    focal = (F.binary_cross_entropy_with_logits(flat[1], wanted, reduction="none") * miss).sum()
    rest = torch.cat(parts)
    return (2 * focal + rest.sum()) / len(rest)


def train(network: Network, images: torch.Tensor, truths: list[Truth]) -> None:
    """AdamW with one warm cycle of the learning rate."""
    steps = EPOCHS * (len(images) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, steps)
    for epoch in range(EPOCHS):
        network.train()
        total, began = 0.0, time.monotonic()
        order = torch.randperm(len(images))[: len(images) // BATCH * BATCH].view(-1, BATCH)
        for rows in order:
            batch = images[rows].float() / 255 * (0.8 + 0.4 * torch.rand(BATCH, 1, 1, 1))
            optimiser.zero_grad()
            loss = losses(network(batch), [truths[row] for row in rows.tolist()])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
            schedule.step()
            total += loss.item()
        took = time.monotonic() - began
        print(f"epoch {epoch + 1:2d}  loss {total / len(order):.4f}  {took:.0f} s", flush=True)


class Exported(nn.Module):
    """The network with its rows decoded: boxes as centre and sides in pixels, scores, the rest."""

    def __init__(self, network: Network, poses: bool) -> None:
        super().__init__()
        self.network, self.poses = network, poses
        self.register_buffer("grid", middles().T[None])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Rows [n, 4 + C + 8, N] and prototypes [n, 8, h, w], or rows [n, 4 + C + 12, N]."""
        heads = self.network(x)
        sides, kinds, coefficients, points = (part.flatten(2) for part in heads[:4])
        first, last = sides[:, :2], sides[:, 2:]
        rows = [self.grid + (last - first) / 2, first + last, kinds.sigmoid()]
        if not self.poses:
            return torch.cat([*rows, coefficients], 1), heads.prototypes
        for at in range(0, 3 * len(POINTS), 3):
            rows += [points[:, at : at + 2] * 32 + self.grid, points[:, at + 2 : at + 3].sigmoid()]
        return (torch.cat(rows, 1),)


def export(network: Network, file: str, poses: bool) -> None:
    """Writes and checks one of the two files."""
    names = ["rows"] if poses else ["rows", "prototypes"]
    torch.onnx.export(
        Exported(network, poses).eval(),
        (torch.zeros(1, 3, SIDE, SIDE),),
        file,
        input_names=["input"],
        output_names=names,
        dynamic_axes={name: {0: "batch"} for name in ("input", *names)},
        opset_version=13,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(file), full_check=True)
    print(f"{Path(file).name}: {Path(file).stat().st_size} bytes")


def main() -> None:
    """Draws, trains and writes."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # so that the result is the same everywhere
    images, truths = scenes("train", SCENES)
    network = Network()
    train(network, images, truths)
    for file, poses in zip(sys.argv[1:3], (False, True), strict=True):
        export(network, file, poses)
    print(f"torch {torch.__version__}")


if __name__ == "__main__":
    main()
