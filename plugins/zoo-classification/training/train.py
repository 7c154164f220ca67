"""Trains the network of the card `crops-classifier` and writes it as ONNX.

    python plugins/zoo-classification/training/train.py network.onnx

Scenes come from the installed data set `sample-scenes`, by its name; crops are cut and
preprocessed by the plugin itself. Trained on crops of the calibration split, which shares no scene
with the evaluation split. A run on two cores takes about a minute, most of it drawing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from zoo_core.api import DataRequest, DataView
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry
from zoo_core.testing import run_stages
from zoo_core.vision import Preprocess, read_rgb

CARD = "crops-classifier"
SEED = 7
EPOCHS = 10
BATCH = 64
WIDTHS = ((3, 16, 2), (16, 32, 2), (32, 48, 2), (48, 48, 1))
"""Channels in, channels out and stride of each 3 x 3 convolution."""


def crops(plugins: Plugins, purpose: str, card: Any, folder: Path) -> tuple[Any, Any]:
    """Tensors [n, 3, H, W] and class numbers [n] of a split, as the card preprocesses them."""
    dataset = plugins.dataset(card.dataset)
    plan = dataset.plan(DataRequest(purpose=purpose, others=plugins.dataset))
    done = run_stages(plan.stages, folder, plugins)
    paths = {k: done[v.partition("/")[0]] / v.partition("/")[2] for k, v in plan.inputs.items()}
    steps = Preprocess.from_data(card.preprocess)
    images, labels = [], []
    for sample in dataset.samples(DataView(paths=paths, params=plan.params), 0, plan.count):
        images.append(steps.prepare(read_rgb(sample.path))[0])
        labels.append(card.labels.index(sample.name.partition("/")[0].replace("_", " ")))
    return torch.from_numpy(np.stack(images)), torch.tensor(labels)


class Network(nn.Module):
    """Four convolutions, the mean over the map, one linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(given, made, 3, stride, 1, bias=False) for given, made, stride in WIDTHS
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(made) for _, made, _ in WIDTHS)
        self.linear = nn.Linear(WIDTHS[-1][1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes]."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = torch.relu(norm(convolution(x)))
        return self.linear(x.mean((2, 3)))  # type: ignore[no-any-return]


def altered(images: torch.Tensor) -> torch.Tensor:
    """Some mirrored, all moved by up to four pixels and a little brighter or darker."""
    flip = torch.rand(len(images), 1, 1, 1) < 0.5
    images = torch.where(flip, images.flip(3), images)
    down, right = (int(torch.randint(-4, 5, ())) for _ in range(2))
    images = images.roll((down, right), (2, 3))
    return images * (0.8 + 0.4 * torch.rand(len(images), 1, 1, 1))


def train(network: Network, images: torch.Tensor, labels: torch.Tensor) -> None:
    """AdamW with one warm cycle of the learning rate."""
    steps = EPOCHS * (len(images) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    for epoch in range(EPOCHS):
        network.train()
        total = 0.0
        order = torch.randperm(len(images))[: len(images) // BATCH * BATCH].view(-1, BATCH)
        for rows in order:
            optimiser.zero_grad()
            loss = loss_of(network(altered(images[rows])), labels[rows])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1:2d}  loss {total / len(order):.4f}", flush=True)


def accuracy(network: Network, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose best class is right."""
    network.eval()
    with torch.no_grad():
        return float((network(images).argmax(1) == labels).float().mean())


def as_onnx(network: Network, card: Any) -> onnx.ModelProto:
    """The network with its normalisations folded, batch dynamic, opset 13."""
    nodes, constants, source = [], [], "input"
    pairs = zip(network.convolutions, network.norms, WIDTHS, strict=True)
    for number, (convolution, norm, (_, _, stride)) in enumerate(pairs):
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = convolution.weight * scale[:, None, None, None]
        bias = norm.bias - norm.running_mean * scale
        name = f"conv{number}"
        for part, value in (("weight", weight), ("bias", bias)):
            array = value.detach().numpy().astype(np.float32)
            constants.append(numpy_helper.from_array(array, f"{name}.{part}"))
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        nodes.append(
            helper.make_node("Conv", inputs, [name], name, strides=[stride] * 2, pads=[1] * 4)
        )
        source = f"relu{number}"
        nodes.append(helper.make_node("Relu", [name], [source], source))
    nodes.append(helper.make_node("GlobalAveragePool", [source], ["pooled"], "pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"))
    nodes.append(
        helper.make_node(
            "Gemm", ["flat", "linear.weight", "linear.bias"], ["logits"], "linear", transB=1
        )
    )
    for part in ("weight", "bias"):
        array = getattr(network.linear, part).detach().numpy()
        constants.append(numpy_helper.from_array(array, f"linear.{part}"))
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, *card.size])
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(card.labels)])
    graph = helper.make_graph(nodes, CARD, [given], [made], constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="zoo"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Draws, trains, measures and writes."""
    torch.manual_seed(SEED)
    began = time.monotonic()
    plugins = Plugins.installed()
    card = load_registry(plugins.registry_files()).model(CARD)
    with tempfile.TemporaryDirectory() as folder:
        images, labels = crops(plugins, "calibrate", card, Path(folder))
        unseen = crops(plugins, "evaluate", card, Path(folder))
    drawn = time.monotonic()
    print(f"{len(images)} crops to learn from, {len(unseen[0])} unseen, {drawn - began:.0f} s")
    network = Network(len(card.labels))
    train(network, images, labels)
    print(f"trained in {time.monotonic() - drawn:.0f} s, torch {torch.__version__}")
    learned, new = accuracy(network, images, labels), accuracy(network, *unseen)
    print(f"top1 {learned:.4f} learned, {new:.4f} unseen")
    onnx.save(as_onnx(network, card), sys.argv[1])
    print(f"{Path(sys.argv[1]).stat().st_size} bytes")


if __name__ == "__main__":
    main()
