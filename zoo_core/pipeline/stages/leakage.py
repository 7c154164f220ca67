"""The stage that searches the evaluation images for calibration images, by content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zoo_core.api.calibration import images
from zoo_core.pipeline.predictions import StoredPredictions

if TYPE_CHECKING:
    from zoo_core.api import StageContext


def find(context: StageContext) -> None:
    """Write leakage.json: number and names of evaluation images also used for calibration."""
    used = {image.sha256 for image in images(context.inputs["calibration"])}
    heads = StoredPredictions(context.inputs["settled"]).heads()
    shared = sorted(head["name"] for head in heads if head["sha256"] in used)
    text = json.dumps({"shared": len(shared), "names": shared}, indent=1)
    (context.out / "leakage.json").write_text(text, encoding="utf-8")
