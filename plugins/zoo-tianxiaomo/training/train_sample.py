"""Trains the bundled sample: a thin YOLOv4 on drawn scenes, from nothing, on a CPU."""

from __future__ import annotations

import argparse
import logging
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fast_mish import FastMish
from loss import Losses, detection_loss
from precision import average_precision, find_all
from safetensors.torch import save_file
from scene_store import SceneStore, cut_batch, open_store
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn
from zoo_sample.scenes import SPLITS
from zoo_tianxiaomo.blocks import Mish
from zoo_tianxiaomo.network import EndToEnd, Yolov4

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTHS = (8, 16, 24, 40, 72, 128)
CLASSES = 80
SIZE, WINDOW = 416, 256
WINDOW_SHARE = 0.85
BATCH = 8
PROCESSES = 2
SEED = 20
RATE, LEAST_RATE, DECAY, WARM_UP = 2e-3, 2e-5, 0.02, 400
GREATEST_NORM = 10.0
AVERAGE = 0.998
SCENES, CHECKED, EVALUATED = 7000, 60, 200
LOG_EVERY, SAVE_SECONDS, CHECK_SECONDS = 100, 180.0, 720.0

log = logging.getLogger("train_sample")


@dataclass
class Trainer:
    """The state of a training run, all of it in its checkpoint."""

    network: Yolov4
    average: Yolov4
    optimizer: torch.optim.Optimizer
    bits: np.random.Generator
    minutes: float
    rank: int = 0
    seconds: float = 0.0
    clock: float = field(default_factory=time.monotonic)
    step: int = 0
    images: int = 0
    order: list[int] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The part of the time budget that is spent."""
        return min(self.seconds / (60 * self.minutes), 1.0)


def make_trainer(minutes: float, rank: int = 0) -> Trainer:
    """Make a freshly initialised, seeded trainer."""
    torch.manual_seed(SEED)
    mish = FastMish()
    network, average = Yolov4(CLASSES, WIDTHS), Yolov4(CLASSES, WIDTHS)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Mish):
                setattr(module, name, mish)
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.1)
            if module.bias is not None:
                nn.init.normal_(module.weight, std=0.01)
                bias = module.bias.detach().view(3, -1)
                bias.zero_()
                bias[:, 4], bias[:, 5:] = -5.0, -4.0
    average.load_state_dict(network.state_dict())
    average.requires_grad_(False).eval()
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, RATE, fused=True)
    return Trainer(network, average, optimizer, np.random.default_rng(SEED), minutes, rank)


def train_step(trainer: Trainer, images: NDArray[np.uint8], truth: NDArray[np.float32]) -> Losses:
    """Take one step on this process' share of images uint8 [B, S, S, 3] and truth [B, T, 5]."""
    cosine = (1 + math.cos(math.pi * trainer.share)) / 2
    rate = LEAST_RATE + (RATE - LEAST_RATE) * cosine
    for group in trainer.optimizer.param_groups:
        group["lr"] = rate * min((trainer.step + 1) / WARM_UP, 1.0)
    blob = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float() / 255
    gain = torch.from_numpy(trainer.bits.uniform(0.85, 1.15, (len(images), 3, 1, 1))).float()
    trainer.network.train()
    part = np.s_[trainer.rank :: PROCESSES]
    with torch.autocast("cpu", torch.bfloat16):
        heads = trainer.network((blob[part] * gain[part]).clamp(max=1))
    losses = detection_loss(heads, torch.from_numpy(truth[part]))
    trainer.optimizer.zero_grad(set_to_none=True)
    losses.total.backward()  # type: ignore[no-untyped-call]
    _agree(trainer)
    nn.utils.clip_grad_norm_(trainer.network.parameters(), GREATEST_NORM)
    trainer.optimizer.step()
    trainer.step += 1
    trainer.images += len(images)
    if trainer.rank == 0:
        _follow(trainer)
    return losses


@torch.no_grad()
def _agree(trainer: Trainer) -> None:
    """Average the gradients and the spent seconds over the processes."""
    gradients = [p.grad for p in trainer.network.parameters() if p.grad is not None]
    now = time.monotonic()
    seconds = torch.tensor([trainer.seconds + now - trainer.clock])
    flat = torch.cat([*(g.flatten() for g in gradients), seconds])
    distributed.all_reduce(flat)
    flat /= PROCESSES
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
    trainer.seconds, trainer.clock = float(flat[-1]), now


@torch.no_grad()
def _follow(trainer: Trainer) -> None:
    """Move the averaged weights towards the present ones."""
    share = 1 - min(AVERAGE, (1 + trainer.step) / (10 + trainer.step))
    present = trainer.network.state_dict()
    for name, value in trainer.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(present[name], share)
        else:
            value.copy_(present[name])


def next_batch(trainer: Trainer, store: SceneStore) -> tuple[Any, Any]:
    """Cut the next batch of a seeded order in which every scene comes once."""
    if len(trainer.order) < BATCH:
        trainer.order = trainer.bits.permutation(store.count).tolist()
    picks, trainer.order = trainer.order[:BATCH], trainer.order[BATCH:]
    side = WINDOW if trainer.share < WINDOW_SHARE else SIZE
    return cut_batch(store, np.array(picks), side, trainer.bits)


def check(network: Yolov4, store: SceneStore, count: int) -> dict[str, float]:
    """Measure the averaged weights in fp32 on the first `count` evaluation scenes."""
    model = EndToEnd(network, (SIZE, SIZE)).eval()

    @torch.no_grad()
    def detect(blob: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        boxes, confs = model(torch.from_numpy(blob))
        return boxes.numpy(), confs.numpy()

    found = find_all(detect, store, count)
    total, single = average_precision(found, store)
    sure = sum(int((rows[:, 4] >= 0.25).sum()) for rows in found)
    things = int((store.truth[:count, :, 4] >= 0).sum())
    figures = " ".join(f"{name} {value:.4f}" for name, value in total.items())
    log.info("fp32 on %d scenes: %s; %d found at .25 of %d", count, figures, sure, things)
    log.info("by COCO-80 index: %s", " ".join(f"{k}:{v:.3f}" for k, v in single.items()))
    return total


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Write all state, whole or not at all."""
    state = {
        "network": trainer.network.state_dict(),
        "average": trainer.average.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "bits": trainer.bits.bit_generator.state,
        "seconds": trainer.seconds,
        "step": trainer.step,
        "images": trainer.images,
        "order": trainer.order,
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def load_checkpoint(trainer: Trainer, path: Path) -> None:
    """Go on from a checkpoint."""
    state = torch.load(path, weights_only=True)
    trainer.network.load_state_dict(state["network"])
    trainer.average.load_state_dict(state["average"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.bits.bit_generator.state = state["bits"]
    trainer.seconds, trainer.step = state["seconds"], state["step"]
    trainer.images, trainer.order = state["images"], state["order"]
    trainer.clock = time.monotonic()
    log.info("went on from step %d, %.0f s", trainer.step, trainer.seconds)


def save_sample(network: Yolov4, path: Path) -> None:
    """Write the weights as fp16 safetensors with what is needed to rebuild the network."""
    tensors = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    metadata = {
        "architecture": "yolov4",
        "widths": ",".join(str(w) for w in WIDTHS),
        "classes": str(CLASSES),
        "licence": "Apache-2.0",
        "origin": "trained by training/train_sample.py on drawn scenes, seed " + str(SEED),
        **{f"seeds_{k}": f"{v.start}:{v.stop}" for k, v in SPLITS.items()},
    }
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)
    path.chmod(0o644)


def train(trainer: Trainer, scenes: Path, checkpoint: Path) -> None:
    """Train until the time budget is spent, with checkpoints and checks on the way."""
    store = open_store(scenes, "train", SCENES, SIZE)
    unseen = open_store(scenes, "evaluation", EVALUATED, SIZE)
    if checkpoint.exists():
        load_checkpoint(trainer, checkpoint)
    sums, counted = np.zeros(3), 0
    while trainer.share < 1:
        before = trainer.seconds
        losses = train_step(trainer, *next_batch(trainer, store))
        sums += [float(v.detach()) for v in (losses.box, losses.objectness, losses.classes)]
        counted += 1
        if trainer.rank > 0:
            continue
        if trainer.step % LOG_EVERY == 0:
            box, objectness, classes = sums / counted
            log.info(
                "step %d images %d seconds %.0f share %.3f box %.3f objectness %.3f classes %.3f",
                *(trainer.step, trainer.images, trainer.seconds, trainer.share),
                *(box, objectness, classes),
            )
            sums[:], counted = 0, 0
        if before // SAVE_SECONDS != trainer.seconds // SAVE_SECONDS:
            save_checkpoint(trainer, checkpoint)
        if before // CHECK_SECONDS != trainer.seconds // CHECK_SECONDS:
            check(trainer.average, unseen, CHECKED)
    if trainer.rank == 0:
        save_checkpoint(trainer, checkpoint)


def run(rank: int, options: argparse.Namespace, meeting: str) -> None:
    """Train as one of the processes; the first one measures and writes the sample."""
    if rank == 0:
        handlers: list[logging.Handler] = [logging.FileHandler(options.log)]
        handlers.append(logging.StreamHandler())
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers)
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=PROCESSES)
    trainer = make_trainer(options.minutes, rank)
    count = sum(p.numel() for p in trainer.network.parameters())
    log.info("widths %s, %d parameters, seed %d, torch %s", WIDTHS, count, SEED, torch.__version__)
    log.info("scenes: train seeds %d to %d, batch %d", SPLITS["train"][0], SCENES - 1, BATCH)
    train(trainer, options.scenes, options.checkpoint)
    if rank == 0:
        unseen = open_store(options.scenes, "evaluation", EVALUATED, SIZE)
        check(trainer.average, unseen, EVALUATED)
        save_sample(trainer.average, options.out)
        log.info("wrote %s, %d bytes", options.out.name, options.out.stat().st_size)
    distributed.destroy_process_group()


def main() -> None:
    """Draw the scenes, train, measure and write the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, required=True, help="folder for drawn scenes")
    parser.add_argument("--checkpoint", type=Path, required=True, help="file to go on from")
    parser.add_argument("--log", type=Path, default=Path(__file__).with_suffix(".log"))
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--minutes", type=float, default=85.0)
    options = parser.parse_args()
    for split, count in (("train", SCENES), ("evaluation", EVALUATED)):
        open_store(options.scenes, split, count, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        spawn(run, (options, f"{folder}/meeting"), PROCESSES)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
