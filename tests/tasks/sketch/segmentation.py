"""A sketch of semantic segmentation: a decoder of maps, and an evaluator of mean IoU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from zoo_core.api import Metrics
from zoo_core.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Arrays, Decode, Predictions
    from zoo_core.vision import Geometry


class MapDecoder:
    task = "segmentation"

    def bind(self, params: Mapping[str, Any], classes: int, floor: float) -> Decode:
        for key in params:
            raise UsageError(f"unknown key '{key}'", next=did_you_mean(key, ()))

        def decode(outputs: Arrays, geometry: Geometry) -> Arrays:
            (logits,) = outputs.values()
            lengths = zip(geometry.source, geometry.scale[::-1], geometry.offset[::-1], strict=True)
            places = []
            for axis, (length, scale, offset) in enumerate(lengths):
                inside = ((np.arange(length) + 0.5) * scale + offset) / geometry.network[axis]
                cells = logits.shape[axis + 1]
                places.append(np.clip(inside * cells, 0, cells - 1).astype(int))
            return {"labels": logits.argmax(0)[np.ix_(*places)].astype(np.uint8)}

        return decode


class MeanIou:
    task = "segmentation"
    versions: tuple[str, ...] = ("numpy",)

    def check(self, values: Mapping[str, Any]) -> None:
        for key in values:
            raise UsageError(f"unknown field '{key}'", next=did_you_mean(key, ()))

    def floor(self, values: Mapping[str, Any]) -> float:
        return 0.0

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        return candidates

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        counts = np.zeros((len(labels), len(labels)))
        for prediction in predictions:
            path = (truth / prediction.sample.name).with_suffix(".png")
            mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if mask is None:
                raise DataError("no such mask", where=str(path))
            np.add.at(counts, (mask.astype(int), prediction.arrays["labels"]), 1)
        both = counts.sum(0) + counts.sum(1) - counts.diagonal()
        shares = [float(h / b) if b else None for h, b in zip(counts.diagonal(), both, strict=True)]
        known = [share for share in shares if share is not None]
        mean = sum(known) / len(known) if known else None
        per_class = {n: {"IoU": share} for n, share in zip(labels, shares, strict=True)}
        return Metrics(values={"mIoU": mean}, lines=(f" mIoU = {mean}",), per_class=per_class)

    def write(self, predictions: Any, labels: Any, folder: Path, truth: Path | None = None) -> None:
        for prediction in predictions:
            path = folder / "masks" / prediction.sample.name
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path.with_suffix(".png")), prediction.arrays["labels"])

    def draw(self, image: Any, prediction: Arrays, labels: Sequence[str], least: float) -> Any:
        return np.where(prediction["labels"][..., None] > 0, image // 2 + 96, image)
