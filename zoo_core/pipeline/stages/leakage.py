"""The stage that searches the evaluation images for calibration images, by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api.calibration import images
from zoo_core.pipeline.predictions import StoredPredictions
from zoo_core.system.files import write_json

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def find(context: StageContext) -> None:
    """Write leakage.json: number and names of evaluation images also used for calibration."""
    used = {image.sha256 for image in images(context.inputs["calibration"])}
    heads = StoredPredictions(context.inputs["settled"]).heads()
    shared = sorted(head["name"] for head in heads if head["sha256"] in used)
    write_json(context.out / "leakage.json", {"shared": len(shared), "names": shared})
