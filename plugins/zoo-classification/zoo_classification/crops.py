"""The data set `sample-crops`: things cut out of zoo's drawn scenes, for use without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import DataPlan, DataRequest, Stage
from zoo_core.errors import UsageError
from zoo_core.toolkit.datasets import limited, listed_samples, shards
from zoo_core.toolkit.files import digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.api import DataView, Sample

SCENES = "sample-scenes"
LISTING = "crops.json"
EVALUATION, CALIBRATION = 500, 3900
"""How many crops each split offers; no more are cut than are asked for."""


class SampleCrops:
    """Crops of the data set `sample-scenes`, scene by scene, in class folders."""

    task = "classification"

    def plan(self, request: DataRequest) -> DataPlan:
        """The scenes' own stages, and one that cuts; raises `UsageError` for given images."""
        if request.images or request.annotations:
            step = "use the data set imagenet-folder for yours"
            raise UsageError("sample-crops cuts its own images", next=step)
        if request.others is None:
            raise UsageError(f"sample-crops is made of the data set '{SCENES}'")
        of = CALIBRATION if request.purpose == "calibrate" else EVALUATION
        count = limited(request, of)
        asked = DataRequest(purpose=request.purpose, limit=scenes_for(count), others=request.others)
        scenes = request.others(SCENES)
        made_of = scenes.plan(asked)
        name = f"crops-{request.purpose}"
        cut = Stage(
            name=name,
            run="zoo_classification.cutting:cut",
            params={
                "dataset": made_of.dataset,
                "data": dict(made_of.params),
                "scenes": made_of.count,
                "content": made_of.content,
                "count": count,
            },
            inputs=made_of.inputs,
            locations=made_of.locations,
            outputs=("images", LISTING),
            versions=("numpy", "opencv-python-headless"),
            sources=(type(scenes).__module__,),
            growing=("scenes", "content", "count"),
            cost=count,
        )
        return DataPlan(
            dataset="sample-crops",
            kind="sample",
            stages=(*made_of.stages, cut),
            inputs={"images": f"{name}/images", "listing": f"{name}/{LISTING}"},
            shards=shards([f"crop {at}" for at in range(count)]),
            count=count,
            of=of,
            content=digest([made_of.content, count]),
            has_truth=True,
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Crops that the stage has cut."""
        return listed_samples(view.paths["listing"], view.paths["images"], start, stop)

    def truth(self, view: DataView) -> Path:
        """The folder of class folders."""
        return view.paths["images"]


def scenes_for(crops: int) -> int:
    """How many scenes surely hold so many crops; they hold five on average."""
    return crops // 4 + 4
