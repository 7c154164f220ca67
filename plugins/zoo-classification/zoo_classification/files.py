"""Predictions as files: one line per image, or all kept classes."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo_core.api import Predictions


def write_csv(predictions: Predictions, labels: Sequence[str], path: Path) -> None:
    """One line per image: its name, the best class's number, label and score."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("image", "class", "label", "score"))
        for prediction in predictions:
            best, score = prediction.arrays["labels"][0], prediction.arrays["scores"][0]
            writer.writerow((prediction.sample.name, int(best), labels[best], f"{score:.6f}"))


def write_json(predictions: Predictions, labels: Sequence[str], path: Path) -> None:
    """A list with one mapping per image: id, name, and the classes that were kept."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("[")
        for number, prediction in enumerate(predictions):
            found = zip(
                *(prediction.arrays[key].tolist() for key in ("labels", "scores")), strict=True
            )
            row = {
                "image_id": prediction.sample.id,
                "file_name": prediction.sample.name,
                "classes": [
                    {"class": label, "label": labels[label], "score": round(score, 6)}
                    for label, score in found
                ],
            }
            stream.write(f"{',' if number else ''}\n{json.dumps(row)}")
        stream.write("\n]\n")
