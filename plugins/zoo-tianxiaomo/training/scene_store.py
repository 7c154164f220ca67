"""Training scenes drawn once into a memory-mapped file, and batches of windows cut from them."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.lib.format import open_memmap
from zoo_sample.scenes import SPLITS, draw_scene

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOST_THINGS = 16
WINDOWS = 4
UNMIRRORED = 11
"""COCO-80 index of the stop sign, whose writing must not be mirrored."""


@dataclass(frozen=True)
class SceneStore:
    """Square scenes: images uint8 [N, S, S, 3] and truth float32 [N, 16, 5] as x1 y1 x2 y2 label.

    Rows of the truth without a thing have the label -1.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.float32]

    @property
    def count(self) -> int:
        """Number of scenes."""
        return len(self.truth)


def draw_one(seed: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw one scene; return its image and its row of truth."""
    image, boxes, labels = draw_scene(seed, size)
    truth = np.full((MOST_THINGS, 5), -1, np.float32)
    truth[: len(labels), :4] = boxes
    truth[: len(labels), 4] = labels
    return image, truth


def _draw_part(part: range, path: str, split: str, size: int) -> NDArray[np.float32]:
    cv2.setNumThreads(1)
    images = np.load(path, mmap_mode="r+")
    truth = np.empty((len(part), MOST_THINGS, 5), np.float32)
    for row, index in enumerate(part):
        images[index], truth[row] = draw_one(SPLITS[split][index], size)
    return truth


def open_store(folder: Path, split: str, count: int, size: int) -> SceneStore:
    """Open the first `count` scenes of a split, drawing them first where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{split}-{count}-{size}"
    images, truth = folder / f"{stem}-images.npy", folder / f"{stem}-truth.npy"
    if not truth.exists():
        open_memmap(images, "w+", np.uint8, (count, size, size, 3)).flush()
        parts = [range(at, min(at + 100, count)) for at in range(0, count, 100)]
        draw = partial(_draw_part, path=str(images), split=split, size=size)
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            np.save(truth, np.concatenate(list(pool.map(draw, parts))))
    return SceneStore(np.load(images, mmap_mode="r"), np.load(truth))


def cut_batch(
    store: SceneStore, picks: NDArray[np.int64], side: int, bits: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut a window of `side` pixels from each picked scene: of four random ones the fullest.

    Half of them are mirrored. Returns images uint8 [B, side, side, 3] and truth float32
    [B, 16, 5]. A thing of which less than 35 % of the box is left loses its label.
    """
    images = np.empty((len(picks), side, side, 3), np.uint8)
    truth = np.empty((len(picks), MOST_THINGS, 5), np.float32)
    room = store.images.shape[1] - side
    for row, pick in enumerate(picks):
        corners = bits.integers(0, room + 1, (WINDOWS, 2))
        cuts = [_clip(store.truth[pick], corner, side) for corner in corners]
        best = max(range(WINDOWS), key=lambda k: int((cuts[k][:, 4] >= 0).sum()))
        (x, y), things = corners[best].tolist(), cuts[best]
        image = store.images[pick, y : y + side, x : x + side]
        if bits.integers(2) and not (things[:, 4] == UNMIRRORED).any():
            image = image[:, ::-1]
            things[:, [0, 2]] = side - things[:, [2, 0]]
        images[row], truth[row] = image, things
    return images, truth


def _clip(truth: NDArray[np.float32], corner: NDArray[np.int64], side: int) -> NDArray[np.float32]:
    things = truth.copy()
    whole = np.prod(things[:, 2:4] - things[:, :2], axis=1)
    things[:, :4] = (things[:, :4] - np.tile(corner, 2)).clip(0, side)
    left = np.prod(things[:, 2:4] - things[:, :2], axis=1)
    things[left < 0.35 * np.maximum(whole, 1), 4] = -1
    return things
