"""The stage that draws the sample scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_sample.files import ANNOTATIONS, IMAGES, write_coco

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def draw(context: StageContext) -> None:
    """Draws the first `count` scenes of a split into `images`, with instances.json beside."""
    params = context.params
    drawn = context.out / "drawn"
    context.progress(0, params["count"], "scenes")
    write_coco(drawn, params["split"], params["count"], params["size"])
    for name in (IMAGES, ANNOTATIONS):
        (drawn / name).rename(context.out / name)
    drawn.rmdir()
    context.progress(params["count"], params["count"], "scenes")
