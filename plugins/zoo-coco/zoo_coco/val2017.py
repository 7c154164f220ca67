"""The data set `coco-val2017`, and the fixed list of train2017 images that calibrates for it."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_coco.listed import listed_samples
from zoo_core.api import DataPlan, Sample, Stage
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.coco import COCO_NAMES
from zoo_core.toolkit.datasets import counted_shards, limited, shards
from zoo_core.toolkit.files import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.api import DataRequest, DataView

URL_VARIABLE = "ZOO_COCO_URL"
"""Names a mirror: it serves the same paths as images.cocodataset.org."""

COUNT = 5000
IMAGES: Mapping[str, Any] = {
    "name": "val2017.zip",
    "size": 815_585_330,
    "md5": "442b8da7639aecaf257c1dceb8ba8c80",
    "sha256": "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
}
ANNOTATIONS: Mapping[str, Any] = {
    "name": "annotations_trainval2017.zip",
    "size": 252_907_541,
    "md5": "f4bbac642086de4f52a3fdda2de5fa2c",
    "sha256": "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
}

_HOME = "http://images.cocodataset.org"
_STAGES = "zoo_coco.val2017_stages"
_MEGABYTE = 1e6
_TRUTH = "coco-annotations/instances.json"


class Val2017:
    """The 5,000 images in order of their ids; a limit takes the first ones."""

    name = "coco-val2017"
    task = "detection"
    tasks: tuple[str, ...] = ("detection", "instance-segmentation")
    member = "annotations/instances_val2017.json"
    classes: tuple[str, ...] = COCO_NAMES

    def plan(self, request: DataRequest) -> DataPlan:
        """Raises `UsageError` for given images, and for more calibration images than the list."""
        if request.images or request.annotations:
            raise UsageError(
                f"{self.name} brings its own images and truth",
                next="use the data set coco-folder for yours",
            )
        if request.purpose == "calibrate":
            return _calibration(request, self.name)
        return _evaluation(request, self)

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Images of calibration have no size, since no annotation is fetched for them."""
        if "annotations" in view.paths:
            yield from listed_samples(view, start, stop)
            return
        for row in calibration_list()[start:stop]:
            path = view.paths["images"] / row["name"]
            if not path.is_file():
                raise DataError("a calibration image is missing", where=str(path))
            yield Sample(id=row["id"], name=row["name"], path=path)

    def truth(self, view: DataView) -> Path:
        """instances_val2017.json, or person_keypoints_val2017.json."""
        return view.paths["annotations"]


class Val2017Keypoints(Val2017):
    """The same images, with the key points of people."""

    name = "coco-val2017-keypoints"
    task = "keypoints"
    tasks = ("keypoints",)
    member = "annotations/person_keypoints_val2017.json"
    classes = ("person",)


def calibration_list() -> list[dict[str, Any]]:
    """The fixed train2017 images: id, name, and the size and sha256 of each file."""
    path = Path(__file__).with_name("data") / "calibration_train2017.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            {
                "id": int(row["id"]),
                "name": image_name(int(row["id"])),
                "size": int(row["bytes"]),
                "sha256": row["sha256"],
            }
            for row in csv.DictReader(stream)
        ]


def image_name(number: int) -> str:
    """COCO's file name of an image id."""
    return f"{number:012d}.jpg"


def _evaluation(request: DataRequest, own: Val2017) -> DataPlan:
    count = limited(request, COUNT)
    identity = [ANNOTATIONS["sha256"], IMAGES["sha256"]]
    if own.member != Val2017.member:
        identity.append(own.member)
    return DataPlan(
        dataset=own.name,
        kind="published",
        stages=(
            _annotations(own.member),
            _all_images() if count == COUNT else _first_images(count),
        ),
        inputs={"images": "coco-images/images", "annotations": _TRUTH},
        shards=counted_shards(count, identity),
        count=count,
        of=COUNT,
        content=digest([*identity, count]),
        has_truth=True,
        classes=dict.fromkeys(own.classes, True),
    )


def _annotations(member: str) -> Stage:
    return Stage(
        name="coco-annotations",
        run=f"{_STAGES}:truth",
        params={"archive": dict(ANNOTATIONS), "member": member},
        outputs=("instances.json",),
        locations={"url": f"{_base()}/annotations/{ANNOTATIONS['name']}"},
        cost=ANNOTATIONS["size"] / _MEGABYTE,
        download=ANNOTATIONS["size"],
    )


def _all_images() -> Stage:
    return Stage(
        name="coco-images",
        run=f"{_STAGES}:all_images",
        params={"archive": dict(IMAGES), "folder": "val2017"},
        outputs=("images",),
        locations={"url": f"{_base()}/zips/{IMAGES['name']}"},
        cost=IMAGES["size"] / _MEGABYTE,
        download=IMAGES["size"],
    )


def _first_images(count: int) -> Stage:
    # The mirror is in the key here: nothing states digests of the single images.
    return Stage(
        name="coco-images",
        run=f"{_STAGES}:first_images",
        params={"url": f"{_base()}/val2017", "count": count},
        inputs={"annotations": _TRUTH},
        outputs=("images",),
        growing=("count",),
        cost=count * IMAGES["size"] / COUNT / _MEGABYTE,
        download=count * IMAGES["size"] // COUNT,
    )


def _calibration(request: DataRequest, name: str) -> DataPlan:
    rows = calibration_list()
    if request.limit is not None and request.limit > len(rows):
        raise UsageError(
            f"the fixed calibration list has {len(rows)} images, not {request.limit}",
            next=f"ask for at most {len(rows)}, or give a folder with --calibration DIR",
        )
    chosen = rows[: limited(request, len(rows))]
    files = [{key: row[key] for key in ("name", "size", "sha256")} for row in chosen]
    stage = Stage(
        name="coco-calibration-images",
        run=f"{_STAGES}:listed_images",
        params={"files": files},
        outputs=("images",),
        locations={"url": f"{_base()}/train2017"},
        cost=sum(row["size"] for row in chosen) / _MEGABYTE,
        download=sum(row["size"] for row in chosen),
    )
    return DataPlan(
        dataset=name,
        kind="published",
        stages=(stage,),
        inputs={"images": f"{stage.name}/images"},
        shards=shards([row["sha256"] for row in chosen]),
        count=len(chosen),
        of=len(rows),
        content=digest(files),
        has_truth=False,
    )


def _base() -> str:
    return os.environ.get(URL_VARIABLE, _HOME).rstrip("/")
