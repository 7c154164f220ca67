"""Stored outputs instead of a compilation: the stage that takes them in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import Stage
from zoo_core.errors import UsageError
from zoo_vastai.compile.nms import device_nms
from zoo_vastai.compile.notes import build_notes
from zoo_vastai.files.outputs import content
from zoo_vastai.files.store import ADOPTED

if TYPE_CHECKING:
    from zoo_core.api import CompileRequest

_NEEDED = ("outputs", "datalist")


def adopt_stage(request: CompileRequest) -> Stage:
    """`compile` for --device files.

    Raises UsageError where the two options are not given, DataError where they name nothing.
    """
    options = request.target.options
    for key in _NEEDED:
        if key not in options:
            raise UsageError(
                f"--device files needs --option {key}=PATH",
                next="give outputs=DIR, that vamp --path_output wrote, and datalist=FILE",
            )
    places = {key: str(Path(options[key]).absolute()) for key in _NEEDED}
    nms = device_nms(request)
    return Stage(
        name="compile",
        run="zoo_vastai.files.adopt:adopt",
        params={
            "precision": request.target.precision,
            "form": "nms" if nms else "heads",
            "nms": nms.to_data() if nms else None,
            "size": list(request.size),
            "notes": list(build_notes(request)),
            "content": content(Path(places["outputs"]), Path(places["datalist"])),
        },
        inputs={"graph": request.graph} if request.graph and nms is None else {},
        outputs=ADOPTED,
        locations=places,
    )
