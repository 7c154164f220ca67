"""The stage that cuts things out of scenes by their true boxes."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from zoo_classification.crops import LISTING
from zoo_core.api import DataView
from zoo_core.errors import DataError
from zoo_core.vision import read_rgb, write_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

    Crop = tuple[str, str, NDArray[Any]]

_MARGIN = 0.15
"""Share of a box's longer side that is added around it."""


def cut(context: StageContext) -> None:
    """Leaves `images/<class>/<scene>-<number>.png` and crops.json: name and size, in order.

    The data set of scenes is found by its name; its truth is in COCO's form. Raises `DataError`
    where the scenes hold fewer things than are asked for.
    """
    params, rows = context.params, list[dict[str, Any]]()
    dataset = context.plugins.dataset(params["dataset"])
    view = DataView(paths=context.paths(), params=params["data"])
    things = true_boxes(dataset.truth(view))
    for sample in dataset.samples(view, 0, params["scenes"]):
        for label, name, pixels in _crops(sample.path, things[sample.id]):
            if len(rows) == params["count"]:
                break
            path = context.out / "images" / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, pixels)
            rows.append({"name": f"{label}/{name}", "size": list(pixels.shape[:2])})
        context.progress(len(rows), params["count"], "crops")
    if len(rows) < params["count"]:
        raise DataError(f"{params['scenes']} scenes hold {len(rows)} things, not {params['count']}")
    (context.out / LISTING).write_text(json.dumps(rows, indent=1), encoding="utf-8")


def true_boxes(truth: Path) -> dict[Any, list[tuple[str, list[float]]]]:
    """Class folder and box (x, y, width, height) of each thing, by image id, of a COCO file."""
    data = json.loads(truth.read_text(encoding="utf-8"))
    names = {row["id"]: row["name"].replace(" ", "_") for row in data["categories"]}
    found = defaultdict(list)
    for row in data["annotations"]:
        found[row["image_id"]].append((names[row["category_id"]], row["bbox"]))
    return found


def _crops(path: Path, things: list[tuple[str, list[float]]]) -> Iterator[Crop]:
    image = read_rgb(path)
    for number, (label, box) in enumerate(things):
        yield label, f"{path.stem}-{number}.png", _with_margin(image, box)


def _with_margin(image: NDArray[Any], box: list[float]) -> NDArray[Any]:
    x, y, width, height = box
    margin = _MARGIN * max(width, height)
    top, left = max(0, round(y - margin)), max(0, round(x - margin))
    return image[top : round(y + height + margin), left : round(x + width + margin)]
