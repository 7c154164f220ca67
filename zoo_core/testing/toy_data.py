"""The toy's data set: four images that come with it, four that a stage draws, or one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import DataPlan, Sample, Shard, Stage
from zoo_core.errors import DataError
from zoo_core.system.file_cache import file_digests
from zoo_core.system.hashing import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import DataRequest, DataView

TRUTH_FILE = "truth.json"
_SHARD = 2
_CALIBRATION_SEED = 2


class ToyDataset:
    """Images of squares, with truth.json beside them."""

    task = "detection"

    def __init__(self, name: str, seed: int | None = None) -> None:
        """With a seed the images are drawn; without, they are those of the plugin."""
        self._name = name
        self._seed = seed

    def plan(self, request: DataRequest) -> DataPlan:
        """Given images, images drawn for calibration, or the set's own."""
        if request.images:
            truth = request.annotations or request.images / TRUTH_FILE
            return self._lying("given", request.images, truth, request.limit)
        seed = _CALIBRATION_SEED if request.purpose == "calibrate" else self._seed
        if seed is not None:
            return self._drawn(seed, request.limit)
        shipped = Path(__file__).parent / "toy_shapes"
        return self._lying("published", shipped, shipped / TRUTH_FILE, request.limit)

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """In the order of truth.json."""
        folder = view.paths["images"]
        for row in _rows(self.truth(view))[start:stop]:
            path = folder / row["name"]
            if not path.is_file():
                raise DataError("no such image", where=str(path))
            height, width = row["size"]
            yield Sample(id=row["id"], name=row["name"], path=path, size=(height, width))

    def truth(self, view: DataView) -> Path:
        """truth.json, or the annotations that were given."""
        return view.paths.get("truth", view.paths["images"] / TRUTH_FILE)

    def _lying(self, kind: str, folder: Path, truth: Path, limit: int | None) -> DataPlan:
        rows = _rows(truth)
        chosen = rows[:limit]
        paths = [folder / row["name"] for row in chosen]
        *images, told = file_digests([*paths, truth])
        return DataPlan(
            dataset=self._name,
            kind=kind,
            stages=(),
            inputs={},
            locations={"images": str(folder.absolute()), "truth": str(truth.absolute())},
            params={},
            shards=_shards(images),
            count=len(chosen),
            of=len(rows),
            content=digest([*images, told]),
            has_truth=True,
        )

    def _drawn(self, seed: int, limit: int | None) -> DataPlan:
        name = f"draw-{seed}"
        stage = Stage(
            name=name,
            run="zoo_core.testing.toy_stages:draw",
            params={"seed": seed},
            outputs=("images",),
        )
        count = min(4, 4 if limit is None else limit)
        return DataPlan(
            dataset=self._name,
            kind="sample",
            stages=(stage,),
            inputs={"images": f"{name}/images"},
            locations={},
            params={},
            shards=_shards([f"{name}/{number}" for number in range(count)]),
            count=count,
            of=4,
            content=digest([name, count]),
            has_truth=True,
        )


def _rows(truth: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(truth.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"is no truth of the toy: {error}", where=str(truth)) from error
    if not isinstance(rows, list):
        raise DataError("is no truth of the toy", where=str(truth))
    return rows


def _shards(contents: list[str]) -> tuple[Shard, ...]:
    """Two samples a shard, for samples of these contents."""
    starts = range(0, len(contents), _SHARD)
    parts = [contents[start : start + _SHARD] for start in starts]
    return tuple(
        Shard(start=start, stop=start + len(part), content=digest(part))
        for start, part in zip(starts, parts, strict=True)
    )
