"""Postprocessed predictions in the store, read image by image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import Prediction, Sample
from zoo_core.pipeline.records import read_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class StoredPredictions:
    """The predictions in a folder of record files, in the data set's order; see `Predictions`."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds one record file per shard; their names sort in order."""
        self.files = sorted(folder.glob("*.npz"))

    def __iter__(self) -> Iterator[Prediction]:
        for file in self.files:
            for head, arrays in read_records(file):
                yield Prediction(sample=sample_of(head), arrays=arrays)

    def __len__(self) -> int:
        return sum(1 for _ in self.heads())

    def heads(self) -> Iterator[Mapping[str, Any]]:
        """Each sample's head: id, name, path, size and the sha256 of its bytes."""
        return (head for file in self.files for head, _ in read_records(file))


def sample_of(head: Mapping[str, Any]) -> Sample:
    """The sample that a record's head describes."""
    height, width = head["size"]
    return Sample(id=head["id"], name=head["name"], path=Path(head["path"]), size=(height, width))
