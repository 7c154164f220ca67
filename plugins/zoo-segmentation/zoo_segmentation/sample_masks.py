"""The data set `sample-masks`: zoo's drawn scenes with a mask each, for use without a network."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.api import DataPlan, DataView, Stage
from zoo_core.errors import UsageError
from zoo_core.toolkit.datasets import listed_samples, shards
from zoo_core.toolkit.detection.masks import decode
from zoo_core.toolkit.files import digest
from zoo_core.vision.image import image_size
from zoo_segmentation.masks import write_mask
from zoo_segmentation.png_masks import PART, mask_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.api import DataRequest, Sample, StageContext

SCENES = "sample-scenes"
LISTING = "scenes.json"
KINDS = (
    *("traffic light", "stop sign", "umbrella", "sports ball", "kite", "bottle", "banana"),
    *("apple", "orange", "broccoli", "pizza", "donut", "clock", "teddy bear"),
)
"""What is drawn, in the order of COCO's categories; the first one's number is 1."""


class SampleMasks:
    """The data set `sample-scenes` with masks, not boxes: 0 is the background, then `KINDS`."""

    task = "semantic-segmentation"

    def plan(self, request: DataRequest) -> DataPlan:
        """The scenes' own stages, and one that paints; raises `UsageError` for given images."""
        if request.images or request.annotations:
            step = "use the data set png-masks for yours"
            raise UsageError("sample-masks paints its own masks", next=step)
        if request.others is None:
            raise UsageError(f"sample-masks is made of the data set '{SCENES}'")
        scenes = request.others(SCENES)
        made_of = scenes.plan(request)
        name = f"masks-{request.purpose}"
        paint_stage = Stage(
            name=name,
            run=f"{__name__}:paint",
            params={
                "dataset": made_of.dataset,
                "data": dict(made_of.params),
                "kinds": list(KINDS),
                "content": made_of.content,
                "count": made_of.count,
            },
            inputs=made_of.inputs,
            locations=made_of.locations,
            outputs=("masks", LISTING),
            versions=("numpy", "pillow"),
            sources=(type(scenes).__module__,),
            growing=("content", "count"),
            cost=made_of.count,
        )
        return DataPlan(
            dataset="sample-masks",
            kind="sample",
            stages=(*made_of.stages, paint_stage),
            inputs={
                "images": made_of.inputs["images"],
                "masks": f"{name}/masks",
                "listing": f"{name}/{LISTING}",
            },
            shards=shards([[made_of.content, at] for at in range(made_of.count)], PART),
            count=made_of.count,
            of=made_of.of,
            content=digest([made_of.content, KINDS]),
            has_truth=True,
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """The scenes, as the stage has drawn them."""
        return listed_samples(view.paths["listing"], view.paths["images"], start, stop)

    def truth(self, view: DataView) -> Path:
        """The folder of the masks."""
        return view.paths["masks"]


def paint(context: StageContext) -> None:
    """The stage's work: leaves a mask of each scene in `masks`, and scenes.json in their order.

    The scenes' truth is in COCO's form, with run lengths of what can be seen.
    """
    params, listing = context.params, []
    dataset = context.plugins.dataset(params["dataset"])
    view = DataView(paths=context.paths(), params=params["data"])
    data = json.loads(dataset.truth(view).read_text(encoding="utf-8"))
    names = {row["id"]: row["name"] for row in data["categories"]}
    things = defaultdict(list)
    for row in data["annotations"]:
        things[row["image_id"]].append(row)
    for sample in dataset.samples(view, 0, params["count"]):
        size = sample.size or image_size(sample.path)
        mask = np.zeros(size, np.uint8)
        for row in things[sample.id]:
            number = params["kinds"].index(names[row["category_id"]]) + 1
            mask[decode(np.array(row["segmentation"]["counts"]), size)] = number
        write_mask(context.out / "masks" / mask_name(sample.name), mask)
        listing.append({"id": sample.id, "name": sample.name, "size": list(size)})
        context.progress(len(listing), params["count"], "masks")
    (context.out / LISTING).write_text(json.dumps(listing), encoding="utf-8")
