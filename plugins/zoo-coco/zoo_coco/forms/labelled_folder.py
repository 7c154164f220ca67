"""What the data sets of other forms share: a plan, and a stage that writes COCO's form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from zoo_coco.coco_folder import same_pictures
from zoo_coco.coco_json import ends_in
from zoo_coco.forms.labelled import coco_form
from zoo_coco.frames import TRUTH, change, fit
from zoo_coco.listed import listed_samples
from zoo_core.api import DataPlan, DataRequest, Stage
from zoo_core.errors import DataError
from zoo_core.toolkit.coco import box_warnings, listed_images, used_categories
from zoo_core.toolkit.datasets import limited, shards
from zoo_core.toolkit.files import digest, file_digests, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_coco.forms.labelled import LabelledSet
    from zoo_core.api import DataView, Sample, StageContext


class LabelledFolder(ABC):
    """Images with labels in a form of their own, which a stage turns into COCO's."""

    task = "detection"
    name: ClassVar[str]
    writer: ClassVar[str] = "write_truth"
    """The function of the class's module that is the stage's work."""

    states_sides: ClassVar[bool] = True
    """Whether labels are in pixels and state sides, which tells in which frame they are."""

    @abstractmethod
    def read(self, request: DataRequest) -> LabelledSet:
        """All images with their boxes; raises `DataError` for what is wrong in a file."""

    def plan(self, request: DataRequest) -> DataPlan:
        """Reads all labels, and the facts of the chosen images.

        Raises `DataError` for files that are missing or wrong, `UsageError` for no annotations.
        """
        known, truth, warnings = self._truth(request)
        rows = truth["images"]
        count = limited(request, len(rows))
        chosen = listed_images(truth, str(request.annotations))[:count]
        digests = file_digests([known.folder / image.name for image in chosen])
        contents = [
            [row["id"], row["file_name"], [row["height"], row["width"]], sha256]
            for row, sha256 in zip(rows, digests, strict=False)
        ]
        stage = self._stage(request, truth)
        used = used_categories(truth)
        return DataPlan(
            dataset=self.name,
            kind="given",
            stages=(stage,),
            inputs={"annotations": f"{stage.name}/{TRUTH}"},
            locations={"images": str(known.folder)},
            shards=shards(contents),
            count=count,
            of=len(rows),
            content=digest([stage.params["content"], contents]),
            has_truth=True,
            warnings=(
                *known.warnings,
                *warnings,
                *box_warnings(chosen),
                *same_pictures(chosen, digests),
            ),
            classes={row["name"]: row["id"] in used for row in truth["categories"]},
        )

    def samples(self, view: DataView, start: int, stop: int) -> Iterator[Sample]:
        """Raises `DataError` for an image that has gone since planning."""
        return listed_samples(view, start, stop)

    def truth(self, view: DataView) -> Path:
        """The labels in COCO's form."""
        return view.paths["annotations"]

    def write_truth(self, context: StageContext) -> None:
        """The stage's work: reads the labels again and leaves instances.json."""
        given = context.locations
        request = DataRequest(
            purpose="evaluate",
            images=context.paths()["images"] if "images" in given else None,
            annotations=context.paths()["annotations"],
            labels=tuple(context.params["labels"]),
            exif=context.params["exif"],
        )
        _, truth, _ = self._truth(request)
        if digest(truth) != context.params["content"]:
            what, step = "labels have changed since planning", "run again"
            raise DataError(what, where=given["annotations"], next=step)
        write_json(context.out / TRUTH, truth)

    def _truth(self, request: DataRequest) -> tuple[LabelledSet, dict[str, Any], tuple[str, ...]]:
        """The set, the same in COCO's form and in the pixels that will be read, and warnings."""
        known, where = self.read(request), str(request.annotations)
        truth = coco_form(known, where)
        images = listed_images(truth, where)
        paths = [known.folder / image.name for image in images]
        fitted = fit(images, paths, ends_in(truth), request.exif, self.states_sides)
        change(truth, fitted.changes)
        return known, truth, fitted.warnings

    def _stage(self, request: DataRequest, truth: dict[str, Any]) -> Stage:
        places = {"images": request.images, "annotations": request.annotations}
        return Stage(
            name=f"{self.name}-truth",
            run=f"{type(self).__module__}:{self.writer}",
            params={
                "content": digest(truth),
                "labels": list(request.labels),
                "exif": request.exif,
            },
            # What a shard reads of the truth are its images, which it names in its own content:
            # corrected labels make no new inference.
            growing=("content", "labels"),
            outputs=(TRUTH,),
            locations={
                name: str(path.expanduser().absolute()) for name, path in places.items() if path
            },
            cost=len(truth["images"]),
        )
