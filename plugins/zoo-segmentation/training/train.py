"""Trains the network of the card `scenes-segmenter` and writes it as ONNX.

    python plugins/zoo-segmentation/training/train.py network.onnx

Scenes are those of zoo-sample's split `train`, which shares none with calibration and evaluation,
preprocessed as the card says. A run on two cores takes about ten minutes.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from zoo_sample.scenes import SPLITS, draw_masked_scene

from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry
from zoo_core.toolkit.coco import COCO_NAMES
from zoo_core.vision import Preprocess

CARD = "scenes-segmenter"
SEED = 7
SIDE = 416
SCENES, UNSEEN = 1000, 60
EPOCHS = 9
BATCH = 16
WIDTHS = (16, 24, 32, 48)
"""Channels of the maps at a half, a quarter, an eighth and a sixteenth of the sides."""


def scene(seed: int, steps: Preprocess, numbers: dict[str, int]) -> tuple[Any, Any]:
    """A preprocessed scene float32 [3, H, W] and the class of each of its pixels uint8 [H, W]."""
    image, _, labels, seen = draw_masked_scene(seed, SIDE)
    classes = np.zeros((SIDE, SIDE), np.uint8)
    for label, part in zip(labels.tolist(), seen, strict=True):
        high, wide = part.mask.shape
        place = classes[part.row : part.row + high, part.column : part.column + wide]
        place[part.mask] = numbers[COCO_NAMES[label]]
    tensor, _ = steps.prepare(image)
    nearest = ((np.arange(tensor.shape[-1]) + 0.5) * SIDE / tensor.shape[-1]).astype(int)
    return np.float16(tensor), classes[np.ix_(nearest, nearest)]


def scenes(split: str, count: int, card: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Tensors [n, 3, H, W] and classes [n, H, W] of the first scenes of a split."""
    steps = Preprocess.from_data(card.preprocess)
    numbers = {name: number for number, name in enumerate(card.labels)}
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda seed: scene(seed, steps, numbers), SPLITS[split][:count]))
    images, classes = zip(*rows, strict=True)
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(classes))


def block(given: int, made: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, normalised."""
    convolution = nn.Conv2d(given, made, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(made), nn.ReLU())


class Network(nn.Module):
    """Down to a sixteenth of the sides and up again to a half, with the maps on the way."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.first = block(3, a, 2)
        self.second = nn.Sequential(block(a, b, 2), block(b, b))
        self.third = nn.Sequential(block(b, c, 2), block(c, c))
        self.fourth = nn.Sequential(block(c, d, 2), block(d, d))
        self.up = nn.ModuleList([block(d + c, c), block(c + b, b), block(b + a, a)])
        self.last = nn.Conv2d(a, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes, H / 2, W / 2]."""
        maps = [self.first(x)]
        for step in (self.second, self.third, self.fourth):
            maps.append(step(maps[-1]))
        x = maps.pop()
        for join in self.up:
            wider = nn.functional.interpolate(x, scale_factor=2.0)
            x = join(torch.cat([wider, maps.pop()], 1))
        return self.last(x)  # type: ignore[no-any-return]


def train(network: Network, images: torch.Tensor, classes: torch.Tensor) -> None:
    """AdamW with one warm cycle of the learning rate; classes count more than the background."""
    steps = EPOCHS * (len(images) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, steps)
    weight = torch.ones(network.last.out_channels)
    weight[0] = 0.5
    loss_of = nn.CrossEntropyLoss(weight)
    for epoch in range(EPOCHS):
        network.train()
        total = 0.0
        order = torch.randperm(len(images))[: len(images) // BATCH * BATCH].view(-1, BATCH)
        for rows in order:
            batch = images[rows].float() * (0.8 + 0.4 * torch.rand(BATCH, 1, 1, 1))
            optimiser.zero_grad()
            loss = loss_of(network(batch), classes[rows][:, 1::2, 1::2].long())
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1:2d}  loss {total / len(order):.4f}", flush=True)


def mean_iou(network: Network, images: torch.Tensor, classes: torch.Tensor) -> float:
    """Mean IoU at the network's size over the classes that are there."""
    network.eval()
    counts = torch.zeros(network.last.out_channels**2)
    for image, truth in zip(images, classes, strict=True):
        with torch.no_grad():
            logits = network(image[None].float())
        found = nn.functional.interpolate(logits, truth.shape, mode="bilinear").argmax(1)[0]
        pairs = truth.long() * network.last.out_channels + found
        counts += torch.bincount(pairs.flatten(), minlength=len(counts))
    table = counts.view(network.last.out_channels, -1)
    both = table.sum(0) + table.sum(1) - table.diagonal()
    return float((table.diagonal() / both)[table.sum(1) > 0].mean())


def main() -> None:
    """Draws, trains, measures and writes."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # so that the result is the same everywhere
    began = time.monotonic()
    card = load_registry(Plugins.installed().registry_files()).model(CARD)
    images, classes = scenes("train", SCENES, card)
    unseen = scenes("evaluation", UNSEEN, card)
    drawn = time.monotonic()
    print(f"{len(images)} scenes to learn from, {len(unseen[0])} unseen, {drawn - began:.0f} s")
    network = Network(len(card.labels))
    train(network, images, classes)
    print(f"trained in {time.monotonic() - drawn:.0f} s, torch {torch.__version__}")
    print(f"mIoU {mean_iou(network, *unseen):.4f} unseen, at {card.size[0]} x {card.size[1]}")
    network.eval()
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, *card.size),),
        sys.argv[1],
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=13,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)
    print(f"{Path(sys.argv[1]).stat().st_size} bytes")


if __name__ == "__main__":
    main()
