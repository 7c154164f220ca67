"""The data sets that zoo draws itself, for where there is no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import DataPlan, Sample, Stage
from zoo_core.errors import UsageError
from zoo_core.toolkit.coco import listed_images, read_annotations
from zoo_core.toolkit.datasets import counted_shards, limited
from zoo_core.toolkit.files import digest, source_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.api import DataRequest, DataView

SIZE, SHAPES_SIZE = 416, 160
EVALUATION, CALIBRATION = 200, 1000
"""How many scenes each split offers; the calibration split is drawn as far as it is asked for."""


class SampleScenes:
    """Scenes in the order of their seeds; those of evaluation and calibration are disjoint."""

    task = "detection"
    tasks: tuple[str, ...] = ("detection", "instance-segmentation")
    name, stage = "sample-scenes", "scenes"
    run, source, size = "zoo_sample.stage:draw", "zoo_sample.files", SIZE

    def plan(self, request: DataRequest) -> DataPlan:
        """Raises `UsageError` for given images, and for more calibration scenes than there are."""
        if request.images or request.annotations:
            raise UsageError(
                f"{self.name} draws its own images and truth",
                next="use the data set coco-folder for yours",
            )
        calibrating = request.purpose == "calibrate"
        split, of = ("calibration", CALIBRATION) if calibrating else ("evaluation", EVALUATION)
        if calibrating and request.limit is not None and request.limit > of:
            step = f"ask for at most {of}, or give a folder with --calibration DIR"
            raise UsageError(f"there are {of} calibration scenes", next=step)
        count = limited(request, of)
        content = [source_digest([self.source]), split, self.size]
        stage = self._stage(split, count)
        return DataPlan(
            dataset=self.name,
            kind="sample",
            stages=(stage,),
            inputs={
                "images": f"{stage.name}/images",
                "annotations": f"{stage.name}/instances.json",
            },
            shards=counted_shards(count, content),
            count=count,
            of=of,
            content=digest([content, count]),
            has_truth=True,
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Scenes that the stage has drawn."""
        file, folder = view.paths["annotations"], view.paths["images"]
        for image in listed_images(read_annotations(file), str(file))[start:stop]:
            yield Sample(id=image.id, name=image.name, path=folder / image.name, size=image.size)

    def truth(self, view: DataView) -> Path:
        """The boxes and masks of what can be seen, in COCO's form and ids."""
        return view.paths["annotations"]

    def _stage(self, split: str, count: int) -> Stage:
        return Stage(
            name=f"{self.stage}-{split}",
            run=self.run,
            params={"split": split, "count": count, "size": self.size},
            outputs=("images", "instances.json"),
            growing=("count",),
            versions=("numpy", "opencv-python-headless"),
            cost=count,
        )


class SampleShapes(SampleScenes):
    """Scenes of arrows, darts and hammers, with masks and four key points each."""

    tasks = ("detection", "instance-segmentation", "keypoints")
    name, stage = "sample-shapes", "shapes"
    run, source, size = "zoo_sample.shapes:write_shapes", "zoo_sample.shapes", SHAPES_SIZE
