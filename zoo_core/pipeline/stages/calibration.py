"""The stage that collects a run's calibration images."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from zoo_core.api import DataView
from zoo_core.errors import DataError
from zoo_core.pipeline.stages.inputs import cut_off
from zoo_core.pipeline.stages.variety import doubts, thumbnail, variety
from zoo_core.system.files import write_json
from zoo_core.system.hashing import file_digest
from zoo_core.vision.headers import has_its_end
from zoo_core.vision.image import decode_rgb, image_bytes

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def select(context: StageContext) -> None:
    """Copy the calibration images and write images.json: path, name and sha256 of each, in order.

    `variety` in it says how many are distinct and how many grey.
    Each image is decoded once, so that an error names the user's file. The copies allow compiling
    again after the user's folder has changed.
    """
    params = context.params
    dataset = context.plugins.dataset(params["dataset"])
    view = DataView(paths=context.paths(), params=params["data"])
    folder = context.out / "images"
    folder.mkdir()
    rows, thumbnails = [], []
    cut: list[str] = []
    for number, sample in enumerate(dataset.samples(view, 0, params["count"])):
        data = image_bytes(sample.path)
        thumbnails.append(thumbnail(decode_rgb(data, sample.path)))
        if not has_its_end(data):
            cut.append(sample.name)
        name = f"{number:06d}{sample.path.suffix.lower()}"
        shutil.copyfile(sample.path, folder / name)
        facts = {"path": f"images/{name}", "name": sample.name}
        rows.append({**facts, "sha256": file_digest(folder / name)})
        context.progress(len(rows), params["count"], "calibration images")
    if not rows:
        raise DataError("no calibration images", next="give a folder with --calibration DIR")
    seen = variety(thumbnails)
    warnings = [*cut_off(cut, len(rows), "calibration images"), *doubts(seen)]
    document = {"images": rows, "variety": seen, "warnings": warnings}
    write_json(context.out / "images.json", document)
