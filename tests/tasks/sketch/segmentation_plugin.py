"""The plugin around the sketch: its hooks, a data set of images and masks, a card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import DataPlan, Provider, Sample, Shard
from zoo_core.api.hooks import hookimpl
from zoo_core.system.file_cache import file_digests
from zoo_core.system.hashing import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo_core.api import DataRequest, DataView

ZOO_API = 1


@hookimpl
def zoo_decoders() -> Iterable[Provider[Any]]:
    yield Provider(name="sketch-map", summary="a map of logits", load=lambda: _sketch("MapDecoder"))


@hookimpl
def zoo_evaluators() -> Iterable[Provider[Any]]:
    yield Provider(name="sketch-miou", summary="mean IoU", load=lambda: _sketch("MeanIou"))


@hookimpl
def zoo_datasets() -> Iterable[Provider[Any]]:
    yield Provider(name="sketch-masks", summary="images with masks", load=Masks)


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    yield Path(__file__).with_name("segmentation.yaml")


def _sketch(name: str) -> Any:
    import segmentation

    return getattr(segmentation, name)()


class Masks:
    task = "segmentation"

    def plan(self, request: DataRequest) -> DataPlan:
        assert request.images
        assert request.annotations
        found = sorted(request.images.iterdir())[: request.limit]
        content = digest([file_digests(found), file_digests(sorted(request.annotations.iterdir()))])
        return DataPlan(
            dataset="sketch-masks",
            kind="given",
            stages=(),
            inputs={},
            locations={"images": str(request.images), "masks": str(request.annotations)},
            params={},
            shards=(Shard(start=0, stop=len(found), content=content),),
            count=len(found),
            of=len(found),
            content=content,
            has_truth=True,
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        for path in sorted(view.paths["images"].iterdir())[start:stop]:
            yield Sample(id=path.name, name=path.name, path=path)

    def truth(self, view: DataView) -> Path:
        return view.paths["masks"]
